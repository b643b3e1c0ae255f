import type { AddressInfo } from 'node:net'
import jwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { jwtKeys } from './jwt-keys.js'
import { LISTEN, type Settings, type Started } from './settings.js'

/** `@fastify/websocket` alone: everybody may come in. */
export async function fastifyWebsocket (): Promise<Started> {
  return await listen(Fastify(), {})
}

/** What one writes first: a JWT in the Authorization header of the upgrade, and that is it. */
export async function handWritten ({ keys }: Settings): Promise<Started> {
  const app = Fastify()
  await app.register(jwt, jwtKeys(keys))
  return await listen(app, { preValidation: async (request: FastifyRequest) => { await request.jwtVerify() } })
}

async function listen (app: FastifyInstance, hooks: { preValidation?: (request: FastifyRequest) => Promise<void> }): Promise<Started> {
  await app.register(websocket)
  const { clients } = app.websocketServer
  const broadcast = (text: string): void => { for (const client of clients) client.send(text) }
  const route = { websocket: true as const, ...hooks }
  for (const path of ['/ws', '/room']) {
    app.get(path, route, socket => {
      socket.on('message', data => broadcast(JSON.stringify({ text: String(data) })))
    })
  }
  app.get('/echo', route, socket => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  await app.listen(LISTEN)
  return {
    port: (app.server.address() as AddressInfo).port,
    connections: () => clients.size,
    broadcast (text, times) { for (let count = 0; count < times; count++) broadcast(text) }
  }
}
