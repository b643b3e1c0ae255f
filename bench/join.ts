/**
 * Server CPU of ten messages in one turn of the event loop: the hub, which joins them into one write for each
 * connection, against a loop over `ws.send`.
 *
 *     node --import tsx bench/join.ts [connections] [bytes] [rounds]
 */
import type { AddressInfo } from 'node:net'
import websocket, { type WebSocket } from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsHub from '@fastify-airlock/hub'
import Fastify from 'fastify'
import { serve, start } from './lib/child.js'
import { Peer } from './lib/peer.js'
import { quantile, rotate, spread } from './lib/statistics.js'

const MESSAGES = 10
const variants = ['loop', 'hub'] as const
type Variant = typeof variants[number]

// One file for both processes: the server is the one that was forked.
if (process.send === undefined) await measureAll()
else await startServer()

async function startServer (): Promise<void> {
  const text = 'x'.repeat(Number(process.argv[2]))
  const sockets = new Set<WebSocket>()
  const app = Fastify()
  await app.register(websocket, websocketOptions())
  await app.register(wsHub)
  app.get('/ws', { websocket: true }, socket => {
    sockets.add(socket)
    app.wsHub.add(socket, { subject: `user-${sockets.size}` })
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const ways: Record<Variant, () => unknown> = {
    loop: () => { for (const socket of sockets) socket.send(text) },
    hub: () => app.wsHub.broadcast(text)
  }
  serve({
    port: () => (app.server.address() as AddressInfo).port,
    async run (variant: Variant) {
      const before = process.cpuUsage()
      for (let count = 0; count < MESSAGES; count++) ways[variant]()
      // What the turn leaves to its end belongs to it, and so do the callbacks.
      for (let turn = 0; turn < 3; turn++) await new Promise(resolve => setImmediate(resolve))
      const { user, system } = process.cpuUsage(before)
      return user + system
    }
  })
}

async function measureAll (): Promise<void> {
  const [connections = 1_000, bytes = 128, rounds = 30] = process.argv.slice(2).map(Number)

  const server = await start(new URL(import.meta.url), String(bytes))
  const port = await server.call<number>('port')
  const peers: Peer[] = []
  for (let index = 0; index < connections; index++) {
    const peer = new Peer(port)
    await peer.upgrade('/ws')
    peers.push(peer)
  }

  const frameBytes = bytes + (bytes < 126 ? 2 : bytes < 65_536 ? 4 : 10)
  const measure = async (variant: Variant): Promise<number> => {
    const goals = peers.map(peer => peer.received + MESSAGES * frameBytes)
    const microseconds = await server.call<number>('run', variant)
    for (const [index, peer] of peers.entries()) {
      while (peer.received < (goals[index] as number)) await new Promise(resolve => setImmediate(resolve))
    }
    return microseconds / (MESSAGES * connections)
  }

  for (let round = 0; round < 10; round++) {
    for (const variant of variants) await measure(variant)
  }
  const figures = new Map(variants.map(variant => [variant, [] as number[]]))
  for (let round = 0; round < rounds; round++) {
    for (const variant of rotate(variants, round)) figures.get(variant)?.push(await measure(variant))
  }

  const base = figures.get('loop') as number[]
  console.log(`${MESSAGES} messages of ${bytes} bytes in one turn to ${connections} connections, ${rounds} rounds; median (10 %-90 %)`)
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
}
