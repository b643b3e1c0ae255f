import { connect } from '@fastify-airlock/client'
import { createWebSocketClass } from '@fastify-airlock/client/websocket'
import { MemoryStore } from '@fastify-airlock/ticket'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { type Device, testNodes, testServer, type TestServerOptions, until } from '../src/index.js'
import { build } from './build.js'

/** Whatever comes, comes at once: no test waits for a delay between two attempts. */
const FAST = { reconnect: { min: 1, max: 1 } }

/** The client of pages, and what becomes of it. */
async function connectAs (device: Device, options: object = {}) {
  const client = connect<any>({ ...device.clientOptions(), ...FAST, ...options })
  const closes: number[] = []
  const messages: unknown[] = []
  client.on('close', ({ code }) => closes.push(code))
  client.on('message', message => messages.push(message))
  await client.ready()
  return { client, closes, messages }
}

async function serve (t: Test, options: TestServerOptions = {}) {
  const app = await build()
  return { app, server: await testServer(app, { t, ...options }) }
}

async function pair (t: Test, options: TestServerOptions = {}) {
  const store = new MemoryStore()
  const { nodes: [one, two], ...rest } = await testNodes(2, async ({ bus, share }) => await build({ ticket: { store: share(store) }, hub: { bus } }), { t, ...options })
  return { one: one!, two: two!, ...rest }
}

for (const transport of ['memory', 'port', 'injectWS'] as const) {
  t.test(`${transport}: its sockets are connections of the device`, async t => {
    const { app, server } = await serve(t, { transport })
    const device = server.device('alice')
    const { client, messages } = await connectAs(device)
    const [connection] = device.connections
    t.equal(device.connections.length, 1)
    t.match(connection!.welcome, { type: 'auth_ok' })
    t.match(connection!.user, { id: 'alice' })
    await connection!.never()
    app.wsHub.broadcast({ n: 1 })
    t.same(await device.nextOnAll(), [{ n: 1 }])
    client.send({ n: 2 })
    await connection!.next({ from: 'alice' })
    t.same(messages, [{ n: 1 }, { from: 'alice', text: '{"n":2}' }], 'and the client has got them as well')
    const bob = await server.device('bob').open()
    client.send({ n: 3 })
    await t.rejects(bob.never(), { code: 'WSA_TESTING_ERR_UNEXPECTED' }, 'what it has sent is waited for')
  })

  t.test(`${transport}: a client ends with its device, and with its server`, async t => {
    const { server } = await serve(t, { transport })
    const [phone, laptop] = [server.device('alice'), server.device('alice')]
    const [one, two] = [await connectAs(phone), await connectAs(laptop)]
    await phone.close()
    await one.client.closed
    t.equal(one.client.status, 'closed')
    t.equal(phone.connections[0]!.isOpen, false)
    t.match(await phone.connections[0]!.closed, { code: 1006 }, 'broken, as everything of the device')
    t.equal(two.client.status, 'open')
    const again = await connectAs(phone)
    t.equal(again.client.status, 'open', 'a new client of a device that was closed')
    await server.close()
    await Promise.all([two.client.closed, again.client.closed])
    t.equal(server.app.wsHub.count(), 0)
  })

  t.test(`${transport}: a node that is killed breaks them without a close frame`, async t => {
    const { one, two, kill } = await pair(t, { transport })
    const device = one.device('alice')
    const { client, closes } = await connectAs(device)
    device.moveTo(two)
    t.equal(two.app.wsHub.count(), 0, 'what is open stays where it is')
    await kill(0)
    t.equal(closes[0], 1006)
    await client.ready()
    t.equal(two.app.wsHub.count(), 1, 'and the next one goes to the other node')
    t.match(device.connections.map(({ isOpen }) => isOpen), [false, true])
  })
}

t.test('a killed node answers nobody, and a client comes back once its device has moved', async t => {
  for (const transport of ['memory', 'port'] as const) {
    const { one, two, kill } = await pair(t, { transport })
    const device = one.device('alice')
    const { client, closes } = await connectAs(device)
    await kill(0)
    // Its attempts to come back fail in the same way.
    t.equal(closes[0], 1006)
    await t.rejects(device.ticket(), { code: 'WSA_TESTING_ERR_KILLED' })
    t.ok(await device.refused('/ws', { doors: 'none' }) instanceof Error)
    device.moveTo(two)
    await client.ready()
    t.equal(two.app.wsHub.count('alice'), 0)
    t.equal(two.app.wsHub.count(), 1)
  }
})

t.test('every connection of a killed node breaks, and those of other nodes do not', async t => {
  const { one, two, kill } = await pair(t, { transport: 'port' })
  const guest = two.device('carol').moveTo(one)
  const here = await guest.open()
  const moved = await one.device('alice').moveTo(two).open()
  const stranger = new WebSocket(`${one.origin.replace('http', 'ws')}/ws`, ['airlock.v1', `ticket.${(await one.device('bob').ticket()).ticket}`])
  await once(stranger, 'open')
  const closed = once(stranger, 'close')
  await kill(0)
  t.match(await here.closed, { code: 1006 })
  t.equal((await closed)[0], 1006)
  await moved.never()
  await one.close()
  await moved.never()
})

t.test('they go by the relay, which stays with the node that it leads to', async t => {
  const { one, two } = await pair(t, { transport: 'port' })
  const relay = await one.relay()
  const device = one.device('alice', { relay })
  const { client, closes } = await connectAs(device)
  t.equal(relay.size, 2, 'both of its sides')
  relay.freeze()
  t.notOk(device.connections[0]!.flows)
  await (await two.device('bob').open()).never()
  relay.thaw()
  relay.cut()
  await until(() => closes.length, 1)
  await client.ready()
  await until(() => relay.size, 2)
  device.moveTo(two)
  relay.cut()
  await until(() => closes.length, 2)
  await client.ready()
  await until(() => [one.app.wsHub.count(), two.app.wsHub.count(), relay.size], [0, 2, 0])
  const other = await two.relay()
  device.moveTo(two, { relay: other })
  t.ok((await device.open()).isOpen)
  t.equal(other.size, 2)
})

t.test('they carry what a page carries', async t => {
  const app = await build({ guard: { allowedOrigins: ['https://app.example.com'] } })
  const seen: object[] = []
  app.wsRoute('/seen', (_socket, { ip, headers: { origin, cookie } }) => { seen.push({ ip, origin, cookie }) })
  const server = await testServer(app, { t })
  const device = server.device('alice', { origin: 'https://app.example.com', address: '192.0.2.7', cookie: 'session' })
  const { client } = await connectAs(device, device.clientOptions('/seen?more=1'))
  t.match(seen, [{ ip: '192.0.2.7', origin: 'https://app.example.com', cookie: `session=${device.cookies.get('session')}` }])
  client.close()
  await (await connectAs(server.device('bob', { origin: 'https://app.example.com' }), {})).client.close()
})

t.test('a refresh brings a new JWT of the same login', async t => {
  const { server } = await serve(t)
  const device = server.device('alice')
  const { client } = await connectAs(device)
  const before = client.expiresAt
  const { getToken } = device.clientOptions()
  t.equal(await getToken(), await device.token())
  const first = server.app.jwt.decode<{ sid: string }>(await device.token())
  t.match(server.app.jwt.decode(await getToken({ reason: 'rejected' })), { sub: 'alice', sid: first!.sid })
  await client.refresh()
  t.ok(client.expiresAt! >= before!)
  const other = server.device(null)
  await t.rejects(other.clientOptions().getToken({ reason: 'refresh' }), { code: 'WSA_TESTING_ERR_NO_LOGIN' })
})

t.test('a client of its own signal ends with the device as well', async t => {
  const { server } = await serve(t)
  const device = server.device('alice')
  const { signal } = new AbortController()
  const { client } = await connectAs(device, { signal })
  const errors: any[] = []
  client.on('error', error => errors.push(error))
  await device.close()
  await client.closed
  t.match(errors.at(-1), { final: true, status: 410, cause: { code: 'WSA_TESTING_ERR_DEVICE_CLOSED' } })
})

t.test('and one without a ticket finds nobody', async t => {
  const app = await build()
  app.get('/open', { websocket: true }, () => {})
  const server = await testServer(app, { t })
  const device = server.device('alice')
  const { client, closes } = await connectAs(device, {
    ...device.clientOptions('/open'), getTicket: undefined, getToken: undefined, signal: undefined, reconnect: { min: 1, max: 1, attempts: 2 }
  })
  await device.close()
  await client.closed
  t.same(closes, [1006, 1006, 1006])
})

t.test('what refuses a ticket comes to the client as it would to that of a page', async t => {
  const app = await build({ ticket: { store: Object.assign(new MemoryStore(), { put () { throw new Error('away') } }) } })
  app.addHook('onSend', async (request, reply) => { if (request.url === '/ws/ticket') reply.header('retry-after', '7') })
  const server = await testServer(app, { t })
  const client = connect({ ...server.device('alice').clientOptions(), reconnect: { min: 1, max: 1 } })
  const waiting = new Promise<any>(resolve => client.on('waiting', resolve))
  t.match(await waiting, { error: { status: 503, cause: { cause: { code: 'WSA_TESTING_ERR_REFUSED' } } } })
  t.ok((await waiting).delay >= 7_000, 'it waits for as long as it is told')
  client.close()
})

t.test('the class for other libraries', async t => {
  const { app, server } = await serve(t)
  const device = server.device('alice')
  const Socket = createWebSocketClass(device.clientOptions())
  const socket = new Socket(device.clientOptions().url)
  const opened = new Promise(resolve => socket.addEventListener('open', resolve))
  await opened
  const message = new Promise<any>(resolve => socket.addEventListener('message', resolve))
  app.wsHub.broadcast('hello')
  t.equal((await message).data, 'hello')
  t.equal(device.connections.length, 1)
  const closed = new Promise<any>(resolve => socket.addEventListener('close', resolve))
  await server.close()
  t.match(await closed, { code: Number })
})
