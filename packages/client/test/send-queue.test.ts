import t from 'tap'
import { createSendQueue, type SendQueue } from '../src/send-queue.js'
import type { WireData } from '../src/types.js'

function takeAll (queue: SendQueue): WireData[] {
  const taken: WireData[] = []
  queue.drain(message => taken.push(message) > 0)
  return taken
}

const full = { code: 'WSA_CLIENT_ERR_QUEUE_FULL' }

t.test('keeps messages in order until they are taken', async t => {
  const queue = createSendQueue({ messages: 10, bytes: 100 })
  t.equal(queue.bytes, 0)
  const binary = new Uint8Array([1, 2])
  queue.add('ä')
  queue.add(binary)
  t.equal(queue.bytes, 4, 'text counts as UTF-8')
  t.same(takeAll(queue), ['ä', binary])
  t.equal(queue.bytes, 0)
  t.same(takeAll(queue), [])
})

t.test('is bounded by messages', async t => {
  const queue = createSendQueue({ messages: 2, bytes: 100 })
  queue.add('a')
  queue.add('b')
  t.throws(() => { queue.add('c') }, full)
  t.same(takeAll(queue), ['a', 'b'])
  queue.add('c')
  t.same(takeAll(queue), ['c'])
})

t.test('is bounded by bytes', async t => {
  const queue = createSendQueue({ messages: 10, bytes: 3 })
  queue.add('ab')
  t.throws(() => { queue.add('ä') }, full)
  t.equal(queue.bytes, 2, 'a message that does not fit changes nothing')
  queue.add('c')
  t.equal(queue.bytes, 3)
})

t.test('keeps what is not taken', async t => {
  const queue = createSendQueue({ messages: 10, bytes: 100 })
  for (const text of ['a', 'b', 'c']) queue.add(text)
  queue.drain(message => message === 'a')
  t.match(queue, { messages: ['b', 'c'], bytes: 2 })
})
