import t from 'tap'
import { escapeTopic, readMessage, readOrigin, unescapeTopic } from '../src/bus-message.js'
import { Orders } from '../src/orders.js'
import { Seen } from '../src/seen.js'

t.test('topics are escaped, and back', async t => {
  t.equal(escapeTopic('kiosk/hall-1/a.b_c'), 'kiosk/hall-1/a.b_c')
  t.equal(escapeTopic('a/+/#'), 'a/%002b/%0023')
  t.equal(escapeTopic('a/+/#', true), 'a/+/#')
  t.equal(escapeTopic('*?[x]^%é 🌍', true), '%002a%003f%005bx%005d%005e%0025%00e9%0020%d83c%df0d')
  for (const topic of ['a/b', '+', '#', '%', '%002b', '*?[]\\', 'é 🌍', '\ud800', '', ' ', '//']) {
    t.equal(unescapeTopic(escapeTopic(topic)), topic, topic)
    t.match(escapeTopic(topic), /^[\w.%/-]*$/)
  }
})

t.test('where a message comes from', async t => {
  const good = { topic: 'x', node: 'a', sequence: 1 }
  t.strictSame(readOrigin({ ...good, payload: 'anything' }), good)
  const bad = [
    null, undefined, 7, 'text', {}, { ...good, topic: 7 }, { ...good, node: undefined }, { ...good, node: 'x'.repeat(65) },
    { ...good, sequence: '1' }, { ...good, sequence: 1.5 }
  ]
  for (const message of bad) t.equal(readOrigin(message), null)
})

t.test('messages', async t => {
  const payload = Buffer.from('hello')
  t.match(readMessage('topic/a/%002b', { payload, binary: false }), { kind: 'publish', topic: 'a/+', frame: { payload } })
  t.match(readMessage('broadcast', { payload: new Uint8Array([0xff]), binary: true }), {
    kind: 'publish', topic: null, frame: { payload: Buffer.from([0xff]), options: { binary: true } }
  })
  const order = { subject: 'alice', code: 4403, reason: 'disconnected', age: 0 }
  t.strictSame(readMessage('disconnect', { ...order, _id: 1 }), { kind: 'disconnect', ...order })
  t.strictSame(readMessage('node/me', order), { kind: 'disconnect', ...order })
  t.strictSame(readMessage('return', { away: 1_000.5 }), { kind: 'return', away: 1_000.5 })

  const bad: Array<[string, object]> = [
    ['topic/a', {}],
    ['topic/a', { payload: 'hello', binary: false }],
    ['topic/a', { payload }],
    ['topic/a', { payload: Buffer.from([0xff]), binary: false }],
    ['topic/', { payload, binary: false }],
    [`topic/${'a'.repeat(257)}`, { payload, binary: false }],
    ['elsewhere', { payload, binary: false }],
    ['broadcast', { binary: true }],
    ['disconnect', { ...order, subject: 7 }],
    ['disconnect', { ...order, code: 1006 }],
    ['disconnect', { ...order, reason: null }],
    ['disconnect', { ...order, age: undefined }],
    ['disconnect', { ...order, age: -1 }],
    ['node/me', { payload, binary: false }],
    ['return', {}],
    ['return', { away: Number.NaN }]
  ]
  for (const [kind, message] of bad) t.equal(readMessage(kind, message), null, kind)
})

t.test('each message passes once', async t => {
  const seen = new Seen()
  t.ok(seen.isNew('node', 'a', 5))
  t.notOk(seen.isNew('node', 'a', 5), 'again')
  t.notOk(seen.isNew('node', 'a', 4), 'too late')
  t.ok(seen.isNew('node', 'a', 9))
  t.ok(seen.isNew('node', 'b', 3), 'another topic')
  t.ok(seen.isNew('other node', 'a', 1))
})

t.test('what has been seen is forgotten in the end, the oldest first', async t => {
  const seen = new Seen()
  for (let topic = 0; topic < 10_000; topic++) seen.isNew('node', `topic ${topic}`, 1)
  t.notOk(seen.isNew('node', 'topic 0', 1))
  t.ok(seen.isNew('node', 'topic 0', 2), 'which makes it the newest')
  t.ok(seen.isNew('node', 'one more', 1))
  t.notOk(seen.isNew('node', 'topic 0', 2))
  t.ok(seen.isNew('node', 'topic 1', 1), 'forgotten')
})

t.test('orders are remembered for a while', async t => {
  const orders = new Orders()
  orders.add('alice', 4403, 'out', 1_000)
  orders.add('bob', 4403, 'out', 2_000)
  t.strictSame(orders.within(500, 2_100), [{ subject: 'bob', code: 4403, reason: 'out', age: 100 }])
  t.equal(orders.within(5_000, 2_100).length, 2)
  orders.add('alice', 4001, 'again', 3_000)
  t.strictSame(orders.within(5_000, 3_000).map(({ subject, age }) => [subject, age]), [['bob', 1_000], ['alice', 0]])
  orders.add('carol', 4403, 'out', 603_000)
  t.strictSame(orders.within(Infinity, 603_000).map(({ subject }) => subject), ['alice', 'carol'], 'ten minutes')
  for (let number = 0; number < 10_000; number++) orders.add(`user-${number}`, 4403, 'out', 603_001)
  const last = orders.within(Infinity, 603_001)
  t.equal(last.length, 10_000)
  t.equal(last[0]?.subject, 'user-0')
})
