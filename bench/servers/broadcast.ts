import type { AddressInfo } from 'node:net'
import websocket, { type WebSocket } from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsHub from '@fastify-airlock/hub'
import Fastify from 'fastify'
import { serve } from '../lib/child.js'

const text = 'x'.repeat(Number(process.argv[2]))
const bytes = Buffer.from(text)
const sockets = new Set<WebSocket>()

const app = Fastify()
await app.register(websocket, websocketOptions())
await app.register(wsHub)
app.get('/ws', { websocket: true }, socket => {
  sockets.add(socket)
  app.wsHub.add(socket, { subject: `user-${sockets.size}` })
})
await app.listen({ port: 0, host: '127.0.0.1' })

const ways: Record<string, () => unknown> = {
  loop: () => { for (const socket of sockets) socket.send(text) },
  'loop of a Buffer': () => { for (const socket of sockets) socket.send(bytes, { binary: false }) },
  hub: () => app.wsHub.broadcast(text)
}

const endOfTurn = async (): Promise<void> => { await new Promise(resolve => setImmediate(resolve)) }

serve({
  port: () => (app.server.address() as AddressInfo).port,
  async run ({ variant, turns, perTurn }: { variant: string, turns: number, perTurn: number }) {
    const way = ways[variant] as () => unknown
    const before = process.cpuUsage()
    for (let turn = 0; turn < turns; turn++) {
      for (let count = 0; count < perTurn; count++) way()
      await endOfTurn()
    }
    // The callbacks of the last writes belong to it as well.
    for (let turn = 0; turn < 2; turn++) await endOfTurn()
    const { user, system } = process.cpuUsage(before)
    return user + system
  }
})
