import { decorateIdentity, requireWebsocket, useLeanSockets } from '@fastify-airlock/core'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { WSA_GUARD_ERR_OPTION } from './errors.js'
import { refuseBeforeRouting } from './early.js'
import { createGuard } from './guard.js'
import { upgradeResponses } from './internals.js'
import { type GuardOptions, type GuardPluginOptions, parseGuard, parseServer } from './options.js'
import { takeOverProtocols } from './protocols.js'
import { SocketGuard } from './socket-guard.js'
import type { WsGuard } from './types.js'

/**
 * Guards WebSocket upgrades. Register it right after `@fastify/websocket`, at the root, before all plugins that add hooks.
 * Then use `fastify.wsGuard()` as the preValidation of a route.
 *
 * @throws {@link WSA_GUARD_ERR_OPTION} when an option is wrong, or `@fastify/websocket` is not registered
 *
 * @example
 * await app.register(websocket, websocketOptions())
 * await app.register(wsGuard, { allowedOrigins: ['https://app.example.com'] })
 * app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, handler)
 */
export const wsGuard = fp<GuardPluginOptions>(async (fastify, { upgradeTimeout, pendingPerAddress, refuseBeforeRouting: early, ...defaults }) => {
  const websocketServer = requireWebsocket(fastify, () => new WSA_GUARD_ERR_OPTION('register @fastify/websocket first, at the root, and await it'))
  parseGuard(defaults)
  const settings = parseServer({ upgradeTimeout, pendingPerAddress, refuseBeforeRouting: early })
  const sockets = new SocketGuard(fastify, settings, upgradeResponses(fastify))
  if (settings.refuseBeforeRouting) refuseBeforeRouting(fastify, sockets)
  takeOverProtocols(websocketServer)
  useLeanSockets(websocketServer, fastify.log)
  decorateIdentity(fastify)

  // `this` is the instance of the route, whose decorators an authenticator may need.
  const decorator = function (this: FastifyInstance, options: GuardOptions = {}) {
    return createGuard(this, sockets, { ...defaults, ...options })
  }
  Object.defineProperty(decorator, 'pending', { get: () => sockets.size })
  fastify.decorate('wsGuard', decorator as unknown as WsGuard)

  fastify.addHook('preClose', async () => { sockets.close() })
  fastify.addHook('onClose', async () => { sockets.end() })
}, {
  fastify: '5.x',
  name: '@fastify-airlock/guard'
})
