import { Misuse, refuseTwice, topicHostOf, withoutFastifyOptions } from '@fastify-airlock/core'
import fp from 'fastify-plugin'
import type { Cluster } from './cluster.js'
import { WSA_PRESENCE_ERR_NO_HUB } from './errors.js'
import { parsePresenceOptions, type WsPresenceOptions } from './options.js'
import { Presence } from './presence.js'

/** The code of the warning about hooks that return no boolean. */
const ANSWER = 'WSA_PRESENCE_WARN_ANSWER'

/**
 * Decorates the instance with `wsPresence`: who is there, in a topic or at all, on all nodes, for those who may know. The hub has to be
 * registered before.
 *
 * @throws {@link WSA_PRESENCE_ERR_OPTION} when an option is unknown or has the wrong type
 * @throws {@link WSA_PRESENCE_ERR_NO_HUB} when there is no hub
 * @throws {@link WSA_PRESENCE_ERR_REGISTERED_TWICE} when the hub has presence already
 *
 * @example
 * await app.register(wsHub, { authorizeTopic: ({ claims }, topic) => topic === `room/${claims.room}` })
 * await app.register(wsPresence, { topics: ['room/+'] })
 * app.get('/online', () => app.wsPresence.of().length)
 */
export const wsPresence = fp<WsPresenceOptions>(async (fastify, options) => {
  refuseTwice(fastify, 'wsPresence', 'presence')
  const settings = parsePresenceOptions(withoutFastifyOptions(options, fastify))
  const host = topicHostOf(fastify)
  if (host === undefined) throw new WSA_PRESENCE_ERR_NO_HUB()
  const { wsHub: cluster } = fastify as unknown as { wsHub: Cluster }
  const presence = new Presence({ settings, host, cluster, log: fastify.log, misuse: Misuse.of(fastify, ANSWER) })
  fastify.decorate('wsPresence', presence)
  fastify.addHook('onClose', async () => { presence.close() })
}, { name: '@fastify-airlock/presence', fastify: '5.x' })
