import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsHub from '@fastify-airlock/hub'
import wsTickets from '@fastify-airlock/ticket'
import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import type { AirlockSocketOptions } from '../src/index.js'

/** A server with every plugin and an echo behind both doors, and the options of a client for it. */
export async function serve (t: Test) {
  const counts = { tickets: 0, upgrades: 0, closes: [] as number[] }
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions({ closeTimeout: 30_000 }))
  await app.register(wsGuard)
  await app.register(fastifyJwt, { secret: 'a secret for tests that is long enough' })
  app.addHook('onResponse', async request => { if (request.url === '/ws/ticket') counts.tickets++ })
  await app.register(wsTickets)
  await app.register(wsHandshake)
  await app.register(wsHub, { closeTimeout: 30_000 })
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake(socket => {
    counts.upgrades++
    socket.on('message', (data, isBinary) => socket.send(data as Buffer, { binary: isBinary }))
    socket.on('close', code => counts.closes.push(code))
  }))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const origin = `http://127.0.0.1:${port}`
  const token = app.jwt.sign({ sub: 'alice' }, { expiresIn: 60 })

  const options: AirlockSocketOptions<any, any> = {
    url: `${origin}/ws`,
    WebSocket,
    getTicket: ({ signal }) => fetch(`${origin}/ws/ticket`, { method: 'POST', headers: { authorization: `Bearer ${token}` }, signal }),
    getToken: () => token,
    reconnect: { min: 10, max: 50 }
  }
  return { app, counts, options, origin, token }
}
