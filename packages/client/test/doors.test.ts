import t from 'tap'
import { connect } from '../src/index.js'
import { build, fakes, jwt, open, until, watch } from './helpers.js'

t.test('passes both doors', async t => {
  const { connection, sockets, seen } = build(t)
  t.equal(connection.status, 'ticket')
  t.equal(connection.protocol, '')
  t.equal(connection.bufferedAmount, 0)
  const ready = connection.ready()
  const socket = await sockets.next()
  t.equal(connection.status, 'connecting')
  t.equal(socket.url, 'ws://server.test/ws')
  t.same(socket.protocols, ['airlock.v1', 'ticket.ticket-0'])
  t.equal(socket.binaryType, 'arraybuffer')
  socket.accept()
  t.equal(connection.status, 'authenticating')
  t.same(socket.sent, [`{"type":"auth","token":"${jwt('alice')}","final":[4410],"alive":true,"messageRate":true}`])
  socket.say({ type: 'auth_ok', user: { id: 'alice', role: 'admin' }, expiresAt: 123 })
  await ready
  t.equal(connection.status, 'open')
  t.equal(connection.protocol, 'airlock.v1')
  t.same(connection.user, { id: 'alice', role: 'admin' })
  t.equal(connection.expiresAt, 123)
  socket.bufferedAmount = 7
  t.equal(connection.bufferedAmount, 7)
  t.match(seen, [
    ['status', 'ticket'], ['status', 'connecting'], ['status', 'authenticating'], ['status', 'open'],
    ['open', { user: { id: 'alice' }, expiresAt: 123, timings: { ticket: Number, upgrade: Number, auth: Number } }]
  ])
  t.equal(seen.length, 5)
  await connection.ready()
})

t.test('without the second door it is open at the 101, and reads no control messages', async t => {
  const { connection, sockets, seen } = build(t, { getToken: undefined })
  const socket = (await sockets.next()).accept()
  t.match(seen.at(-1), ['open', { user: null, expiresAt: null, timings: { auth: 0 } }])
  t.same(socket.sent, [])
  socket.say({ type: 'expiring', expiresAt: 1 })
  t.same(seen.at(-1), ['message', { type: 'expiring', expiresAt: 1 }])
  t.equal(connection.status, 'open')
})

t.test('without the first door it offers no carrier, and does not retry at once', async t => {
  const { connection, sockets } = build(t, { getTicket: undefined })
  const socket = await sockets.next()
  t.same(socket.protocols, ['airlock.v1'])
  socket.end()
  t.equal(connection.status, 'waiting')
  t.equal((await until(connection, 'status')), 'ticket')
})

t.test('a message before auth_ok reaches no listener, and neither does a second auth_ok', async t => {
  const { sockets, seen } = build(t)
  const socket = (await sockets.next()).accept().say('early').say({ type: 'expiring', expiresAt: 1 }).admit()
  const before = seen.length
  t.notOk(seen.some(([name]) => name === 'message' || name === 'expiring'))
  socket.say({ type: 'auth_ok', user: { id: 'mallory' }, expiresAt: 1 })
  t.equal(seen.length, before)
  socket.say({ type: 'auth_ok' })
  t.same(seen.at(-1), ['message', { type: 'auth_ok' }], 'anything but a control message belongs to the application')
})

t.test('the ticket travels in each carrier', async t => {
  const query = build(t, { carrier: 'query', ticketName: 'key', url: 'https://server.test/ws?room=a%20b#top' })
  const socket = await query.sockets.next()
  t.equal(socket.url, 'wss://server.test/ws?room=a+b&key=ticket-0')
  t.same(socket.protocols, ['airlock.v1'])

  const named = build(t, { protocols: ['airlock.v2', 'airlock.v1'], url: new URL('http://server.test/ws') })
  t.same((await named.sockets.next()).protocols, ['airlock.v2', 'airlock.v1', 'ticket.ticket-0'])

  const told = build(t, { getTicket: () => ({ ticket: 'abc', protocol: 'own.v1' }), protocols: [] })
  t.same((await told.sockets.next()).accept('own.v1').protocols, ['own.v1', 'ticket.abc'])
  t.equal(told.connection.status, 'authenticating')

  const reply = build(t, { getTicket: () => Response.json({ ticket: 'abc', expiresIn: 30, protocol: 'airlock.v1' }) })
  t.same((await reply.sockets.next()).protocols, ['airlock.v1', 'ticket.abc'])
})

t.test('ends when the server selects a subprotocol that was not offered', async t => {
  for (const protocol of ['', 'ticket.ticket-0', 'other']) {
    const { connection, sockets } = build(t)
    const socket = (await sockets.next()).accept(protocol)
    t.match(connection, { status: 'closed', error: { code: 'WSA_CLIENT_ERR_PROTOCOL', final: true } })
    t.same(socket.sent, [], 'it gets no JWT')
    t.ok(socket.closing)
  }
})

t.test('throws for options that cannot be used', async t => {
  const { WebSocket } = fakes()
  const url = 'ws://server.test/ws'
  for (const options of [
    { url: '/ws' }, { url: 'ftp://server.test' }, { url: `${url}?token=${jwt('c3ViamVjdCI')}` }, { url: `${url}#${jwt('c3ViamVjdCI')}` },
    { timeout: 0 }, { timeout: NaN }, { reconnect: { min: 0 } }, { reconnect: { max: -1 } }, { reconnect: { attempts: 0 } },
    { queue: { messages: 0 } }, { queue: { bytes: NaN } }, { iteratorLimit: 0 }, { maxAuthBytes: 0 }
  ]) {
    t.throws(() => connect({ url, WebSocket, ...options }), { code: 'WSA_CLIENT_ERR_OPTIONS' }, JSON.stringify(options))
  }
  try {
    connect({ url: `${url}?token=${jwt('c3ViamVjdCI')}`, WebSocket })
  } catch (error) {
    t.notMatch(String(error), 'eyJ', 'the message does not quote the JWT')
  }
  t.intercept(globalThis, 'WebSocket', { value: undefined })
  t.throws(() => connect({ url }), { code: 'WSA_CLIENT_ERR_NO_WEBSOCKET' })
  connect({ url: `${url}?file=monkeyJar.tar.gz`, WebSocket, timeout: undefined, reconnect: undefined, queue: undefined }).close()
})

t.test('ends when the WebSocket refuses its arguments, and does not reveal the ticket', async t => {
  class WebSocket extends fakes().WebSocket {
    constructor (url: string, protocols?: string[]) {
      super(url, protocols)
      throw new SyntaxError(`The subprotocol ${String(protocols)} is invalid`)
    }
  }
  const { connection } = build(t, { WebSocket })
  const { error } = await until(connection, 'close').then(() => connection)
  t.match(error, { code: 'WSA_CLIENT_ERR_OPTIONS', final: true, cause: undefined })
  t.notMatch(String(error), 'ticket-0')
  const noPage = build(t, { carrier: 'cookie' })
  await until(noPage.connection, 'close')
  t.match(noPage.connection.error, { code: 'WSA_CLIENT_ERR_OPTIONS' }, 'there are no cookies without a page')
})

t.test('two connections do not affect each other', async t => {
  const a = await open(t)
  const b = await open(t)
  const heard = watch(b.connection)
  a.socket.say('for a')
  a.connection.close()
  t.same(heard, [])
  t.equal(b.connection.status, 'open')
})
