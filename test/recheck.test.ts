import { buildAuthority, demoClient, TokenStore } from '@fastify-airlock/authority'
import { websocketOptions } from '@fastify-airlock/core'
import wsHub, { type HubBus } from '@fastify-airlock/hub'
import wsIntrospect from '@fastify-airlock/introspect'
import { requireServer, startRedis } from '@fastify-airlock/test-servers'
import websocket from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import mqemitter from 'mqemitter'
import mqemitterRedis from 'mqemitter-redis'
import { once } from 'node:events'
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { connect, until } from './helpers.js'

/** An authority that knows tokens, over HTTP. */
async function startAuthority (t: Test) {
  const store = new TokenStore()
  const app = await buildAuthority({ client: demoClient, tokenTtl: 900, logLevel: 'silent' }, { store })
  t.teardown(() => app.close())
  return { store, endpoint: `${await app.listen({ host: '127.0.0.1', port: 0 })}/introspect` }
}

type Authority = Awaited<ReturnType<typeof startAuthority>>

interface Node {
  app: FastifyInstance
  port: number
  /** The status of a request with a token. */
  me: (token: string) => Promise<number>
  /** A client whose socket is watched. */
  enter: (token: string) => ReturnType<typeof connect>
}

/** Starts a node. `hub` says whether it is registered before or after, or not at all. */
async function start (t: Test, { endpoint }: Authority, hub: 'before' | 'after' | 'none', bus?: HubBus): Promise<Node> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  const registerHub = async () => { await app.register(wsHub, { ...(bus !== undefined && { bus }), busBeat: 1_000 }) }
  if (hub === 'before') await registerHub()
  // Long, so that only a re-check can have noticed anything.
  await app.register(wsIntrospect, {
    endpoint, clientId: demoClient.id, clientSecret: demoClient.secret, timeout: 30_000, cacheTtl: 600_000, recheckInterval: 600_000
  })
  if (hub === 'after') await registerHub()
  app.get('/me', { preHandler: app.wsIntrospect.authenticate }, async ({ wsIdentity }) => wsIdentity)
  app.get('/ws', { websocket: true, preValidation: app.wsIntrospect.authenticate }, (socket, request) => {
    app.wsIntrospect.watch(socket, request)
    socket.send('{"type":"hello"}')
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const headers = (token: string) => ({ authorization: `Bearer ${token}` })
  return {
    app,
    port,
    me: async token => (await fetch(`http://127.0.0.1:${port}/me`, { headers: headers(token) })).status,
    async enter (token) {
      const client = await connect(t, `ws://127.0.0.1:${port}/ws`, [], { headers: headers(token) })
      // Now it is watched.
      await client.next()
      return client
    }
  }
}

async function up (nodes: Node[]): Promise<void> {
  await until(() => nodes.every(({ app }) => app.wsHub.health().bus === 'up'))
  // They also have to have heard of each other.
  const all = async (node: Node) => (await node.app.wsHub.giveOrder('present', '')).nodes === nodes.length
  for (const node of nodes) while (!await all(node)) await new Promise(resolve => setTimeout(resolve, 20))
}

async function everyNode (t: Test, nodes: [Node, Node, Node], { store }: Authority): Promise<void> {
  const issue = (sub = 'alice') => store.issue(sub, 'chat', 900).token
  const [one, two, three] = nodes
  for (const from of nodes) {
    const [good, bad, bob] = [issue(), issue(), issue('bob')]
    const kept = await one.enter(good)
    const [first, second, other] = [await two.enter(bad), await three.enter(bad), await three.enter(bob)]
    t.strictSame(await Promise.all([two.me(bad), three.me(bad)]), [200, 200])
    store.revoke(bad)
    t.strictSame(await Promise.all([two.me(bad), three.me(bad)]), [200, 200], 'cached')

    t.strictSame(await from.app.wsIntrospect.recheck('alice'), { kept: 1, closed: 2, unknown: 0, nodes: 3 })
    t.strictSame(await Promise.all([first.closed, second.closed]), ['4403 token revoked', '4403 token revoked'])
    t.strictSame(await Promise.all([one.me(good), two.me(bad), three.me(bad)]), [200, 401, 401], 'nothing is cached any more')
    for (const client of [kept, other]) {
      t.equal(client.socket.readyState, client.socket.OPEN)
      client.socket.close()
      await client.closed
    }
    await until(() => nodes.every(({ app }) => app.wsIntrospect.size === 0))
  }
}

t.test('memory: a re-check on one node is done by every node', async t => {
  const authority = await startAuthority(t)
  const bus = mqemitter()
  const nodes: [Node, Node, Node] = [
    await start(t, authority, 'before', bus), await start(t, authority, 'after', bus), await start(t, authority, 'before', bus)
  ]
  await up(nodes)
  await everyNode(t, nodes, authority)
})

t.test('without a hub, or with one that has no bus, it is done by this node', async t => {
  const authority = await startAuthority(t)
  for (const hub of ['none', 'before', 'after'] as const) {
    const node = await start(t, authority, hub)
    const token = authority.store.issue('alice', 'chat', 900).token
    const client = await node.enter(token)
    t.strictSame(await node.app.wsIntrospect.recheck('alice'), { kept: 1, closed: 0, unknown: 0 })
    authority.store.revoke(token)
    t.strictSame(await node.app.wsIntrospect.recheck('alice'), { kept: 0, closed: 1, unknown: 0 })
    t.equal(await client.closed, '4403 token revoked')
  }
})

const redis = requireServer(t, await startRedis())
if (redis !== null) {
  t.teardown(() => redis.stop())

  /** A node's own way to Redis, which can be cut. */
  const createWay = async (t: Test) => {
    const { hostname, port } = new URL(redis.url)
    const sockets = new Set<Socket>()
    const server = createServer(socket => {
      const onward = connectTcp(Number(port), hostname)
      for (const [end, other] of [[socket, onward], [onward, socket]] as const) {
        sockets.add(end)
        end.on('error', () => {}).on('close', () => {
          sockets.delete(end)
          other.destroy()
        }).pipe(other)
      }
    })
    const cut = async () => {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    }
    const mend = async (at: number) => {
      server.listen(at, '127.0.0.1')
      await once(server, 'listening')
      return (server.address() as AddressInfo).port
    }
    const at = await mend(0)
    const bus = mqemitterRedis({ connectionString: `redis://127.0.0.1:${at}` })
    t.teardown(async () => {
      await new Promise<void>(resolve => bus.close(resolve))
      if (server.listening) await cut()
    })
    return { bus, cut, mend: async () => { await mend(at) } }
  }

  t.test('Redis: a re-check on one node is done by every node, and by one that was cut off when it is back', async t => {
    const authority = await startAuthority(t)
    const ways = [await createWay(t), await createWay(t), await createWay(t)]
    const nodes = await Promise.all(ways.map(({ bus }, index) => start(t, authority, index === 1 ? 'before' : 'after', bus))) as [Node, Node, Node]
    await up(nodes)
    await everyNode(t, nodes, authority)

    const [one, two, three] = nodes
    const way = ways[2] as Awaited<ReturnType<typeof createWay>>
    const token = authority.store.issue('alice', 'chat', 900).token
    const [reached, away] = [await two.enter(token), await three.enter(token)]
    await way.cut()
    await until(() => three.app.wsHub.health().bus === 'down')
    authority.store.revoke(token)
    t.strictSame(await one.app.wsIntrospect.recheck('alice', { timeout: 30_000 }), { kept: 0, closed: 1, unknown: 0, nodes: 2 })
    t.equal(await reached.closed, '4403 token revoked')
    t.equal(away.socket.readyState, away.socket.OPEN, 'nobody can tell it')
    t.equal(await three.me(token), 200)

    // What it asks for itself is done at once, and by the others when it is back.
    const bob = authority.store.issue('bob', 'chat', 900).token
    const [near, far] = [await three.enter(bob), await one.enter(bob)]
    authority.store.revoke(bob)
    t.match(await three.app.wsIntrospect.recheck('bob', { timeout: 100 }), { closed: 1 })
    t.equal(await near.closed, '4403 token revoked')
    t.equal(far.socket.readyState, far.socket.OPEN)

    await way.mend()
    t.strictSame(await Promise.all([away.closed, far.closed]), ['4403 token revoked', '4403 token revoked'])
    t.equal(await three.me(token), 401)
  })
}
