import wsHub from '@fastify-airlock/hub'
import wsTopics from '@fastify-airlock/topics'
import { RedisTopicStore } from '@fastify-airlock/topics/redis'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import mqemitterRedis from 'mqemitter-redis'
import { interleave, type Sample } from '../lib/interleave.js'
import { compare, type Row } from '../lib/outcome.js'
import { enter, QuietSocket } from '../lib/quiet-socket.js'

/** Publications of a round, and how many are under way at a time. */
const PUBLICATIONS = 5_000
const AT_ONCE = 64
const SPEED = 'per second'
const CPU = 'CPU, µs'
const SERVER = 'CPU of Redis, µs'
const PLAIN = 'mqemitter-redis'
const DATA = { text: 'x'.repeat(100) }
const PREFIX = 'bench:topics:'

type Publish = (n: number) => Promise<unknown>

/** Something that publishes to one subscriber, and how to end it. */
interface Publisher {
  publish: Publish
  close (): Promise<void>
}

async function plain (url: string): Promise<Publisher> {
  const emitter = mqemitterRedis({ connectionString: url })
  await new Promise<void>(resolve => { emitter.on('news', (_message, done) => { done() }, resolve) })
  return {
    publish: async n => await new Promise<void>((resolve, reject) => {
      emitter.emit({ topic: 'news', payload: JSON.stringify({ ...DATA, n }) }, error => { if (error) reject(error); else resolve() })
    }),
    close: async () => await new Promise<void>(resolve => { emitter.close(resolve) })
  }
}

/** A node on a bus, with topics that are kept or not. */
function node (history: { size: number, ttl: number } | false) {
  return async (url: string): Promise<Publisher> => {
    const app = Fastify()
    const emitter = mqemitterRedis({ connectionString: url })
    const redis = new Redis(url, { maxRetriesPerRequest: 0 })
    await app.register(wsHub, { bus: emitter, authorizeTopic: () => true })
    await app.register(wsTopics, { store: new RedisTopicStore(redis, { prefix: PREFIX }), topics: { news: { history } } })
    await app.ready()
    const socket = new QuietSocket()
    enter(app, socket)
    socket.ask('news')
    while (socket.sent < 1) await new Promise(resolve => setImmediate(resolve))
    await app.wsHub.busReady()
    return {
      publish: async n => await app.wsTopics.publish('news', { ...DATA, n }),
      async close () {
        await app.close()
        redis.disconnect()
        await new Promise<void>(resolve => { emitter.close(resolve) })
      }
    }
  }
}

const WAYS = [
  { label: PLAIN, open: plain },
  { label: 'topic without history', open: node(false) },
  { label: 'topic with history of 100', open: node({ size: 100, ttl: 600_000 }) },
  { label: 'topic with history of 10,000', open: node({ size: 10_000, ttl: 600_000 }) }
]

/** CPU of Redis so far, in microseconds. */
async function cpuOf (redis: Redis): Promise<number> {
  const info = await redis.info('cpu')
  return ['used_cpu_user', 'used_cpu_sys'].reduce((sum, name) => sum + Number(new RegExp(`^${name}:(.*)`, 'm').exec(info)?.[1]) * 1e6, 0)
}

async function measure (url: string, open: (url: string) => Promise<Publisher>): Promise<Sample> {
  const redis = new Redis(url)
  const { publish, close } = await open(url)
  const [server, own, start] = [await cpuOf(redis), process.cpuUsage(), performance.now()]
  let next = 0
  await Promise.all(Array.from({ length: AT_ONCE }, async () => { while (next < PUBLICATIONS) await publish(next++) }))
  const ms = performance.now() - start
  const { user, system } = process.cpuUsage(own)
  const after = await cpuOf(redis)
  await close()
  // It may be somebody's own Redis.
  await redis.del(`${PREFIX}{news}:head`, `${PREFIX}{news}:log`)
  redis.disconnect()
  return { [SPEED]: PUBLICATIONS * 1_000 / ms, [CPU]: (user + system) / PUBLICATIONS, [SERVER]: (after - server) / PUBLICATIONS }
}

export const topicsRedis: Row = {
  id: 'topics-redis',
  title: 'Publication over Redis',
  async run (context) {
    const redis = await context.redis()
    if ('skip' in redis) return { how: '', columns: [], lines: [], verdicts: [], notes: [redis.skip] }
    const samples = await interleave(WAYS, context.sizes, async ({ open }) => await measure(redis.url, open))
    return compare(context, samples, {
      how: `${context.sizes.rounds} rounds of ${PUBLICATIONS} publications, ${AT_ONCE} at a time`,
      metrics: [SPEED, CPU, SERVER],
      metric: SPEED,
      bases: [PLAIN],
      goals: []
    })
  }
}
