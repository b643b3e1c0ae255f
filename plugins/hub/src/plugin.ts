import { parseOptions } from '@fastify-airlock/core'
import fp from 'fastify-plugin'
import { InvalidOptionError } from './errors.js'
import { Hub } from './hub.js'
import { hubOptions } from './options.js'
import type { WsHubOptions } from './types.js'

/**
 * Decorates the instance with `wsHub`: the authenticated connections of this process, broadcast, topics and
 * disconnecting by user.
 *
 * @throws `WSA_HUB_ERR_INVALID_OPTION`
 *
 * @example
 * await app.register(wsHub)
 * app.wsHub.broadcast({ type: 'news', text: 'hello' })
 */
export const wsHub = fp<WsHubOptions>(async (fastify, options) => {
  const { closeTimeout } = parseOptions(hubOptions, options, InvalidOptionError)
  fastify.decorate('wsHub', new Hub({
    closeTimeout,
    onError: error => fastify.log.error({ err: error }, 'a connection failed to take a message and was terminated')
  }))
}, { name: '@fastify-airlock/hub', fastify: '5.x' })
