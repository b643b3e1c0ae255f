import t from 'tap'
import { SendQueue } from '../src/send-queue.js'

const full = { code: 'WSA_CLIENT_ERR_QUEUE_FULL' }

t.test('keeps messages in order until they are taken', async t => {
  const queue = new SendQueue({ messages: 10, bytes: 100 })
  t.equal(queue.bytes, 0)
  const binary = new Uint8Array([1, 2])
  queue.add('ä')
  queue.add(binary)
  t.equal(queue.bytes, 4, 'text counts as UTF-8')
  t.same(queue.takeAll(), ['ä', binary])
  t.equal(queue.bytes, 0)
  t.same(queue.takeAll(), [])
})

t.test('is bounded by messages', async t => {
  const queue = new SendQueue({ messages: 2, bytes: 100 })
  queue.add('a')
  queue.add('b')
  t.throws(() => { queue.add('c') }, full)
  t.same(queue.takeAll(), ['a', 'b'])
  queue.add('c')
  t.same(queue.takeAll(), ['c'])
})

t.test('is bounded by bytes', async t => {
  const queue = new SendQueue({ messages: 10, bytes: 3 })
  queue.add('ab')
  t.throws(() => { queue.add('ä') }, full)
  t.equal(queue.bytes, 2, 'a message that does not fit changes nothing')
  queue.add('c')
  t.equal(queue.bytes, 3)
})
