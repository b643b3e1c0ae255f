/**
 * Server CPU of a broadcast: the hub against a loop over `ws.send`. With several messages in one turn of the event
 * loop the hub joins them into one write for each connection.
 *
 *     node --import tsx bench/broadcast.ts [connections] [bytes] [rounds] [messages a turn]
 */
import { start } from './lib/child.js'
import { Peer } from './lib/peer.js'
import { quantile, rotate, spread } from './lib/statistics.js'

const [connections = 1_000, bytes = 128, rounds = 40, perTurn = 1] = process.argv.slice(2).map(Number)
const variants = ['loop', 'loop of a Buffer', 'hub'] as const
const turns = Math.max(1, Math.round(20_000 / connections / perTurn))
const broadcasts = turns * perTurn

const server = await start(new URL('./servers/broadcast.ts', import.meta.url), String(bytes))
const port = await server.call<number>('port')
const peers: Peer[] = []
for (let index = 0; index < connections; index++) {
  const peer = new Peer(port)
  await peer.upgrade('/ws')
  peers.push(peer)
}

const frameBytes = bytes + (bytes < 126 ? 2 : bytes < 65_536 ? 4 : 10)
async function measure (variant: typeof variants[number]): Promise<number> {
  const goals = peers.map(peer => peer.received + broadcasts * frameBytes)
  const microseconds = await server.call<number>('run', { variant, turns, perTurn })
  for (const [index, peer] of peers.entries()) {
    while (peer.received < (goals[index] as number)) await new Promise(resolve => setImmediate(resolve))
  }
  return microseconds / (broadcasts * connections)
}

for (let round = 0; round < 10; round++) {
  for (const variant of variants) await measure(variant)
}
const figures = new Map(variants.map(variant => [variant, [] as number[]]))
for (let round = 0; round < rounds; round++) {
  for (const variant of rotate(variants, round)) figures.get(variant)?.push(await measure(variant))
}

const base = figures.get('loop') as number[]
console.log(`${bytes} bytes to ${connections} connections, ${rounds} rounds of ${broadcasts} broadcasts, ${perTurn} a turn; median (10 %-90 %)`)
console.table(variants.map(variant => {
  const values = figures.get(variant) as number[]
  return {
    variant,
    'µs of CPU a delivery': spread(values),
    'ratio to loop': spread(values.map((value, round) => value / (base[round] as number))),
    'ratio of medians': (quantile(values, 0.5) / quantile(base, 0.5)).toFixed(2)
  }
}))
for (const peer of peers) peer.socket.destroy()
await server.stop()
