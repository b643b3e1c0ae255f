import t from 'tap'
import { raw } from '../src/index.js'
import { build, open } from './helpers.js'

t.test('queues early messages, and sends them in order before those of listeners', async t => {
  const { connection, sockets } = build(t)
  t.equal(connection.send('a'), false)
  t.equal(connection.send(new Uint8Array([1, 2])), false)
  t.equal(connection.bufferedAmount, 5)
  connection.on('status', status => { if (status === 'open') connection.send('status') })
  connection.on('open', () => { t.equal(connection.send('open'), true) })
  const socket = (await sockets.next()).accept()
  t.equal(connection.send('b'), false)
  socket.admit()
  t.same(socket.sent.slice(2), ['"a"', new Uint8Array([1, 2]), '"b"', '"status"', '"open"'])
  t.equal(connection.bufferedAmount, 0)
  socket.readyState = 2
  t.equal(connection.send('c'), false, 'a closing socket takes nothing')
  socket.end()
  const next = (await sockets.next()).admit()
  t.same(next.sent.slice(1), ['"c"', '"status"', '"open"'])
})

t.test('when the server closes right after auth_ok, the queue goes to the next socket', async t => {
  const { connection, sockets } = build(t)
  connection.send('a')
  const socket = (await sockets.next()).accept()
  socket.readyState = 2
  socket.say({ type: 'auth_ok', user: { id: 'alice' }, expiresAt: 1 }).end(1001)
  t.equal(socket.sent.length, 1)
  t.same((await sockets.next()).admit().sent.slice(1), ['"a"'])
})

t.test('the queue is bounded', async t => {
  const few = build(t, { queue: { messages: 2 } })
  few.connection.send(1)
  few.connection.send(2)
  t.throws(() => few.connection.send(3), { code: 'WSA_CLIENT_ERR_QUEUE_FULL' })
  const small = build(t, { codec: raw, queue: { bytes: 10 } })
  small.connection.send('ääää')
  t.throws(() => small.connection.send('abc'), { code: 'WSA_CLIENT_ERR_QUEUE_FULL' })
  small.connection.send(new Blob(['ab']))
  t.equal(small.connection.bufferedAmount, 10)
  t.throws(() => small.connection.send({} as any), { code: 'WSA_CLIENT_ERR_QUEUE_FULL' }, 'nor a message without a size')
  const standard = build(t)
  for (let n = 0; n < 128; n++) standard.connection.send(n)
  t.throws(() => standard.connection.send(0), { code: 'WSA_CLIENT_ERR_QUEUE_FULL' })
})

t.test('decodes messages of every kind', async t => {
  const { socket, seen } = await open(t)
  const buffer = new ArrayBuffer(2)
  socket.say({ a: 1 })
  socket.onmessage?.({ data: buffer })
  socket.onmessage?.({ data: '{' })
  t.match(seen.slice(5), [['message', { a: 1 }], ['message', buffer], ['error', { code: 'WSA_CLIENT_ERR_MESSAGE', final: false, cause: SyntaxError }]])
  const { socket: bare, seen: heard } = await open(t, { codec: raw })
  bare.onmessage?.({ data: '{' })
  t.same(heard.at(-1), ['message', '{'])
})

t.test('a volatile message is sent at once or dropped', async t => {
  const { connection, sockets } = build(t)
  t.equal(connection.send('early', { volatile: true }), false)
  t.equal(connection.bufferedAmount, 0)
  const socket = (await sockets.next()).admit()
  t.equal(connection.send('now', { volatile: true }), true)
  socket.bufferedAmount = 16_384
  t.equal(connection.send('still', { volatile: true }), true)
  socket.bufferedAmount++
  t.equal(connection.send('late', { volatile: true }), false, 'behind much else')
  t.equal(connection.send('kept', { volatile: false }), true)
  socket.readyState = 2
  t.equal(connection.send('closing', { volatile: true }), false)
  socket.end()
  t.same((await sockets.next()).admit().sent.slice(1), [])
  t.same(socket.sent.slice(1), ['"now"', '"still"', '"kept"'])
  connection.close()
  t.throws(() => connection.send('over', { volatile: true }), { code: 'WSA_CLIENT_ERR_CLOSED' })
})

t.test('ready() can be given up', async t => {
  const reason = new Error('left the page')
  const { connection, sockets } = build(t)
  await t.rejects(connection.ready({ signal: AbortSignal.abort(reason) }), reason)
  await t.rejects(connection.ready({ timeout: 1 }), { code: 'WSA_CLIENT_ERR_TIMEOUT' })
  await t.rejects(connection.ready({ timeout: -1 }), { code: 'WSA_CLIENT_ERR_TIMEOUT' })
  const controller = new AbortController()
  const { signal } = controller
  const removed = t.capture(signal, 'removeEventListener', signal.removeEventListener)
  const given = t.rejects(connection.ready({ signal, timeout: Infinity }), reason)
  const all = Promise.all([connection.ready(), connection.ready({}), connection.ready({ signal: new AbortController().signal, timeout: 60_000 })])
  controller.abort(reason)
  await given
  t.equal(removed().length, 1)
  t.not(connection.status, 'closed', 'the connection goes on')
  ;(await sockets.next()).admit()
  await all
  await connection.ready({ timeout: 1 })
  await t.rejects(connection.ready({ signal }), reason, 'an aborted signal counts, whatever the status')
  connection.close()
  await t.rejects(connection.ready({ timeout: 60_000 }), { code: 'WSA_CLIENT_ERR_CLOSED' })
})

t.test('ready() says what of its options it cannot use, and listens to nothing then', async t => {
  const { connection, sockets } = build(t)
  for (const timeout of ['x', NaN, {}, () => {}, 'soon']) {
    await t.rejects(connection.ready({ timeout: timeout as number }), { code: 'WSA_CLIENT_ERR_OPTIONS', message: /timeout/ }, String(timeout))
  }
  for (const signal of [1, true, 'x', {}, () => {}, new AbortController()]) {
    await t.rejects(connection.ready({ signal: signal as AbortSignal }), { code: 'WSA_CLIENT_ERR_OPTIONS', message: /signal/ }, String(signal))
  }
  const { signal } = new AbortController()
  const added = t.capture(signal, 'addEventListener', signal.addEventListener)
  await t.rejects(connection.ready({ signal, timeout: NaN }), { code: 'WSA_CLIENT_ERR_OPTIONS' })
  t.equal(added().length, 0)
  const all = Promise.all([connection.ready({ timeout: null, signal: null } as object), connection.ready({ timeout: 2 ** 40 })])
  ;(await sockets.next()).admit()
  await all
  await t.rejects(connection.ready({ timeout: NaN }), { code: 'WSA_CLIENT_ERR_OPTIONS' }, 'whatever the status')
})
