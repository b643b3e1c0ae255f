/** A node for `presence.test.ts`, in a process of its own that may be killed: prints its port, and obeys the messages of its parent. */
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsHub from '@fastify-airlock/hub'
import wsPresence from '@fastify-airlock/presence'
import Fastify from 'fastify'
import mqemitterRedis from 'mqemitter-redis'
import type { AddressInfo } from 'node:net'

const [url, beat] = process.argv.slice(2) as [string, string]
const app = Fastify()
await app.register(websocket, websocketOptions())
await app.register(wsHub, { bus: mqemitterRedis({ connectionString: url }), busBeat: Number(beat), maxConnectionsPerSubject: Infinity })
await app.register(wsPresence, { authorizePresence: () => true })
app.get<{ Querystring: { subject: string } }>('/ws', { websocket: true }, (socket, { query: { subject } }) => {
  app.wsHub.add(socket, { subject })
  app.wsHub.join(socket, 'room')
  app.wsPresence.accept(socket)
})
await app.listen({ port: 0, host: '127.0.0.1' })
while (app.wsHub.health().bus !== 'up') await new Promise(resolve => setTimeout(resolve, 5))
process.send?.({ port: (app.server.address() as AddressInfo).port })
process.on('disconnect', () => process.exit())
