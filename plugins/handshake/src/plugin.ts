import {
  checkWebsocketOptions, decorateBound, decorateIdentity, expectRoutePart, markRoutePart, noteUpgrades, type OrderTarget,
  parseOrderTarget, pendingPlacesOf, recentOrdersOf, refuseTwice, requireWebsocket, SetUp, watchRoutes, withoutFastifyOptions
} from '@fastify-airlock/core'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { WSA_HANDSHAKE_ERR_INVALID_TARGET, WSA_HANDSHAKE_ERR_NOT_WEBSOCKET, WSA_HANDSHAKE_ERR_OPTION } from './errors.js'
import { createDecorator } from './handshake.js'
import type { WsHandshakeOptions } from './options.js'
import { HANDSHAKE } from './route-part.js'
import type { WsHandshake } from './types.js'

/**
 * Fastify plugin: decorates the instance with `wsHandshake(handler, options)`, which makes a WebSocket handler that
 * authenticates by the first frame. The options given here are the defaults of every route.
 *
 * @throws {@link WSA_HANDSHAKE_ERR_NOT_WEBSOCKET} when `@fastify/websocket` is not registered yet
 * @throws {@link WSA_HANDSHAKE_ERR_OPTION} when an option is wrong
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
  refuseTwice(fastify, 'wsHandshake', 'handshake')
  const websocketServer = requireWebsocket(fastify, () => new WSA_HANDSHAKE_ERR_NOT_WEBSOCKET())
  const { wsHandshake, sweep, unproved, pendingTotal, ignoreWarnings, sessionClaim } = createDecorator(withoutFastifyOptions(options, fastify))
  SetUp.of(fastify).ignore(ignoreWarnings)
  checkWebsocketOptions(fastify, websocketServer)
  watchRoutes(fastify)
  noteUpgrades(fastify.server, websocketServer)
  decorateIdentity(fastify)
  if (pendingTotal !== undefined) pendingPlacesOf(fastify.server).limitTo(pendingTotal)
  const recent = recentOrdersOf(fastify.server)
  if (!recent.nameSession(sessionClaim)) {
    throw new WSA_HANDSHAKE_ERR_OPTION(`sessionClaim: another plugin on this server was told ${recent.sessionClaim}`)
  }
  const refuse = (target: string | OrderTarget): void => { recent.refuse(parseOrderTarget(target, WSA_HANDSHAKE_ERR_INVALID_TARGET), fastify.log) }
  decorateBound(fastify, 'wsHandshake', instance => {
    const decorator = (...given: Parameters<WsHandshake>) => {
      const handler = wsHandshake.apply(instance, given)
      expectRoutePart(fastify, handler)
      return handler
    }
    const withCount = Object.defineProperty(Object.assign(decorator, { refuse }), 'pending', { get: () => unproved.count })
    return markRoutePart(withCount, HANDSHAKE.maker)
  })
  fastify.addHook('onClose', async () => { sweep.close() })
}, { fastify: '5.x', name: '@fastify-airlock/handshake' })

markRoutePart(wsHandshake, HANDSHAKE.plugin)
