import { type MongoServer, type RedisServer, requireServer, startMongo, startRedis } from '@fastify-airlock/test-servers'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { startDemo } from '../demo.js'
import { until } from '../helpers.js'
import { Client } from './client.js'
import { type Answer, request } from './https.js'
import { type Proxy, type ProxyName, startProxy } from './proxy.js'

/** A server that the nodes share. */
export type EngineName = 'mongodb' | 'redis'

/** What a cluster is made of. */
export interface ClusterOptions {
  proxy: ProxyName
  /** Where the tickets are. */
  tickets: EngineName
  /** What the nodes talk through. */
  bus: EngineName
}

/** What `GET /healthz` says. */
export interface Health {
  status: string
  connections: number
  bus: string
}

/** A demo process, and after it others at the same address. */
export class Node {
  readonly #t: Test
  readonly #settings: Record<string, string>
  #demo: Awaited<ReturnType<typeof startDemo>>

  private constructor (t: Test, settings: Record<string, string>, demo: Awaited<ReturnType<typeof startDemo>>) {
    this.#t = t
    this.#settings = { ...settings, PORT: new URL(demo.url).port }
    this.#demo = demo
  }

  /** Starts the first one, on a free port. */
  static async start (t: Test, settings: Record<string, string>): Promise<Node> {
    return new Node(t, settings, await startDemo(t, settings))
  }

  /** The process of the moment, and how to talk to it without the proxy. */
  get demo () {
    return this.#demo
  }

  /** Starts another one after {@link demo} has ended. */
  async restart (): Promise<void> {
    this.#demo = await startDemo(this.#t, this.#settings)
  }

  async health (): Promise<Health> {
    const response = await fetch(`${this.#demo.url}/healthz`, { signal: AbortSignal.timeout(10_000) })
    return await response.json() as Health
  }
}

const PASSWORDS = { alice: 'wonderland', bob: 'builder', admin: 'admin' }

/** A user of the demo. */
export type User = keyof typeof PASSWORDS

/** Three demo processes behind a proxy, with a MongoDB and a Redis of their own. */
export class Cluster {
  readonly options: ClusterOptions
  readonly proxy: Proxy
  readonly nodes: [Node, Node, Node]
  readonly engines: { mongodb: MongoServer, redis: RedisServer }
  #broadcasts = 0

  private constructor (options: ClusterOptions, proxy: Proxy, nodes: [Node, Node, Node], engines: Cluster['engines']) {
    this.options = options
    this.proxy = proxy
    this.nodes = nodes
    this.engines = engines
  }

  /** `null` where something that it needs cannot be had, which the test then says. Gone with the test. */
  static async start (t: Test, options: ClusterOptions): Promise<Cluster | null> {
    const mongodb = requireServer(t, await startMongo())
    if (mongodb === null) return null
    t.teardown(() => mongodb.stop())
    const redis = requireServer(t, await startRedis())
    if (redis === null) return null
    t.teardown(() => redis.stop())
    const urls = { mongodb: `${mongodb.url}/airlock`, redis: redis.url }
    const settings = {
      JWT_SECRET: 'a secret that all nodes share, 32 characters',
      TICKET_STORE: options.tickets,
      MONGODB_URL: urls.mongodb,
      REDIS_URL: urls.redis,
      BUS_URL: urls[options.bus],
      TRUST_PROXY: '127.0.0.1'
    }
    const nodes = await Promise.all([Node.start(t, settings), Node.start(t, settings), Node.start(t, settings)])
    const proxy = requireServer(t, await startProxy(options.proxy, nodes.map(({ demo }) => new URL(demo.url).host)))
    if (proxy === null) return null
    t.teardown(() => proxy.stop())
    return new Cluster(options, proxy, nodes, { mongodb, redis })
  }

  /** Logs in through the proxy. */
  async login (user: User): Promise<string> {
    const answer = await request(`${this.proxy.origin}/login`, { method: 'POST', body: { username: user, password: PASSWORDS[user] } })
    return answer.json<{ token: string }>().token
  }

  /** A POST through the proxy. */
  async post (path: string, token: string, body?: object): Promise<Answer> {
    return await request(this.proxy.origin + path, { method: 'POST', token, ...(body !== undefined && { body }) })
  }

  /** A client that comes through the proxy, and back as long as the test lasts. */
  client (t: Test, path: string, user: User = 'alice'): Client {
    const client = new Client(this.proxy.origin, path, user, PASSWORDS[user])
    t.teardown(() => client.stop())
    return client
  }

  /**
   * Clients that are through both doors, some on every node, and a bus that reaches them all.
   *
   * @param users one client for each, and more where that does not do
   */
  async clients (t: Test, path: string, users: readonly User[], admin: string): Promise<Client[]> {
    const clients: Client[] = []
    while (clients.length < users.length || (await this.connections()).includes(0)) {
      const client = this.client(t, path, users[clients.length % users.length])
      clients.push(client)
      await until(() => client.ready)
      // Login, ticket, upgrade and this make four requests, so the next client's upgrade is the next node's turn.
      await request(`${this.proxy.origin}/healthz`)
    }
    await this.reaches(admin, clients)
    return clients
  }

  /** Connections of each node. */
  async connections (): Promise<number[]> {
    return await Promise.all(this.nodes.map(async node => (await node.health()).connections))
  }

  /** Waits until the clients of the test before are gone. */
  async quiet (): Promise<void> {
    await until(async () => (await this.connections()).every(count => count === 0))
  }

  /** A number that no broadcast had before. */
  nextBroadcast (): number {
    return ++this.#broadcasts
  }

  /** Waits until what each node broadcasts reaches every client, and so all that it has sent before. */
  async reaches (admin: string, clients: readonly Client[]): Promise<void> {
    for (const node of this.nodes) {
      const marks = new Set<unknown>()
      const isReached = (client: Client): boolean => client.received('broadcast').some(({ data }) => marks.has(data))
      await until(async () => {
        const data = this.nextBroadcast()
        if ((await node.demo.post('/broadcast', admin, { data })).status !== 202) return false
        marks.add(data)
        // A bus that is not up yet loses it. One on a polled database takes its time.
        for (let i = 0; i < 60 && !clients.every(isReached); i++) await sleep(50)
        return clients.every(isReached)
      })
    }
  }
}

/** Those of a client's broadcasts that came more than once. */
export function duplicates (client: Client): unknown[] {
  const numbers = client.received('broadcast').map(({ data }) => data)
  return numbers.filter((number, i) => numbers.indexOf(number) !== i)
}
