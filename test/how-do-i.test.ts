import { connectTopics } from '@fastify-airlock/client/topics'
import wsPresence from '@fastify-airlock/presence'
import { requireServer, startRedis } from '@fastify-airlock/test-servers'
import { type Connection, testNodes, testServer, until } from '@fastify-airlock/testing'
import { RedisStore } from '@fastify-airlock/ticket/redis'
import wsTopics from '@fastify-airlock/topics'
import { RedisTopicStore } from '@fastify-airlock/topics/redis'
import airlock, { type AirlockOptions } from 'fastify-airlock'
import Fastify, { type FastifyInstance } from 'fastify'
import { Redis } from 'ioredis'
import mqemitterRedis from 'mqemitter-redis'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'

const page = await readFile(new URL('../docs/how-do-i.md', import.meta.url), 'utf8')
const [introduction = '', ...sections] = page.split(/^## /m)
const jwt = { secret: 'a secret for tests that is long enough' }
let count = 0

/** What each section does to an application. */
const checks: Record<string, (t: Test, blocks: string[]) => Promise<void>> = {
  async 'Log out one device' (t, [block]) {
    const { nodes: [one, two] } = await testNodes(2, async ({ bus }) => {
      const app = await withAirlock({ hub: { bus } })
      await run(t, block, { app })
      return app
    }, { t })
    const [phone, laptop] = [one!.device('alice'), two!.device('alice')]
    const sockets = { phone: await phone.open(), laptop: await laptop.open('/ws', { auth: { final: [4410] } }), bob: await two!.device('bob').open() }
    t.equal((await laptop.request('/logout', { method: 'POST' })).status, 204)
    t.same(await sockets.laptop.closed, { code: 4410, reason: 'disconnected' })
    t.match(await laptop.refused(), { status: 401 }, 'no new ticket')
    await sockets.phone.never()
    await sockets.bob.never()
    t.equal((await phone.request('/logout', { method: 'POST' })).status, 204)
    t.match(await sockets.phone.closed, { code: 4403 }, 'also from another node')
  },

  async 'Take a membership away' (t, [block]) {
    const app = Fastify()
    await run(t, block, { app, airlock, jwt })
    app.wsRoute('/ws', socket => {
      socket.on('message', async topic => { socket.send(JSON.stringify({ joined: await app.wsHub.requestJoin(socket, String(topic)) })) })
    })
    const server = await testServer(app as unknown as FastifyInstance, { t })
    const [alice, bob, mallory] = [await server.device('alice').open(), await server.device('bob').open(), await server.device('mallory').open()]
    t.same(await alice.ask('room/7'), { joined: true })
    t.same(await bob.ask('room/7'), { joined: true })
    t.same(await mallory.ask('room/7'), { joined: false })
    t.same(await server.device('admin').json('/rooms/7/members/bob', { method: 'DELETE' }), { kept: 0, left: 1 })
    app.wsHub.publish('room/7', 'secret')
    t.equal(await alice.next(), 'secret')
    await bob.never()
    t.same(await bob.ask('room/7'), { joined: false }, 'and does not get it back')
  },

  async 'Show who is online' (t, [block]) {
    const { nodes: [one, two] } = await testNodes(2, async ({ bus }) => {
      const app = await withAirlock({ hub: { bus } })
      app.wsRoute('/room', { hub: { topics: ['room/7'] } }, () => {})
      await run(t, block, { app, wsPresence })
      return app
    }, { t })
    await one!.device('alice').open('/room')
    await two!.device('alice').open('/room')
    await two!.device('bob').open('/ws')
    const carol = one!.device('carol')
    await until(async () => (await carol.json('/rooms/7/online'))[0]?.connections === 2)
    t.match(await carol.json('/rooms/7/online'), [{ subject: 'alice', connections: 2 }])
    await until(async () => (await carol.json('/online')).users.length === 2)
    const { users, connections } = await carol.json('/online')
    t.same([users.map(({ subject }: { subject: string }) => subject).sort(), connections], [['alice', 'bob'], 3])
  },

  async 'Not miss a message' (t, [server, client]) {
    const app = await withAirlock({ hub: { authorizeTopic: () => true } })
    await run(t, server, { app, wsTopics, isMember: (subject: string, topic: string) => subject === 'alice' && topic === 'room/7' })
    const lab = await testServer(app, { t, transport: 'port' })
    const device = lab.device('alice')
    const shown: unknown[] = []
    // The page's own socket, through a link that breaks.
    const relay = await lab.relay()
    const { getTicket, getToken, WebSocket } = device.clientOptions()
    const { connection, subscription } = await run(t, client, {
      url: `ws://127.0.0.1:${relay.port}/ws`,
      getTicket,
      getToken,
      connectTopics: (options: object) => connectTopics({ ...options, WebSocket, reconnect: { min: 1, max: 10 } } as never),
      show: (data: unknown) => { shown.push(data) }
    }, ['connection', 'subscription'])
    t.teardown(() => connection.close())
    await until(() => subscription.status === 'subscribed')
    relay.cut()
    await app.wsTopics.publish('room/7', { text: 'while it was away' })
    await until(() => shown.some(data => JSON.stringify(data) === '{"text":"while it was away"}'))
    t.same(shown.at(-1), { text: 'while it was away' })
    const bob = await lab.device('bob').open('/ws', { auth: { topics: true } })
    t.match(await bob.ask({ type: 'topic:publish', id: '1', topic: 'room/7', data: 1 }), { type: 'topic:refused', code: 'forbidden' })
  },

  async 'Notify one user' (t, [block]) {
    const { nodes: [one, two] } = await testNodes(2, async ({ bus }) => {
      const app = Fastify()
      await app.register(airlock, { jwt, hub: { bus } })
      await run(t, block, { app })
      return app as unknown as FastifyInstance
    }, { t })
    const devices = [await one!.device('alice').open(), await one!.device('alice').open(), await two!.device('alice').open()]
    const bob = await two!.device('bob').open()
    await Promise.all([one, two].map(async node => await (node!.app as unknown as FastifyInstance).wsHub.busReady()))
    t.same(await one!.device('shop').json('/notify/alice', { body: { text: 'sent' } }), { devices: 2 })
    for (const device of devices) t.same(await device.next(), { type: 'notice', text: 'sent' })
    await bob.never()
  },

  async 'Scale to two nodes' (t, [block]) {
    const redis = requireServer(t, await startRedis())
    if (redis === null) return
    t.teardown(() => redis.stop())
    const start = async () => {
      const app = Fastify()
      await run(t, block, { app, airlock, jwt, wsTopics, Redis, RedisStore, RedisTopicStore, mqemitterRedis, process: { env: { REDIS_URL: redis.url } } })
      app.wsRoute('/ws', (socket, { wsIdentity }) => {
        socket.on('message', data => app.wsHub.broadcast({ from: wsIdentity.subject, text: String(data) }))
      })
      const server = await testServer(app as unknown as FastifyInstance, { t })
      await until(() => app.wsHub.health().bus === 'up')
      return { app, server }
    }
    const [one, two] = [await start(), await start()]
    const phone = one.server.device('alice')
    const { ticket } = await phone.ticket()
    const alice = await phone.moveTo(two.server).open('/ws', { ticket, auth: { topics: true } })
    const bob = await one.server.device('bob').open()
    alice.send('hello')
    t.same(await bob.next(), { from: 'alice', text: 'hello' })
    t.match(await alice.next(), { from: 'alice' })
    one.app.wsHub.disconnect('alice')
    t.match(await alice.closed, { code: 4403 })
    await one.app.wsTopics.publish('room/7', 1)
    t.match(await two.app.wsTopics.position('room/7'), { offset: 1 })
  },

  async 'Test a route' (t, [block]) {
    await run(t, block, { app: await withAirlock() })
  },

  async 'Serve several tenants' (t, [block]) {
    const app = Fastify()
    await run(t, block, { app, airlock, jwt })
    const server = await testServer(app as unknown as FastifyInstance, { t })
    const open = async (user: string, tenant: string): Promise<Connection> => await server.device(user, { claims: { tenant } }).open()
    const [alice, bob, eve] = [await open('alice', 'acme'), await open('bob', 'acme'), await open('eve', 'evil')]
    alice.send('hello')
    t.same(await bob.next(), { from: 'alice', text: 'hello' })
    await eve.never()
    const [socket] = app.wsHub.connectionsOf('eve')
    t.equal(await app.wsHub.requestJoin(socket!, 'tenant/acme/orders'), false)
    t.equal(await app.wsHub.requestJoin(socket!, 'tenant/evil/orders'), true)
    t.match(await server.device('root').json('/tenants/acme', { method: 'DELETE' }), { closed: 2 })
    t.match([await alice.closed, await bob.closed], [{ code: 4403 }, { code: 4403 }])
    await eve.never()
  }
}

t.test('the page has a table of its sections, and each is tried', async t => {
  const titles = sections.map(section => section.split('\n')[0])
  t.same(titles, Object.keys(checks))
  t.same([...introduction.matchAll(/^- \[(.*)\]\(/gm)].map(([, title]) => title), titles)
})

for (const section of sections) {
  const [title = ''] = section.split('\n')
  const blocks = [...section.matchAll(/^```(?:ts|js)\n(.*?)^```$/gms)].map(([, block]) => block as string)
  t.test(title, async t => {
    t.ok(blocks.length > 0 && blocks.every(block => block.split('\n').length <= 20), 'short code')
    await checks[title]?.(t, blocks)
  })
}

/** An application with the preset, and a route that sends everybody what one says. */
async function withAirlock (options: AirlockOptions = {}): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(airlock, { jwt, ...options })
  app.wsRoute('/ws', (socket, { wsIdentity }) => {
    socket.on('message', data => app.wsHub.broadcast({ from: wsIdentity.subject, text: String(data) }))
  })
  return app as unknown as FastifyInstance
}

/** Runs a block with what the page takes for granted, and returns some of its names. */
async function run (t: Test, block = '', given: Record<string, unknown>, names: string[] = []): Promise<Record<string, any>> {
  const imports = [...block.matchAll(/^import \{ (\w+) \} from .*\n/gm)]
  // What is given under a name that the block imports takes its place.
  const kept = imports.filter(([, name = '']) => !(name in given)).map(([line]) => line)
  const body = block.replaceAll(/^import .*\n/gm, '')
  const file = join(import.meta.dirname, `.block-${process.pid}-${++count}.ts`)
  t.teardown(async () => { await rm(file, { force: true }) })
  await writeFile(file, `${kept.join('')}export default async ({ ${Object.keys(given).join(', ')} }: any) => {\n${body}return { ${names.join(', ')} }\n}\n`)
  const { default: call } = await import(pathToFileURL(file).href) as { default: (given: object) => Promise<Record<string, any>> }
  return await call(given)
}
