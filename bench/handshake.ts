/**
 * Server CPU of a handshake and of a refused upgrade, and heap of an idle connection, against others that do the same.
 *
 *     node --import tsx bench/handshake.ts [rounds] [handshakes a round] [idle connections]
 */
import { all, type Credential, greeting, handshake, open, refused, type Server, startServer, WORKERS } from './lib/flow.js'
import { Peer } from './lib/peer.js'
import { quantile, rotate, spread } from './lib/statistics.js'

const [rounds = 20, handshakes = 500, connections = 2_000] = process.argv.slice(2).map(Number)
/** Rounds before those that count: the servers' code is optimised only after some thousand connections. */
const WARM_UP = 10

const names = ['bare', 'floor', 'fastify-websocket', 'hand-written', 'airlock, ticket only', 'airlock, JWT only', 'airlock']
const servers: Server[] = []
for (const name of names) servers.push(await startServer(name))

/** Microseconds of CPU. */
type Usage = NodeJS.CpuUsage

/** What one run of an operation costs the server; `null` where the server can not do it. */
type Operation = (server: Server) => Promise<Usage | null>

async function cpu (server: Server, count: number, run: () => Promise<void>): Promise<Usage> {
  const before = await server.child.call<Usage>('cpu')
  await run()
  const after = await server.child.call<Usage>('cpu')
  return { user: (after.user - before.user) / count, system: (after.system - before.system) / count }
}

const operations: Record<string, Operation> = {
  async handshake (server) {
    const credentials = await server.child.call<Credential[]>('mint', handshakes)
    return cpu(server, handshakes, () => all(credentials, credential => handshake(server, credential)))
  },

  async 'handshake with the ticket request' (server) {
    if (greeting.has(server.name) || server.name === 'airlock, JWT only') return null
    const credentials = await server.child.call<Credential[]>('mint', handshakes)
    const posters = Array.from({ length: WORKERS }, () => new Peer(server.port))
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
  const figures = new Map(servers.map(server => [server.name, [] as Usage[]]))
  for (let round = -WARM_UP; round < rounds; round++) {
    for (const server of rotate(servers, round + WARM_UP)) {
      const figure = await operation(server)
      if (round >= 0 && figure !== null) figures.get(server.name)?.push(figure)
    }
  }
  const totals = (variant: string): number[] => (figures.get(variant) as Usage[]).map(({ user, system }) => user + system)
  const bare = totals('bare')
  console.log(`\n${name}: µs of server CPU, ${rounds} rounds of ${handshakes}; median (10 %-90 %)`)
  console.table([...figures].filter(([, usages]) => usages.length > 0).map(([variant, usages]) => {
    const values = totals(variant)
    return {
      variant,
      µs: spread(values, 0),
      user: spread(usages.map(({ user }) => user), 0),
      system: spread(usages.map(({ system }) => system), 0),
      'ratio to bare': spread(values.map((value, round) => value / (bare[round] as number))),
      'of medians': (quantile(values, 0.5) / quantile(bare, 0.5)).toFixed(2),
      // Other work on the machine only ever adds, so the low ends compare best where it is busy.
      'of 10 %': (quantile(values, 0.1) / quantile(bare, 0.1)).toFixed(2)
    }
  }))
}

console.log(`\nheap of one of ${connections} idle connections, KiB`)
const heaps: Array<{ variant: string, KiB: string }> = []
for (const server of servers) heaps.push({ variant: server.name, KiB: ((await heap(server)) / 1024).toFixed(1) })
console.table(heaps)

for (const { child } of servers) await child.stop()
