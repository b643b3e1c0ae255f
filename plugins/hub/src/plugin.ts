import { noteUpgrades, recentOrdersOf, refuseTwice, withoutFastifyOptions } from '@fastify-airlock/core'
import fp from 'fastify-plugin'
import { WSA_HUB_ERR_OPTION } from './errors.js'
import { Hub } from './hub.js'
import { checkNodes } from './nodes.js'
import { parseHubOptions, type WsHubOptions } from './options.js'

/**
 * Decorates the instance with `wsHub`: the authenticated connections of this process, with broadcast, topics and
 * disconnecting by user, on this node and on the other nodes of a bus.
 *
 * @throws {@link WSA_HUB_ERR_OPTION} when an option is unknown or has the wrong type
 *
 * @example
 * await app.register(wsHub)
 * app.wsHub.broadcast({ type: 'news', text: 'hello' })
 */
export const wsHub = fp<WsHubOptions>(async (fastify, options) => {
  refuseTwice(fastify, 'wsHub', 'hub')
  // The server is not required: any WebSocket may be added.
  const { websocketServer } = fastify as Partial<typeof fastify>
  const settings = parseHubOptions(withoutFastifyOptions(options, fastify))
  const recent = recentOrdersOf(fastify.server)
  if (!recent.nameSession(settings.sessionClaim)) {
    throw new WSA_HUB_ERR_OPTION(`sessionClaim: another plugin on this server was told ${recent.sessionClaim}`)
  }
  const hub = new Hub(settings, fastify.log, websocketServer, recent, {}, fastify.server)
  noteUpgrades(fastify.server, websocketServer)
  checkNodes(fastify, settings)
  fastify.decorate('wsHub', hub)
  hub.holdOrders()
  // After the hooks that are there: those of plugins, which may add listeners.
  fastify.addHook('onReady', async () => { setImmediate(() => hub.releaseOrders()) })
  fastify.addHook('preClose', () => hub.drain())
  fastify.addHook('onClose', () => hub.close())
}, { name: '@fastify-airlock/hub', fastify: '5.x' })
