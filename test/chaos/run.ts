import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { requireServer, startRedis } from '@fastify-airlock/test-servers'
import type { Test } from 'tap'
import { startProxy } from '../cluster/proxy.js'
import { type Client, startClient } from './clients.js'
import { type Account, Ledger } from './ledger.js'
import { NodeProcess, type Outcome } from './node-process.js'
import { pick, seeded } from './random.js'
import { CLIENT_PUBLISHERS, CLIENTS, NODES, PATIENT, PUBLISH_EVERY, SERVER_PUBLISHERS, sizeOf, TOPICS } from './settings.js'
import { type Pace, trouble } from './trouble.js'

/** What a run is made of. */
export interface RunOptions {
  /** Whether nodes and clients have topics, or broadcasts of the hub alone. */
  hasTopics: boolean
  seed: number
  pace: Pace
}

/** What a run has come to. */
export interface Result {
  account: Account
  violations: readonly string[]
  /** Publications of which nobody knows whether they were taken. */
  uncertain: number
  /** Connections that were opened. */
  opened: number
  /** Time from the last trouble until everybody had everything, in milliseconds. */
  settled: number
  troubles: Record<string, number>
  logged: Record<string, number>
}

/** Waits at most so long for an answer of a node. Nodes are paused for longer now and then. */
const ANSWER = 4_000

/** How long a publication is tried on one node after the other: less than its id is remembered. In milliseconds. */
const INSISTENCE = 100_000

/** Three nodes behind a proxy, clients and publishers, and trouble. @returns `null` where something that it needs cannot be had */
export async function run (t: Test, { hasTopics, seed, pace }: RunOptions): Promise<Result | null> {
  const redis = requireServer(t, await startRedis('--appendfsync', 'always'))
  if (redis === null) return null
  t.teardown(() => redis.stop())
  const ledger = new Ledger(sizeOf)
  const logged: Record<string, number> = {}
  const secret = randomBytes(32).toString('base64')
  const events = {
    violation: (what: string) => ledger.violation(what),
    log: (line: string) => {
      const { level, code, err, msg } = JSON.parse(line)
      const what = `${level} ${code ?? msg}${err === undefined ? '' : `: ${err.code ?? err.message}`}`
      logged[what] = (logged[what] ?? 0) + 1
    }
  }
  const nodes = Array.from({ length: NODES }, (_, index) => new NodeProcess({ name: `node ${index}`, redis: redis.url, secret, topics: hasTopics }, events))
  t.teardown(async () => { await Promise.all(nodes.map(node => node.kill())) })
  await Promise.all(nodes.map(node => node.start()))
  const proxy = requireServer(t, await startProxy('haproxy', nodes.map(({ host }) => host)))
  if (proxy === null) return null
  t.teardown(() => proxy.stop())

  const clients = Array.from({ length: CLIENTS }, (_, index) => startClient(index, { ledger, origin: proxy.origin, secret, seed, hasTopics }))
  t.teardown(() => { for (const client of clients) client.close() })
  await patiently(() => ledger.listeners.every(({ begun }) => begun !== undefined))
  t.comment(`${clients.length} clients behind ${proxy.kind}, ${redis.kind}`)

  // Before anything is noted: what is lost later, trouble has lost.
  for (let round = 0; ; round++) {
    const ids = nodes.map((_, index) => `calm ${round}, node ${index}`)
    await Promise.all(nodes.flatMap((node, index) => TOPICS.map(topic => node.publish({ topic, data: { id: `${topic}, ${ids[index]}`, topic }, key: ids[index] as string }, PATIENT))))
    const allCame = (): boolean => ledger.listeners.every(({ topic, got }) => ids.every(id => got.has(`${topic}, ${id}`)))
    for (let left = 100; left > 0 && !allCame(); left--) await sleep(50)
    if (allCame()) break
  }

  const home = new AbortController()
  let uncertain = 0
  // Without ids nobody can publish again without doubling.
  const insistence = hasTopics ? INSISTENCE : 0
  const rest = async (random: () => number): Promise<void> => { await sleep(2 * PUBLISH_EVERY * random()) }

  /** Publishes on any node, and on others until one of them says that it is kept. */
  const publish = async (topic: string, publisher: string, number: number, random: () => number): Promise<void> => {
    const id = ledger.ask(topic, publisher, number)
    const end = Date.now() + insistence
    let outcome: Outcome = null
    do {
      outcome = await pick(nodes, random).publish({ topic, data: { id, topic }, key: id }, ANSWER)
    } while (outcome === null && await sleep(200, Date.now() < end))
    if (outcome === null) uncertain++
    else ledger.acknowledge(id, outcome.position)
  }

  /** Publishes one after the other. */
  const publishOnServers = async (index: number): Promise<void> => {
    const random = seeded(seed * 1_000 + 500 + index)
    for (let number = 0; !home.signal.aborted; number++) {
      await publish(pick(TOPICS, random), `server ${index}`, number, random)
      await rest(random)
    }
  }

  /** Publishes some at once, whatever its connection does. */
  const publishFrom = async (client: Client, index: number): Promise<void> => {
    const random = seeded(seed * 1_000 + 600 + index)
    let number = 0
    const open = new Set<Promise<void>>()
    while (!home.signal.aborted) {
      const topic = pick(TOPICS, random)
      const id = ledger.ask(topic, client.name, number++)
      const publishing = client.publish(topic, { id, topic }).then(({ position }) => ledger.acknowledge(id, position), error => {
        uncertain++
        logged[`client: ${error.code}`] = (logged[`client: ${error.code}`] ?? 0) + 1
      })
      open.add(publishing)
      publishing.finally(() => open.delete(publishing))
      if (random() < 0.7) await rest(random)
      if (open.size > 20) await Promise.race(open)
    }
    await Promise.all(open)
  }

  const publishers = Array.from({ length: SERVER_PUBLISHERS }, (_, index) => publishOnServers(index))
  if (hasTopics) publishers.push(...clients.slice(0, CLIENT_PUBLISHERS).map(publishFrom))
  const finish = async (): Promise<void> => {
    home.abort()
    await Promise.all(publishers)
    await Promise.all(TOPICS.map((topic, index) => publish(topic, 'the last', index, seeded(seed * 1_000 + 700 + index))))
  }
  const troubles = await trouble({ nodes, redis, proxy, clients }, pace, seeded(seed), { log: line => t.comment(line), atLast: finish })
  const over = Date.now()
  await patiently(() => clients.every(client => client.isOpen()))
  if (hasTopics) {
    const heads = ledger.heads()
    await patiently(() => ledger.listeners.every(({ topic, last }) => (last?.offset ?? 0) >= (heads.get(topic)?.offset ?? 0)))
  } else {
    for (let before = -1, now; before !== (now = received(ledger)); before = now) await sleep(1_500)
  }
  const settled = Date.now() - over
  const account = ledger.account()
  for (const client of clients) client.close()
  return { account, violations: ledger.violations, uncertain, opened: clients.reduce((sum, { opened }) => sum + opened, 0), settled, troubles, logged }
}

function received ({ listeners }: Ledger): number {
  return listeners.reduce((sum, { got }) => sum + got.size, 0)
}

/** Waits for what should come; the ledger says what has not. */
async function patiently (condition: () => boolean): Promise<void> {
  const end = Date.now() + 2 * PATIENT
  while (!condition() && Date.now() < end) await sleep(50)
}
