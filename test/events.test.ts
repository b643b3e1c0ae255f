// Runs alone: the channels are those of the whole process.
import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard, { jwt } from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsHeartbeat from '@fastify-airlock/heartbeat'
import wsHub from '@fastify-airlock/hub'
import wsIntrospect from '@fastify-airlock/introspect'
import wsProxy from '@fastify-airlock/proxy'
import wsTickets from '@fastify-airlock/ticket'
import Fastify from 'fastify'
import mqemitter from 'mqemitter'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import type { AddressInfo, Socket } from 'node:net'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { until } from './time.js'

const root = resolve(import.meta.dirname, '..')

/** All channels that the sources open. */
function channelsOf (): string[] {
  const names = new Set<string>()
  for (const plugin of readdirSync(join(root, 'plugins'))) {
    const folder = join(root, 'plugins', plugin, 'src')
    for (const file of readdirSync(folder).filter(name => name.endsWith('.ts'))) {
      const text = readFileSync(join(folder, file), 'utf8')
      for (const [, name] of text.matchAll(/channel\('(airlock:[\w:]+)'\)/g)) names.add(name as string)
      for (const [, name] of plugin === 'hub' && file === 'events.ts' ? text.matchAll(/open\('(\w+)'\)/g) : []) names.add(`airlock:hub:${name}`)
    }
  }
  return [...names, 'airlock:audit'].sort()
}

/** A server with everything. */
async function build (t: Test, upstream: string) {
  const app = Fastify()
  t.teardown(() => app.close())
  const active = new Set<string>()
  await app.register(websocket, websocketOptions())
  await app.register(wsGuard, { maxSocketBytes: 8 * 1024 * 1024 })
  await app.register(fastifyJwt, { secret: 'a secret for tests that is long enough' })
  await app.register(wsTickets)
  await app.register(wsHandshake)
  await app.register(wsHub, {
    bus: mqemitter(), busBeat: 600_000, maxConnectionsPerSubject: 1, maxBufferedBytes: 1_000, slowConsumer: 'drop', authorizeTopic: (_, topic) => topic === 'news'
  })
  await app.register(wsHeartbeat, { auto: false, interval: 20, timeout: 20 })
  await app.register(wsIntrospect, { lookup: async token => active.has(token) ? { subject: 'alice', expiresAt: Date.now() + 600_000 } : null })
  await app.register(wsProxy)
  const sockets: WebSocket[] = []
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake(socket => { sockets.push(socket) }))
  app.get('/one', { websocket: true, preValidation: app.wsGuard() }, socket => { sockets.push(socket) })
  // Over as soon as it is there.
  const authenticate = jwt({ verify: () => ({ sub: 'alice', exp: Date.now() / 1_000 + 0.05 }) })
  app.get('/short', { websocket: true, preValidation: app.wsGuard({ authenticate }) }, () => {})
  app.get('/external', { websocket: true, preValidation: app.wsIntrospect.authenticate }, (socket, request) => { app.wsIntrospect.watch(socket, request) })
  for (const [path, url] of [['/proxy', upstream], ['/nowhere', 'ws://127.0.0.1:1']] as const) {
    const proxy = app.wsProxy({ upstream: url })
    app.get(path, { websocket: true, preValidation: proxy.dial }, proxy)
  }
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const connect = (path: string, options: object = {}, protocols: string[] = []): WebSocket => {
    const client = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, options)
    client.on('error', () => {})
    t.teardown(() => client.terminate())
    return client
  }
  return { app, active, sockets, connect, ticket: async () => (await app.wsTickets.issue('alice')).ticket }
}

t.test('two servers in one process: each message says whose it is', async t => {
  const events: Array<[string, { server?: unknown, hub?: unknown }]> = []
  for (const name of channelsOf()) {
    const listener = (event: unknown): void => { events.push([name, event as object]) }
    subscribe(name, listener)
    t.teardown(() => unsubscribe(name, listener))
  }
  const far = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  t.teardown(() => { far.close() })
  await once(far, 'listening')
  const upstream = `ws://127.0.0.1:${(far.address() as AddressInfo).port}`
  const servers = [await build(t, upstream), await build(t, upstream)] as const
  await until(() => servers.every(({ app }) => app.wsHub.health().bus === 'up'))
  t.strictSame(new Set(events.map(([, { hub }]) => hub)), new Set(servers.map(({ app }) => app.wsHub)), 'at the start')
  for (const own of servers) {
    const { app, active, sockets, connect, ticket } = own
    events.length = 0
    sockets.length = 0
    // The guard: an upgrade without a ticket, a request that is none, a ticket that expires, a peer that reads nothing.
    await once(connect('/ws'), 'error')
    await app.inject('/ws')
    await app.wsTickets.redeem('x'.repeat(43))
    const expiring = connect('/short', {}, ['bearer.x', 'airlock.v1'])
    await once(expiring, 'close')
    const deaf = connect(`/one?ticket=${await ticket()}`)
    await once(deaf, 'open')
    deaf.pause()
    sockets.at(-1)?.send(Buffer.alloc(9 * 1024 * 1024))
    // The handshake, and the hub.
    const token = app.jwt.sign({ sub: 'alice' }, { expiresIn: 600 })
    const alice = connect(`/ws?ticket=${await ticket()}`)
    await once(alice, 'open')
    alice.send(JSON.stringify({ type: 'auth', token }))
    await once(alice, 'message')
    const socket = sockets.at(-1) as WebSocket
    for (const topic of ['news', 'secret']) await app.wsHub.requestJoin(socket, topic)
    app.wsHub.publish('news', 'hello')
    ;(socket as unknown as { _socket: Socket })._socket.cork()
    for (let time = 0; time < 2; time++) app.wsHub.broadcast('x'.repeat(800))
    ;(socket as unknown as { _socket: Socket })._socket.uncork()
    app.wsHub.evict({ subject: 'alice', topic: 'news' })
    for (const text of [JSON.stringify({ type: 'auth', token }), 'no JSON']) {
      const second = connect(`/ws?ticket=${await ticket()}`)
      await once(second, 'open')
      second.send(text)
      await once(second, 'close')
    }
    const closed = once(alice, 'close')
    app.wsHub.disconnect('alice')
    await closed
    await until(() => app.wsHub.count() === 0)
    // The others.
    const silent = connect(`/one?ticket=${await ticket()}`, { autoPong: false })
    await once(silent, 'open')
    app.wsHeartbeat.watch(sockets.at(-1) as never)
    await once(silent, 'close')
    active.add('good')
    const watched = connect('/external', { headers: { authorization: 'Bearer good' } })
    await once(watched, 'open')
    active.clear()
    const over = once(watched, 'close')
    await app.wsIntrospect.recheck('alice')
    await over
    const piped = connect('/proxy')
    await once(piped, 'open')
    piped.close()
    await once(connect('/nowhere'), 'error')
    const missing = (): string[] => channelsOf().filter(name => name !== 'airlock:hub:bus' && !events.some(([found]) => found === name))
    await until(() => missing().length === 0)
    // Nothing of this one is to come while the next has its turn.
    await until(() => app.websocketServer.clients.size === 0)
    await new Promise(resolve => setImmediate(resolve))
    for (const [name, event] of events) {
      if (event.server !== app.server) t.fail(`${name} ${JSON.stringify(event)} is of another server, or of none`)
      if (name.startsWith('airlock:hub:') && event.hub !== app.wsHub) t.fail(`${name} is of another hub`)
      if (Object.keys(event).some(key => key === 'server' || key === 'hub')) t.fail(`${name} could not be logged`)
    }
    t.ok(events.length > 25, `${events.length} messages`)
  }
})
