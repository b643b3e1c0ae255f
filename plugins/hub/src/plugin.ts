import { parseOptions, watchSockets } from '@fastify-airlock/core'
import fp from 'fastify-plugin'
import { WSA_HUB_ERR_OPTION } from './errors.js'
import { Hub } from './hub.js'
import type { WsHubOptions } from './hub-options.js'
import { hubOptions } from './options.js'

/**
 * Decorates the instance with `wsHub`: the authenticated connections of this process, broadcast, topics and
 * disconnecting by user, here and on the other nodes of a bus.
 *
 * @throws `WSA_HUB_ERR_OPTION`
 *
 * @example
 * await app.register(wsHub)
 * app.wsHub.broadcast({ type: 'news', text: 'hello' })
 */
export const wsHub = fp<WsHubOptions>(async (fastify, options) => {
  // It is not needed: any WebSocket may be added.
  const { websocketServer } = fastify as Partial<typeof fastify>
  const hub = new Hub(
    parseOptions(hubOptions, options, WSA_HUB_ERR_OPTION),
    fastify.log,
    websocketServer && ((key, watcher) => watchSockets(websocketServer, key, watcher, fastify.log))
  )
  fastify.decorate('wsHub', hub)
  fastify.addHook('preClose', () => hub.drain())
  fastify.addHook('onClose', () => hub.close())
}, { name: '@fastify-airlock/hub', fastify: '5.x' })
