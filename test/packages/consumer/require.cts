/** An application in CommonJS that requires the packages, which TypeScript knows since 5.8 with `nodenext`. */
import websocket = require('@fastify/websocket')
import wsGuard = require('@fastify-airlock/guard')
import wsHub = require('@fastify-airlock/hub')
import type { FastifyInstance } from 'fastify'

export async function build (app: FastifyInstance): Promise<FastifyInstance> {
  await app.register(websocket, wsGuard.websocketOptions())
  await app.register(wsGuard.default, { missingOrigin: 'deny' })
  await app.register(wsHub.wsHub)
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, socket => { socket.on('message', data => { app.wsHub.broadcast(String(data)) }) })
  return app
}
