import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import jwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsHeartbeat from '@fastify-airlock/heartbeat'
import wsHub from '@fastify-airlock/hub'
import wsTickets from '@fastify-airlock/ticket'
import Fastify from 'fastify'
import { createSigner } from 'fast-jwt'
import { serve } from '../lib/child.js'

const secret = 'a secret of a benchmark, known to everybody'
const sign = createSigner({ key: secret, expiresIn: 3_600_000 })

// Every plugin, as an application would register them, and both doors. One topic for all, and one for each user.
const app = Fastify()
await app.register(websocket, websocketOptions())
await app.register(jwt, { secret })
await app.register(wsGuard)
await app.register(wsTickets, { ttl: 900_000 })
await app.register(wsHandshake)
await app.register(wsHeartbeat)
await app.register(wsHub)
app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake((socket, request) => {
  app.wsHub.join(socket, 'all')
  app.wsHub.join(socket, `user/${request.wsIdentity.subject}`)
}))
await app.listen({ port: 0, host: '127.0.0.1' })
let users = 0

serve({
  port: () => (app.server.address() as AddressInfo).port,
  connections: () => app.wsHub.count(),
  async mint (count: number) {
    return await Promise.all(Array.from({ length: count }, async () => {
      const sub = `user-${users++}`
      const { ticket } = await app.wsTickets.issue(sub)
      return { ticket, token: sign({ sub, role: 'user', iss: 'https://id.example.com' }) }
    }))
  },
  /** Memory of this process in bytes, after full collections. */
  async memory () {
    for (let pass = 0; pass < 6; pass++) {
      globalThis.gc?.()
      await sleep(200)
    }
    return process.memoryUsage()
  }
})
