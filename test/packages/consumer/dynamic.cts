/** An application in CommonJS, in any TypeScript. */
import type { FastifyInstance } from 'fastify'

export async function build (app: FastifyInstance): Promise<FastifyInstance> {
  const { default: wsGuard, websocketOptions } = await import('@fastify-airlock/guard')
  const { default: wsHub } = await import('@fastify-airlock/hub')
  const { default: websocket } = await import('@fastify/websocket')
  await app.register(websocket.default, websocketOptions())
  await app.register(wsGuard, { missingOrigin: 'deny' })
  await app.register(wsHub)
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, socket => { socket.on('message', data => { app.wsHub.broadcast(String(data)) }) })
  return app
}
