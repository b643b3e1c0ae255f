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
