import { EventEmitter, once } from 'node:events'
import net from 'node:net'
import t, { type Test } from 'tap'
import { AddressConnections } from '../src/connections.js'
import type { GuardPluginOptions } from '../src/index.js'
import { attempt, build, type BuildOptions, listen, openConnections, route, TICKET, until } from './helpers.js'

/** A silent TCP connection from an address of this host. */
async function silent (t: Test, port: number, localAddress = '127.0.0.1', host = '127.0.0.1') {
  const socket = net.connect({ port, host, localAddress })
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  const closed = new Promise<string>(resolve => { socket.on('close', () => resolve('closed')) })
  socket.resume()
  await once(socket, 'connect')
  return { socket, closed }
}

async function start (t: Test, guard: GuardPluginOptions, server: BuildOptions['server'] = {}) {
  const lines: string[] = []
  const app = await build(t, { guard, server: { logger: { level: 'info', stream: { write: (line: string) => { lines.push(line) } } }, ...server } })
  route(app)
  const port = await listen(app)
  const told = () => lines.filter(line => line.includes('WSA_GUARD_ERR_CONNECTIONS')).map(line => JSON.parse(line))
  return { app, port, told }
}

t.test('the connections of one address are bounded, and those of another are not', async t => {
  const { app, port, told } = await start(t, { connectionsPerAddress: 5 })
  const kept = []
  for (let i = 0; i < 5; i++) kept.push(await silent(t, port))
  await until(async () => await openConnections(app) === 5)
  for (let i = 0; i < 3; i++) t.equal(await (await silent(t, port)).closed, 'closed')
  t.equal(app.wsGuard.dropped, 3)
  t.match(told(), [{ level: 30, address: '127.0.0.1', msg: 'too many connections of one address' }], 'one line')
  await silent(t, port, '127.0.0.2')
  await until(async () => await openConnections(app) === 6)
  t.equal(app.wsGuard.dropped, 3)

  kept[0]?.socket.destroy()
  await until(async () => await openConnections(app) === 5)
  t.match(await attempt(port, `/ws?ticket=${TICKET}`), { status: 101 }, 'a place that is free again is given')
})

t.test('an address that has gone and come back is told of again', async t => {
  const { app, port, told } = await start(t, { connectionsPerAddress: 2 })
  for (let round = 1; round <= 2; round++) {
    const kept = [await silent(t, port), await silent(t, port)]
    await (await silent(t, port)).closed
    await (await silent(t, port)).closed
    for (const { socket } of kept) socket.destroy()
    await until(async () => await openConnections(app) === 0)
    t.equal(told().length, round)
  }
})

t.test('IPv6 counts by /64, and a mapped IPv4 address as IPv4', async t => {
  const app = await build(t, { guard: { connectionsPerAddress: 2 } })
  const addresses = ['::ffff:192.0.2.7', '192.0.2.7', '::ffff:192.0.2.7', '2001:db8::1', '2001:db8::2', '2001:db8::3', '2001:db8:0:1::1', undefined, undefined, undefined]
  const destroyed = addresses.map(remoteAddress => {
    const socket = Object.assign(new net.Socket(), {})
    Object.defineProperty(socket, 'remoteAddress', { value: remoteAddress })
    // The guard's own listener: that of node:http needs a handle.
    app.server.listeners('connection').at(-1)?.call(app.server, socket)
    return socket.destroyed
  })
  t.same(destroyed, [false, false, true, false, false, true, false, false, false, false])
})

for (const trustProxy of [true, '127.0.0.1', ['127.0.0.1'], 1, () => true]) {
  t.test(`behind a proxy nothing is counted: trustProxy ${String(trustProxy)}`, async t => {
    const { app, port } = await start(t, { connectionsPerAddress: 2 }, { trustProxy: trustProxy as true })
    for (let i = 0; i < 5; i++) await silent(t, port)
    await until(async () => await openConnections(app) === 5)
    t.equal(app.wsGuard.dropped, 0)
  })
}

for (const [name, guard, server] of [['without a limit', { connectionsPerAddress: Infinity }, {}], ['with trustProxy: false', {}, { trustProxy: false }]] as const) {
  t.test(`hundreds of connections of one address are nothing: ${name}`, async t => {
    const { app, port } = await start(t, guard, server)
    await Promise.all(Array.from({ length: 300 }, () => silent(t, port)))
    await until(async () => await openConnections(app) === 300)
    t.equal(app.wsGuard.dropped, 0)
  })
}

t.test('the default is a thousand', async t => {
  const { app, port } = await start(t, {})
  await Promise.all(Array.from({ length: 1_000 }, () => silent(t, port)))
  await until(async () => await openConnections(app) === 1_000)
  t.equal(await (await silent(t, port)).closed, 'closed')
  t.equal(app.wsGuard.dropped, 1)
  t.match(await attempt(port, `/ws?ticket=${TICKET}`, [], { localAddress: '127.0.0.3' }), { status: 101 }, 'a user of another address')
})

t.test('a Fastify that hides its options may be behind a proxy', t => {
  const server = new EventEmitter()
  t.equal(new AddressConnections({ server } as never, 1).dropped, 0)
  t.equal(server.listenerCount('connection'), 0)
  t.end()
})

t.test('limits that are none', async t => {
  for (const limit of [0, -1, 1.5, NaN, '5', false]) {
    await t.rejects(build(t, { guard: { connectionsPerAddress: limit as number } }), { code: 'WSA_GUARD_ERR_OPTION', message: /connectionsPerAddress/ })
    await t.rejects(build(t, { guard: { pendingTotal: limit as number } }), { code: 'WSA_GUARD_ERR_OPTION', message: /pendingTotal/ })
  }
})
