/** An application in CommonJS, in any TypeScript. */
import { fastifyWebsocket } from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'

export async function build (app: FastifyInstance): Promise<FastifyInstance> {
  const { default: wsGuard, websocketOptions } = await import('@fastify-airlock/guard')
  const { default: wsHub } = await import('@fastify-airlock/hub')
  await app.register(fastifyWebsocket, websocketOptions())
  await app.register(wsGuard, { missingOrigin: 'deny' })
  await app.register(wsHub)
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, socket => { socket.on('message', data => { app.wsHub.broadcast(String(data)) }) })
  return app
}
