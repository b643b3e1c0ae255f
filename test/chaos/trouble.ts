import type { PrivateServer } from '@fastify-airlock/test-servers'
import { Redis } from 'ioredis'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Proxy } from '../cluster/proxy.js'
import type { Client } from './clients.js'
import type { NodeProcess } from './node-process.js'
import { pick, shuffled } from './random.js'

/** What can be killed and paused. */
export interface Parts { nodes: readonly NodeProcess[], redis: PrivateServer, proxy: Proxy, clients: readonly Client[] }

/** When and how long; in milliseconds. */
export interface Pace { length: number, shortest: number, longest: number, rest: number }

/** What is told of the trouble. */
export interface TroubleEvents {
  log: (line: string) => void
  /**
   * The nodes do not hear each other, but the store is there. It lasts until this resolves: what is published last has no successor
   * that could show that it is missing.
   */
  atLast: () => Promise<void>
}

interface Way { name: string, part: unknown, begin: () => unknown, end?: () => unknown }

/** How long publishers go on while the bus is cut for the last time, in milliseconds. */
const LAST = 500

/** Things that are away at a time, at most. */
const AT_ONCE = 2

/** Clients that are cut off at a time. */
const CUTS = 40

function ways ({ nodes, redis, proxy, clients }: Parts, random: () => number): Way[] {
  const cutter = new BusCutter(redis.url)
  return [
    ...nodes.flatMap((node, index): Way[] => [
      { name: `kill node ${index}`, part: node, begin: () => node.kill(), end: () => node.start() },
      { name: `pause node ${index}`, part: node, begin: () => node.pause(), end: () => node.resume() }
    ]),
    { name: 'kill Redis', part: redis, begin: () => redis.kill(), end: () => redis.restart() },
    { name: 'pause Redis', part: redis, begin: () => redis.pause(), end: () => redis.resume() },
    { name: 'kill the proxy', part: proxy, begin: () => proxy.kill(), end: () => proxy.restart() },
    { name: 'pause the proxy', part: proxy, begin: () => proxy.pause(), end: () => proxy.resume() },
    { name: 'cut the bus', part: redis, begin: () => cutter.begin(), end: () => cutter.end() },
    { name: 'cut clients', part: clients, begin: () => { for (let i = 0; i < CUTS; i++) pick(clients, random).cut() } }
  ]
}

/** Cuts what brings messages to the nodes, as soon as it is there again: the store is there all the time. */
class BusCutter {
  readonly #url: string
  #client: Redis | undefined
  #timer: NodeJS.Timeout | undefined

  constructor (url: string) {
    this.#url = url
  }

  begin (): void {
    const client = this.#client = new Redis(this.#url, { maxRetriesPerRequest: 0 })
    client.on('error', () => {})
    this.#timer = setInterval(() => { client.call('CLIENT', 'KILL', 'TYPE', 'pubsub').catch(() => {}) }, 20)
  }

  end (): void {
    clearInterval(this.#timer)
    this.#client?.disconnect()
  }
}

/**
 * Kills and pauses at random, one or two things at a time, until the time is over; then everything is there again. What is done
 * follows from the random numbers, and when from them and from how long things take to be back.
 *
 * @returns how often each thing was done
 */
export async function trouble (parts: Parts, { length, shortest, longest, rest }: Pace, random: () => number, { log, atLast }: TroubleEvents): Promise<Record<string, number>> {
  const done: Record<string, number> = {}
  const began = Date.now()
  const busy = new Map<unknown, Promise<void>>()
  const harm = async ({ name, begin, end }: Way): Promise<void> => {
    done[name] = (done[name] ?? 0) + 1
    const time = shortest * (longest / shortest) ** random()
    log(`${((Date.now() - began) / 1_000).toFixed(1)} s: ${name}${end === undefined ? '' : ` for ${Math.round(time)} ms`}`)
    await begin()
    if (end === undefined) return
    await sleep(time)
    await end()
  }
  let next: Way[] = []
  while (Date.now() - began < length) {
    if (next.length === 0) next = shuffled(ways(parts, random), random)
    const free = next.findIndex(({ part }) => !busy.has(part))
    if (free === -1 || busy.size === AT_ONCE) {
      await Promise.race(busy.values())
      continue
    }
    const [way] = next.splice(free, 1) as [Way]
    busy.set(way.part, harm(way).finally(() => busy.delete(way.part)))
    await sleep(rest * random())
  }
  await Promise.all(busy.values())
  log(`${((Date.now() - began) / 1_000).toFixed(1)} s: cut the bus until everything is published`)
  const cutter = new BusCutter(parts.redis.url)
  cutter.begin()
  await sleep(LAST)
  await atLast()
  cutter.end()
  return done
}
