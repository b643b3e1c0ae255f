import { decorateIdentity } from '@fastify-airlock/core'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { WSA_HANDSHAKE_ERR_NOT_WEBSOCKET } from './errors.js'
import { createHandshake } from './handshake.js'
import type { WsHandshakeOptions } from './types.js'

/**
 * Fastify plugin: decorates the instance with `wsHandshake(handler, options)`, which makes a websocket handler that
 * authenticates by the first frame. The options given here are the defaults of every route.
 *
 * @throws `WSA_HANDSHAKE_ERR_NOT_WEBSOCKET` where `@fastify/websocket` is not registered yet
 * @throws `WSA_HANDSHAKE_ERR_OPTION` for a wrong option
 *
 * @example
 * await app.register(websocket, websocketOptions())
 * await app.register(jwt, { secret })
 * await app.register(wsHandshake)
 * app.get('/ws', { websocket: true }, app.wsHandshake((socket, request) => {
 *   socket.send(`hello ${request.wsIdentity.subject}`)
 * }))
 */
export const wsHandshake = fp(async function wsHandshake (fastify: FastifyInstance, options: WsHandshakeOptions) {
  if (!fastify.hasDecorator('websocketServer')) throw new WSA_HANDSHAKE_ERR_NOT_WEBSOCKET()
  const handshake = createHandshake(options)
  decorateIdentity(fastify)
  fastify.decorate('wsHandshake', handshake.wsHandshake)
  fastify.addHook('onClose', async () => { handshake.sweep.close() })
}, { fastify: '5.x', name: '@fastify-airlock/handshake' })
