import type { WsIdentity } from '@fastify-airlock/core'
import { jwt } from '@fastify-airlock/guard'
import type { WebSocket } from '@fastify/websocket'
import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { answer } from '../answer.js'
import type { DemoOptions } from '../config.js'
import { KIOSK_TOPIC } from '../kiosk-topics.js'
import { socketOptions } from '../socket-options.js'
import { Ticker } from '../ticker.js'
import { userOf } from '../users.js'

/** The WebSocket routes: for everyone, for admins, for kiosks, and one that takes a JWT on the upgrade. */
export const sockets: FastifyPluginAsync<DemoOptions> = async (fastify, { config }) => {
  const { origins, isRevoked, handshake } = socketOptions(fastify, config)
  const ticker = new Ticker(1_000)
  const serve = (socket: WebSocket, { wsIdentity }: FastifyRequest) => {
    fastify.sessions.count(socket, (wsIdentity as WsIdentity).claims)
    ticker.add(socket)
    socket.on('message', (data: Buffer, isBinary: boolean) => socket.send(answer(data, isBinary)))
  }

  const ticketed = { websocket: true, preValidation: fastify.wsGuard(origins) } as const
  fastify.get('/ws/demo', ticketed, fastify.wsHandshake(serve, handshake))
  fastify.get('/ws/admin', ticketed, fastify.wsHandshake(serve, {
    ...handshake,
    authorize: ({ claims }) => userOf(claims).role === 'admin'
  }))
  fastify.get('/ws/kiosk', ticketed, fastify.wsHandshake((socket, request) => {
    fastify.wsHub.join(socket, KIOSK_TOPIC)
    serve(socket, request)
  }, handshake))

  // Authenticated on the upgrade alone, for clients that can send a header. The guard closes such a socket when its token
  // expires.
  const bearer = { websocket: true, preValidation: fastify.wsGuard({ ...origins, authenticate: jwt({ isRevoked }) }) } as const
  fastify.get('/ws/bearer', bearer, (socket, request) => {
    if (fastify.wsHub.add(socket, request.wsIdentity as WsIdentity)) serve(socket, request)
  })
}
