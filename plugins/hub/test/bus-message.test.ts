import t from 'tap'
import { escapeTopic, readMessage, readOrigin, unescapeTopic } from '../src/bus-message.js'
import { Sequences } from '../src/sequences.js'

t.test('topics are escaped and unescaped', async t => {
  t.equal(escapeTopic('kiosk/hall-1/a.b_c'), 'kiosk/hall-1/a.b_c')
  t.equal(escapeTopic('a/+/#'), 'a/%002b/%0023')
  t.equal(escapeTopic('a/+/#', true), 'a/+/#')
  t.equal(escapeTopic('*?[x]^%é 🌍', true), '%002a%003f%005bx%005d%005e%0025%00e9%0020%d83c%df0d')
  for (const topic of ['a/b', '+', '#', '%', '%002b', '*?[]\\', 'é 🌍', '\ud800', '', ' ', '//']) {
    t.equal(unescapeTopic(escapeTopic(topic)), topic, topic)
    t.match(escapeTopic(topic), /^[\w.%/-]*$/)
  }
})

t.test('the origin of a message is read and checked', async t => {
  const good = { topic: 'x', node: 'a', sequence: 1 }
  t.strictSame(readOrigin({ ...good, payload: 'anything' }), { channel: 'x', node: 'a', sequence: 1 })
  const bad = [
    null, undefined, 7, 'text', {}, { ...good, topic: 7 }, { ...good, node: undefined }, { ...good, node: 'x'.repeat(65) }, { ...good, node: '' }, { ...good, node: 'a/b' }, { ...good, node: '+' },
    { ...good, sequence: '1' }, { ...good, sequence: 1.5 }
  ]
  for (const message of bad) t.equal(readOrigin(message), null)
})

t.test('messages are read and checked', async t => {
  const payload = Buffer.from('hello')
  t.match(readMessage('topic/a/%002b', { payload, binary: false }), { kind: 'publish', topic: 'a/+', frame: { payload } })
  t.match(readMessage('broadcast', { payload: new Uint8Array([0xff]), binary: true }), {
    kind: 'publish', topic: null, frame: { payload: Buffer.from([0xff]), options: { binary: true } }
  })
  const command = { subject: 'alice', code: 4403, reason: 'disconnected', age: 0 }
  t.strictSame(readMessage('disconnect', { ...command, _id: 1 }), { kind: 'disconnect', order: { kind: 'disconnect', subject: 'alice', code: 4403, reason: 'disconnected' }, age: 0 })
  t.strictSame(readMessage('node/me', command), { kind: 'disconnect', order: { kind: 'disconnect', subject: 'alice', code: 4403, reason: 'disconnected' }, age: 0 })
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
    ['disconnect', { ...command, subject: 7 }],
    ['disconnect', { ...command, code: 1006 }],
    ['disconnect', { ...command, reason: null }],
    ['disconnect', { ...command, age: undefined }],
    ['disconnect', { ...command, age: -1 }],
    ['node/me', { payload, binary: false }],
    ['return', {}],
    ['return', { away: Number.NaN }]
  ]
  for (const [kind, message] of bad) t.equal(readMessage(kind, message), null, kind)
})

t.test('messages of the cluster are read and checked', async t => {
  const tell = { payload: Buffer.from('{"a":1}') }
  const question = { kind: 'question', id: 1 }
  const answer = { kind: 'answer', id: 1, connections: 3, count: 2, draining: false }
  t.strictSame(readMessage('tell/a/%002b', tell), { kind: 'tell', name: 'a/+', text: '{"a":1}' })
  t.strictSame(readMessage('tell/a', { payload: new Uint8Array(Buffer.from(' xnull ').buffer, 0).subarray(0, 0), kind: 'x' }), null, 'nothing is no JSON')
  t.strictSame(readMessage('node/me', { kind: 'tell', name: 'chat', ...tell }), { kind: 'tell', name: 'chat', text: '{"a":1}' })
  t.strictSame(readMessage('node/me', question), { kind: 'question', id: 1, topic: undefined })
  t.strictSame(readMessage('node/me', { ...question, topic: 'airlock/node/me', about: 'news' }), { kind: 'question', id: 1, topic: 'news' })
  t.strictSame(readMessage('node/me', answer), { kind: 'answer', id: 1, state: { connections: 3, count: 2, draining: false } })
  t.ok(readMessage('tell/a', { payload: Buffer.from(`"${'x'.repeat(256 * 1024 - 2)}"`) }))

  const bad: Array<[string, object]> = [
    ['tell/', tell],
    ['tell/a', {}],
    ['tell/a', { payload: '{}' }],
    ['tell/a', { payload: Buffer.from('{') }],
    ['tell/a', { payload: Buffer.from('') }],
    ['tell/a', { payload: Buffer.from([0x22, 0xff, 0x22]) }],
    ['tell/a', { payload: Buffer.from(`"${'x'.repeat(256 * 1024 - 1)}"`) }],
    [`tell/${'a'.repeat(257)}`, tell],
    [`tell/${'/'.repeat(64)}`, tell],
    ['node/me', { kind: 'tell', ...tell }],
    ['node/me', { kind: 'tell', name: 7, ...tell }],
    ['node/me', { kind: 'tell', name: '', ...tell }],
    ['node/me', { kind: 'tell', name: 'chat' }],
    ...[undefined, -1, 1.5, '1', NaN, null, 2 ** 53].map(id => ['node/me', { ...question, id }] as [string, object]),
    ...['', 7, null, 'x'.repeat(257)].map(about => ['node/me', { ...question, about }] as [string, object]),
    ...[undefined, -1, 1.5, '1', NaN, Infinity].flatMap(number => ['id', 'connections', 'count'].map(member => ['node/me', { ...answer, [member]: number }] as [string, object])),
    ...[undefined, 0, 'no'].map(draining => ['node/me', { ...answer, draining }] as [string, object])
  ]
  for (const [kind, message] of bad) t.equal(readMessage(kind, message), null, `${kind} ${JSON.stringify(message).slice(0, 100)}`)
})

t.test('each message passes once', async t => {
  const sequences = new Sequences()
  t.ok(sequences.advance('node', 'a', 5))
  t.notOk(sequences.advance('node', 'a', 5), 'again')
  t.notOk(sequences.advance('node', 'a', 4), 'too late')
  t.ok(sequences.advance('node', 'a', 9))
  t.ok(sequences.advance('node', 'b', 3), 'another topic')
  t.ok(sequences.advance('other node', 'a', 1))
})

t.test('10,000 numbers are kept, and the oldest ones dropped', async t => {
  const sequences = new Sequences()
  for (let topic = 0; topic < 10_000; topic++) sequences.advance('node', `topic ${topic}`, 1)
  t.notOk(sequences.advance('node', 'topic 0', 1))
  t.ok(sequences.advance('node', 'topic 0', 2), 'now the newest one')
  t.ok(sequences.advance('node', 'one more', 1))
  t.notOk(sequences.advance('node', 'topic 0', 2))
  t.ok(sequences.advance('node', 'topic 1', 1), 'dropped')
})
