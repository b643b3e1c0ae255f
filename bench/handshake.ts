/**
 * Server CPU of a handshake and of a refused upgrade, and heap of an idle connection, against others that do the same.
 *
 *     node --import tsx bench/handshake.ts [rounds] [handshakes a round] [idle connections]
 */
import { start, type Child } from './lib/child.js'
import { clientFrame, closeFrame, Peer } from './lib/peer.js'
import { quantile, rotate, spread } from './lib/statistics.js'

const [rounds = 20, handshakes = 500, connections = 2_000] = process.argv.slice(2).map(Number)
const CONCURRENCY = 16
/** Rounds before those that count: the servers' code is optimised only after some thousand connections. */
const WARM_UP = 10

interface Credential { ticket: string, token: string }
interface Server { name: string, child: Child, port: number }

/** `bare` does not talk after the upgrade; these talk first, or wait for the JWT. */
const greeting = new Set(['hand-written', 'airlock, ticket only'])
const names = ['bare', 'floor', 'fastify-websocket', 'hand-written', 'airlock, ticket only', 'airlock, JWT only', 'airlock']
const servers: Server[] = []
for (const name of names) {
  const child = await start(new URL('./servers/handshake.ts', import.meta.url), name)
  servers.push({ name, child, port: await child.call<number>('port') })
}

const upgradeHeaders = ({ name }: Server, { ticket, token }: Credential): string[] => [
  'Origin: http://localhost',
  name === 'hand-written' ? `Authorization: Bearer ${token}` : `Sec-WebSocket-Protocol: airlock.v1, ticket.${ticket}`
]

/** Opens a connection and takes it through all doors of the server. */
async function open (server: Server, credential: Credential): Promise<Peer> {
  const peer = new Peer(server.port)
  await peer.upgrade('/ws', upgradeHeaders(server, credential), greeting.has(server.name) ? 1 : 0)
  if (!peer.head.startsWith('HTTP/1.1 101')) throw new Error(`${server.name}: ${peer.head}`)
  if (server.name !== 'bare' && !greeting.has(server.name)) {
    const before = peer.received
    await peer.send(
      clientFrame(1, Buffer.from(JSON.stringify({ type: 'auth', token: credential.token }))),
      () => peer.received > before
    )
  }
  return peer
}

async function handshake (server: Server, credential: Credential): Promise<void> {
  const peer = await open(server, credential)
  peer.socket.write(closeFrame)
  await peer.closed()
}

async function refused (server: Server): Promise<void> {
  const peer = new Peer(server.port)
  // A ticket and a token that look right and are not.
  await peer.upgrade('/refuse', upgradeHeaders(server, { ticket: 'y'.repeat(43), token: `${'y'.repeat(36)}.${'y'.repeat(120)}.${'y'.repeat(43)}` }))
  if (!peer.head.startsWith('HTTP/1.1 401')) throw new Error(`${server.name}: ${peer.head}`)
  await peer.closed()
}

/** Runs a task for each item, some at a time, each of the workers with a keep-alive connection of its own. */
async function all<T> (items: readonly T[], task: (item: T, worker: number) => Promise<unknown>): Promise<void> {
  let next = 0
  await Promise.all(Array.from({ length: CONCURRENCY }, async (_, worker) => {
    while (next < items.length) await task(items[next++] as T, worker)
  }))
}

type Operation = (server: Server) => Promise<number | null>

/** Microseconds of the server's CPU for each of `count` runs. */
async function cpu (server: Server, count: number, run: () => Promise<void>): Promise<number> {
  const before = await server.child.call<number>('cpu')
  await run()
  return (await server.child.call<number>('cpu') - before) / count
}

const operations: Record<string, Operation> = {
  async handshake (server) {
    const credentials = await server.child.call<Credential[]>('mint', handshakes)
    return cpu(server, handshakes, () => all(credentials, credential => handshake(server, credential)))
  },

  async 'handshake with the ticket request' (server) {
    if (greeting.has(server.name) || server.name === 'airlock, JWT only') return null
    const credentials = await server.child.call<Credential[]>('mint', handshakes)
    const posters = Array.from({ length: CONCURRENCY }, () => new Peer(server.port))
    const result = await cpu(server, handshakes, () => all(credentials, async ({ token }, worker) => {
      const poster = posters[worker] as Peer
      await poster.request([
        'POST /ws/ticket HTTP/1.1', 'Host: localhost', `Authorization: Bearer ${token}`, 'Content-Length: 0', '', ''
      ].join('\r\n'))
      const { ticket } = JSON.parse(poster.body.toString()) as { ticket: string }
      await handshake(server, { ticket, token })
    }))
    for (const { socket } of posters) socket.destroy()
    return result
  },

  async 'refused upgrade' (server) {
    if (server.name === 'floor' || server.name === 'airlock, JWT only') return null
    return cpu(server, handshakes, () => all(Array.from({ length: handshakes }), () => refused(server)))
  }
}

/** Bytes of heap that each idle connection holds. */
async function heap (server: Server): Promise<number> {
  const before = await server.child.call<number>('heap')
  const credentials = await server.child.call<Credential[]>('mint', connections)
  const peers: Peer[] = []
  await all(credentials, async credential => { peers.push(await open(server, credential)) })
  const after = await server.child.call<number>('heap')
  for (const { socket } of peers) socket.resetAndDestroy()
  return (after - before) / connections
}

for (const [name, operation] of Object.entries(operations)) {
  const figures = new Map(servers.map(server => [server.name, [] as number[]]))
  for (let round = -WARM_UP; round < rounds; round++) {
    for (const server of rotate(servers, round + WARM_UP)) {
      const figure = await operation(server)
      if (round >= 0 && figure !== null) figures.get(server.name)?.push(figure)
    }
  }
  const bare = figures.get('bare') as number[]
  console.log(`\n${name}: µs of server CPU, ${rounds} rounds of ${handshakes}; median (10 %-90 %)`)
  console.table([...figures].filter(([, values]) => values.length > 0).map(([variant, values]) => ({
    variant,
    µs: spread(values, 0),
    'ratio to bare': spread(values.map((value, round) => value / (bare[round] as number))),
    'ratio of medians': (quantile(values, 0.5) / quantile(bare, 0.5)).toFixed(2)
  })))
}

console.log(`\nheap of one of ${connections} idle connections, KiB`)
const heaps: Array<{ variant: string, KiB: string }> = []
for (const server of servers) heaps.push({ variant: server.name, KiB: ((await heap(server)) / 1024).toFixed(1) })
console.table(heaps)

for (const { child } of servers) await child.stop()
