import t, { type Test } from 'tap'
import type { ConnectOptions } from '../src/index.js'
import { connectPresence, type PresenceConnection, type PresenceView } from '../src/presence/index.js'
import { connectPresence as connectInNode } from '../src/presence/node.js'
import { connectTopics, type TopicsConnection } from '../src/topics/index.js'
import { clock, type FakeSocket, fakes, jwt } from './helpers.js'
import { dial, serve } from './server.js'
import { eventually, tick } from './topics.js'

/** The frames about presence that a socket was sent since the last call. */
async function taken (socket: FakeSocket): Promise<any[]> {
  await tick()
  const all = socket.sent.map(text => JSON.parse(text as string)).filter(({ type }) => /^presence:/.test(type))
  socket.sent.length = 0
  return all
}

function admit (socket: FakeSocket, members: object = {}): FakeSocket {
  return socket.accept().say({ type: 'auth_ok', user: { id: 'alice' }, expiresAt: 1e15, presence: { max: 2 }, ...members })
}

const user = (subject: string, state?: unknown) => ({ subject, connections: 1, ...state !== undefined && { state } })

function build (t: Test, options: Partial<ConnectOptions<any, any>> = {}) {
  const sockets = fakes()
  const connection: PresenceConnection<any, any> = connectPresence<any, any>({
    url: 'ws://server.test/ws',
    getToken: () => jwt('alice'),
    reconnect: { min: 4, max: 1000 },
    random: () => 0.5,
    WebSocket: sockets.WebSocket,
    ...options
  })
  t.teardown(() => { connection.close() })
  return { connection, sockets }
}

async function open (t: Test, options: Partial<ConnectOptions<any, any>> = {}, members: object = {}) {
  const built = build(t, options)
  const socket = admit(await built.sockets.next(), members)
  socket.sent.length = 0
  return { ...built, socket }
}

/** What a listener is told: users and status. */
function heard () {
  const all: unknown[] = []
  return { all, listener: ({ users, total, status, error }: PresenceView) => { all.push([users.map(({ subject }) => subject).join(), total, status, error?.reason ?? error?.code].filter(value => value !== undefined)) } }
}

t.test('asks for the extension in auth, and hands on what is not of it', async t => {
  const { connection, sockets } = build(t)
  const messages: unknown[] = []
  connection.on('message', message => { messages.push(message) })
  const socket = (await sockets.next()).accept()
  t.match(JSON.parse(socket.sent[0] as string), { type: 'auth', token: String, presence: true })
  socket.say({ type: 'auth_ok', user: { id: 'alice' }, expiresAt: 1e15, presence: { max: 2 } })
  t.match(connection, { status: 'open', user: { id: 'alice' } })
  socket.say({ type: 'presence:list', topic: 'nobody watches', total: 0 })
  for (const message of [{ n: 1 }, null, { type: 'present' }, { type: 7, x: '"presence:' }, { x: { type: 'presence:x' } }]) socket.say(message)
  socket.onmessage?.({ data: new Uint8Array([123]).buffer })
  t.match(messages, [{ n: 1 }, null, { type: 'present' }, { type: 7 }, { x: {} }, ArrayBuffer])
  connection.send({ type: 'mine' })
  t.same(JSON.parse(socket.sent.at(-1) as string), { type: 'mine' })
})

t.test('leaves the request out where auth would be too long', async t => {
  const length = JSON.stringify({ type: 'auth', token: '', final: [4410], alive: true, messageRate: true }).length
  for (const [more, asked] of [[16, true], [15, undefined]] as const) {
    const { sockets } = build(t, { getToken: () => 'x'.repeat(100), maxAuthBytes: length + 100 + more })
    t.equal(JSON.parse((await sockets.next()).accept().sent[0] as string).presence, asked)
  }
})

t.test('watches, follows the changes, and stops', async t => {
  const { connection, socket } = await open(t, {}, { alive: 25 })
  const [one, other] = [heard(), heard()]
  const room = connection.presence('room', one.listener)
  const same = connection.presence('room', other.listener)
  const quiet = connection.presence('quiet')
  t.same(await taken(socket), [{ type: 'presence:watch', topics: ['room', 'quiet'] }])
  t.match(room, { topic: 'room', view: { status: 'waiting', users: [], total: 0, error: null } })
  socket.say({ type: 'presence:list', topic: 'room', total: 2, here: [user('alice')], more: true })
  t.equal(room.view.status, 'waiting', 'the rest is on its way')
  socket.say({ type: 'presence:change', topic: 'room', total: 2, here: [user('bob', { typing: true })] })
  t.same(room.view, { status: 'live', users: [user('alice'), user('bob', { typing: true })], total: 2, error: null })
  socket.say({ type: 'presence:change', topic: 'room', total: 1, gone: ['alice', 'never'], here: [user('bob')] })
  t.same(one.all, [['alice,bob', 2, 'live'], ['bob', 1, 'live']])
  t.same(other.all, one.all)
  const late = heard()
  connection.presence('room', late.listener).leave()
  const later = connection.presence('room', late.listener)
  t.same(await taken(socket), [])
  t.same(late.all, [['bob', 1, 'live']])
  room.leave()
  same.leave()
  t.same(await taken(socket), [])
  later.leave()
  quiet.leave()
  t.same(await taken(socket), [{ type: 'presence:unwatch', topics: ['room', 'quiet'] }])
  t.match(room.view, { status: 'closed', error: null })
  const again = connection.presence('room')
  t.same(await taken(socket), [{ type: 'presence:watch', topics: ['room'] }])
  again.leave()
  const instant = connection.presence('instant')
  instant.leave()
  instant.set(1)
  t.same(await taken(socket), [{ type: 'presence:unwatch', topics: ['room'] }])
  t.throws(() => connection.presence('x'.repeat(257)), { code: 'WSA_CLIENT_ERR_OPTIONS' })
})

t.test('sets the own state, the last of several in a short time, and again after a reconnection', async t => {
  const { connection, socket, sockets } = await open(t)
  const room = connection.presence<number>('room')
  const other = connection.presence<number>('other')
  room.set(1)
  other.set(7)
  t.same(await taken(socket), [{ type: 'presence:watch', topics: ['room', 'other'] }, { type: 'presence:set', topic: 'room', state: 1 }])
  for (const n of [2, 3, 4]) room.set(n)
  t.same(await taken(socket), [])
  await eventually(() => socket.sent.length === 2)
  t.same((await taken(socket)).map(({ topic, state }) => [topic, state]), [['room', 4], ['other', 7]])
  socket.say({ type: 'presence:refused', topic: 'room', state: true, code: 'rate', retryAfter: 5 })
  await eventually(() => socket.sent.length === 1)
  t.same(await taken(socket), [{ type: 'presence:set', topic: 'room', state: 4 }])
  socket.say({ type: 'presence:refused', topic: 'room', state: true, code: 'invalid' })
  other.set(null)
  await eventually(() => socket.sent.length === 1)
  await taken(socket)
  socket.say({ type: 'presence:list', topic: 'room', total: 1, here: [user('alice', 4)] })
  socket.end(1006)
  t.match(room.view, { status: 'waiting', users: [user('alice', 4)] }, 'what was known is kept')
  const next = admit(await sockets.next())
  // The state may have to wait for its turn.
  await eventually(() => next.sent.some(text => /presence:set/.test(text as string)))
  t.same(await taken(next), [{ type: 'presence:watch', topics: ['room', 'other'] }, { type: 'presence:set', topic: 'room', state: 4 }])
  room.leave()
  t.same(await taken(next), [{ type: 'presence:set', topic: 'room', state: null }, { type: 'presence:unwatch', topics: ['room'] }])
})

t.test('what is refused or ended for good is over; the rest is asked again', async t => {
  const { connection, socket } = await open(t)
  const [secret, busy, taken2] = [heard(), heard(), heard()]
  const refused = connection.presence('secret', secret.listener)
  connection.presence('busy', busy.listener)
  connection.presence('mine', taken2.listener)
  t.same((await taken(socket)).map(({ topics }) => topics), [['secret', 'busy'], ['mine']], 'no more in one frame than the server takes')
  socket.say({ type: 'presence:refused', topic: 'secret', code: 'forbidden' })
  socket.say({ type: 'presence:refused', topic: 'busy', code: 'unavailable' })
  socket.say({ type: 'presence:list', topic: 'mine', total: 0 })
  socket.say({ type: 'presence:left', topic: 'mine', reason: 'evicted' })
  t.match(refused.view, { status: 'closed', error: { code: 'WSA_CLIENT_ERR_TOPIC_REFUSED', topic: 'secret', reason: 'forbidden' } })
  t.same([secret.all, taken2.all], [[['', 0, 'closed', 'forbidden']], [['', 0, 'live'], ['', 0, 'closed', 'evicted']]])
  const fresh = connection.presence('secret')
  t.equal(fresh.view.status, 'waiting')
  await eventually(() => socket.sent.length === 2)
  t.same((await taken(socket)).map(({ topics }) => topics), [['secret'], ['busy']])
  connection.close()
  t.match(fresh.view, { status: 'closed', error: { code: 'WSA_CLIENT_ERR_CLOSED' } })
})

t.test('a server without presence is told of at once; without the second door it is on', async t => {
  const { connection, sockets } = build(t)
  const room = connection.presence('room')
  ;(await sockets.next()).admit()
  await tick()
  t.match(room.view, { status: 'closed', error: { code: 'WSA_CLIENT_ERR_PRESENCE_OFF', topic: 'room' } })
  t.equal(connection.status, 'open')
  const one = build(t, { getToken: undefined })
  one.connection.presence('room')
  const socket = (await one.sockets.next()).accept()
  t.same(await taken(socket), [{ type: 'presence:watch', topics: ['room'] }])
})

t.test('signs of life: what it takes for itself counts', async t => {
  const time = clock(t)
  const { connection, socket } = await open(t, {}, { alive: 25 })
  const messages: unknown[] = []
  connection.on('message', message => { messages.push(message) })
  connection.presence('room')
  for (let n = 0; n < 5; n++) {
    time.ahead += 20_000
    socket.say({ type: 'presence:change', topic: 'room', total: 0 })
    await tick()
  }
  t.equal(connection.status, 'open')
  t.same(messages, [])
})

t.test('beside topics, over a real server', async t => {
  const server = await serve(t, {
    hub: { authorizeTopic: () => true },
    topics: {},
    presence: { authorizePresence: () => true, reportInterval: 1 }
  })
  type Both = ReturnType<typeof dial> & { connection: TopicsConnection<any, any> & PresenceConnection<any, any> }
  const both = (): Both => dial(t, server, {}, 60, ((options: ConnectOptions<any, any>) => connectPresence({ ...options, connect: connectTopics<any, any> })) as never) as Both
  const [one, other] = [both(), both()]
  const messages: unknown[] = []
  one.connection.subscribe('room', ({ data }) => { messages.push(data) })
  const room = one.connection.presence('room')
  await eventually(() => room.view.total === 1)
  other.connection.subscribe('room')
  other.connection.presence('room').set({ typing: true })
  await eventually(() => JSON.stringify(room.view.users) === '[{"subject":"alice","connections":2,"state":{"typing":true}}]')
  await server.app.wsTopics.publish('room', 'hello')
  await eventually(() => messages.length === 1)
  t.same(messages, ['hello'])
  other.connection.close()
  await eventually(() => JSON.stringify(room.view.users) === '[{"subject":"alice","connections":1}]')
  for (const client of server.app.websocketServer.clients) client.terminate()
  await eventually(() => room.view.status === 'waiting')
  await eventually(() => room.view.status === 'live' && room.view.users[0]?.connections === 1)
})

t.test('in Node it finds a WebSocket, also that of ws', async t => {
  connectInNode({ url: 'ws://127.0.0.1:1/ws', reconnect: false, WebSocket: fakes().WebSocket }).close()
  t.intercept(globalThis as any, 'WebSocket', { value: undefined, writable: true })
  const connection = connectInNode({ url: 'ws://127.0.0.1:1/ws', reconnect: false })
  t.equal(connection.presence('room').view.status, 'waiting')
  connection.close()
})

t.test('what the server still says of a watch that was left is not taken for the next one', async t => {
  const { connection, socket } = await open(t)
  const first = connection.presence('room')
  await taken(socket)
  socket.say({ type: 'presence:list', topic: 'room', total: 1, here: [user('alice')] })
  first.leave()
  await taken(socket)
  const { all, listener } = heard()
  const again = connection.presence('room', listener)
  t.same(await taken(socket), [{ type: 'presence:watch', topics: ['room'] }])
  socket.say({ type: 'presence:change', topic: 'room', total: 2, here: [user('bob')] })
  socket.say({ type: 'presence:left', topic: 'room', reason: 'evicted' })
  t.equal(again.view.status, 'waiting')
  socket.say({ type: 'presence:list', topic: 'room', total: 2, here: [user('alice'), user('bob')] })
  socket.say({ type: 'presence:change', topic: 'room', total: 1, gone: ['alice'] })
  t.same(all, [['alice,bob', 2, 'live'], ['bob', 1, 'live']])
  socket.say({ type: 'presence:left', topic: 'room', reason: 'evicted' })
  t.equal(again.view.status, 'closed')
})

t.test('a state goes with the last that looks at its topic, also while the connection is lost', async t => {
  const { connection, socket, sockets } = await open(t)
  const room = connection.presence('room')
  room.set('typing')
  await taken(socket)
  socket.end(1006)
  room.leave()
  connection.presence('room')
  // Behind the other one.
  connection.presence('marker').set('marked')
  const next = admit(await sockets.next())
  await eventually(() => next.sent.some(text => /marked/.test(text as string)))
  t.notOk(next.sent.some(text => /typing/.test(text as string)))
})
