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

serve({
  port: () => (app.server.address() as AddressInfo).port,
  async run ({ variant, broadcasts }: { variant: string, broadcasts: number }) {
    const way = ways[variant] as () => unknown
    const before = process.cpuUsage()
    for (let count = 0; count < broadcasts; count++) {
      way()
      // Each one in a tick of its own, its callbacks included.
      await new Promise(resolve => setImmediate(resolve))
    }
    const { user, system } = process.cpuUsage(before)
    return user + system
  }
})
