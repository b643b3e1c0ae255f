import { Closer, Sweep, type Sweepable, type WsIdentity } from '@fastify-airlock/core'
import { jwt } from '@fastify-airlock/guard'
import { CloseCode } from '@fastify-airlock/protocol'
import type { WebSocket } from '@fastify/websocket'
import type { FastifyPluginAsync } from 'fastify'
import { answer } from '../answer.js'
import type { DemoOptions } from '../config.js'
import { socketOptions } from '../socket-options.js'
import { Ticker } from '../ticker.js'
import { userOf } from '../users.js'
import { KIOSK_TOPIC } from './kiosk.js'

interface Expiring extends Sweepable {
  socket: WebSocket
}

/** The WebSocket routes: for everyone, for admins, for kiosks, and one that takes a JWT on the upgrade. */
export const sockets: FastifyPluginAsync<DemoOptions> = async (fastify, { config }) => {
  const { origins, isRevoked, handshake } = socketOptions(fastify, config)
  const ticker = new Ticker(1_000)
  const serve = (socket: WebSocket) => {
    ticker.add(socket)
    socket.on('message', (data: Buffer, isBinary: boolean) => socket.send(answer(data, isBinary)))
  }

  const ticketed = { websocket: true, preValidation: fastify.wsGuard(origins) } as const
  fastify.get('/ws/demo', ticketed, fastify.wsHandshake(serve, handshake))
  fastify.get('/ws/admin', ticketed, fastify.wsHandshake(serve, {
    ...handshake,
    authorize: ({ claims }) => userOf(claims).role === 'admin'
  }))
  fastify.get('/ws/kiosk', ticketed, fastify.wsHandshake(socket => {
    fastify.wsHub.join(socket, KIOSK_TOPIC)
    serve(socket)
  }, handshake))

  // Authenticated on the upgrade alone, for clients that can send a header. So what the handshake does for the other
  // routes is done here: adding the socket to the hub, and closing it when the token expires.
  const bearer = { websocket: true, preValidation: fastify.wsGuard({ ...origins, authenticate: jwt({ isRevoked }) }) } as const
  const closer = new Closer()
  const expiry = new Sweep<Expiring>(({ socket }) => closer.close(socket, CloseCode.UNAUTHORIZED, 'token expired'))
  fastify.addHook('onClose', async () => expiry.close())
  fastify.get('/ws/bearer', bearer, (socket, request) => {
    const identity = request.wsIdentity as WsIdentity & { expiresAt: number }
    if (!fastify.wsHub.add(socket, identity)) return
    const expiring: Expiring = { socket, due: 0 }
    expiry.set(expiring, identity.expiresAt - Date.now())
    socket.once('close', () => expiry.clear(expiring))
    serve(socket)
  })
}
