import {
  checkWebsocketOptions, decorateBound, decorateIdentity, expectRoutePart, markRoutePart, mergeOptions, noteUpgrades,
  type OrderTarget, parseOrderTarget, recentOrdersOf, refuseTwice, requireWebsocket, SetUp, useLeanSockets, watchRoutes, withoutFastifyOptions
} from '@fastify-airlock/core'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { sendSigns } from './alive.js'
import { noteRoutes } from './audit.js'
import { AddressConnections } from './connections.js'
import { cutSlowReaders } from './cut.js'
import { WSA_GUARD_ERR_INVALID_TARGET, WSA_GUARD_ERR_NOT_CALLED, WSA_GUARD_ERR_OPTION } from './errors.js'
import { refuseBeforeRouting } from './early.js'
import { createGuard } from './guard.js'
import { answerOverHttp, rewritesUrls, upgradeResponses } from './internals.js'
import { type GuardOptions, type GuardPluginOptions, parsePlugin } from './options.js'
import { takeOverProtocols } from './protocols.js'
import { GUARD } from './route-part.js'
import { SocketGuard } from './socket-guard.js'
import type { WsGuard } from './types.js'

/** Two would look after the same sockets: each would count, answer and forget what the other has begun. */
const guarded = new WeakSet<object>()

/**
 * Guards WebSocket upgrades. Register it right after `@fastify/websocket`, at the root, before all plugins that add hooks.
 * Then use `fastify.wsGuard()` as the preValidation of a route.
 *
 * @throws {@link WSA_GUARD_ERR_OPTION} when an option is wrong, `@fastify/websocket` is not registered, or the server has a
 * guard of another scope
 *
 * @example
 * await app.register(websocket, websocketOptions())
 * await app.register(wsGuard, { allowedOrigins: ['https://app.example.com'] })
 * app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, handler)
 */
export const wsGuard = fp<GuardPluginOptions>(async (fastify, options) => {
  refuseTwice(fastify, 'wsGuard', 'guard')
  const websocketServer = requireWebsocket(fastify, () => new WSA_GUARD_ERR_OPTION('register @fastify/websocket first, at the root, and await it'))
  const { defaults, server: settings } = parsePlugin(withoutFastifyOptions(options, fastify))
  SetUp.of(fastify).ignore(settings.ignoreWarnings)
  checkWebsocketOptions(fastify, websocketServer)
  watchRoutes(fastify)
  noteRoutes(fastify)
  noteUpgrades(fastify.server, websocketServer)
  const sockets = new SocketGuard(fastify, settings, upgradeResponses(fastify))
  const connections = new AddressConnections(fastify, settings.connectionsPerAddress)
  if (settings.refuseBeforeRouting) {
    if (rewritesUrls(fastify)) throw new WSA_GUARD_ERR_OPTION('refuseBeforeRouting: turn it off, because it looks at paths before rewriteUrl')
    refuseBeforeRouting(fastify, sockets)
  }
  answerOverHttp(fastify.server as object)
  takeOverProtocols(websocketServer)
  useLeanSockets(websocketServer, fastify.log)
  sendSigns(websocketServer)
  const bound = cutSlowReaders(fastify, settings)
  decorateIdentity(fastify)

  const recent = recentOrdersOf(fastify.server)
  if (!recent.nameSession(settings.sessionClaim)) {
    throw new WSA_GUARD_ERR_OPTION(`sessionClaim: another plugin on this server was told ${recent.sessionClaim}`)
  }
  const refuse = (target: string | OrderTarget): void => { recent.refuse(parseOrderTarget(target, WSA_GUARD_ERR_INVALID_TARGET), fastify.log) }
  decorateBound(fastify, 'wsGuard', instance => {
    const decorator = (options: GuardOptions = {}) => {
      const merged = mergeOptions(defaults, options, WSA_GUARD_ERR_OPTION)
      if ((options as Partial<FastifyRequest>).routeOptions !== undefined) throw new WSA_GUARD_ERR_NOT_CALLED('it was called with a request')
      if ((options as { register?: FastifyInstance['register'] }).register !== undefined) throw new WSA_GUARD_ERR_NOT_CALLED('it was registered as a plugin')
      const guard = createGuard(instance, sockets, merged)
      expectRoutePart(fastify, guard)
      return guard
    }
    Object.defineProperties(decorator, {
      pending: { get: () => sockets.size },
      waiting: { get: () => sockets.waiting },
      dropped: { get: () => connections.dropped }
    })
    return markRoutePart(Object.assign(decorator, { refuse }) as unknown as WsGuard, GUARD.maker)
  })
  // After the decorator, whose own error is for the second one of the same scope.
  if (guarded.has(fastify.server)) throw new WSA_GUARD_ERR_OPTION('register the guard once, at the root: this server has one of another scope')
  guarded.add(fastify.server)

  fastify.addHook('preClose', async () => {
    sockets.close()
    // Node 26 counts a connection without a request as idle and destroys it when the server closes, with an upgrade that has
    // come and is not read yet. One turn may end before it is seen; after the second it is answered.
    for (let turn = 0; turn < 2; turn++) await new Promise(resolve => setImmediate(resolve))
  })
  fastify.addHook('onClose', async () => {
    sockets.end()
    bound.close()
  })
}, {
  fastify: '5.x',
  name: '@fastify-airlock/guard'
})

markRoutePart(wsGuard, GUARD.plugin)
