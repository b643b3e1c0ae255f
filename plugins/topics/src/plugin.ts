import { logError, Misuse, recentOrdersOf, SetUp, topicHostOf, withoutFastifyOptions } from '@fastify-airlock/core'
import fp from 'fastify-plugin'
import { WSA_TOPICS_ERR_NO_HUB } from './errors.js'
import { checkNodes } from './nodes.js'
import { parseTopicsOptions, type WsTopicsOptions } from './options.js'
import { StoreCalls } from './store-calls.js'
import { Topics } from './topics.js'

/** The code of the warning about hooks that return no boolean. */
const ANSWER = 'WSA_TOPICS_WARN_ANSWER'

/**
 * Decorates the instance with `wsTopics`: topics that clients subscribe to, which lose nothing that is within their history,
 * and show nothing to those who may not see it. The hub has to be registered before.
 *
 * @throws {@link WSA_TOPICS_ERR_OPTION} when an option is unknown or has the wrong type
 * @throws {@link WSA_TOPICS_ERR_NO_HUB} when there is no hub
 * @throws {@link WSA_TOPICS_ERR_REGISTERED_TWICE} when the hub has topics already
 *
 * @example
 * await app.register(wsHub, { authorizeTopic: ({ subject }, topic) => topic === `inbox/${subject}` })
 * await app.register(wsTopics, { topics: { 'inbox/+': { history: { size: 100, ttl: 86_400_000 } } } })
 * await app.wsTopics.publish('inbox/alice', { text: 'hello' })
 */
export const wsTopics = fp<WsTopicsOptions>(async (fastify, options) => {
  const settings = parseTopicsOptions(withoutFastifyOptions(options, fastify))
  const host = topicHostOf(fastify)
  if (host === undefined) throw new WSA_TOPICS_ERR_NO_HUB()
  checkNodes(fastify, settings, host.hasBus)
  const recent = recentOrdersOf(fastify.server)
  const topics = new Topics({
    settings, host, log: fastify.log, misuse: Misuse.of(fastify, ANSWER), explain: (code, message) => SetUp.of(fastify).warn(code, message), sessionClaim: () => recent.sessionClaim
  })
  fastify.decorate('wsTopics', topics)
  fastify.addHook('onReady', async () => {
    try {
      // One that is not reached may not answer at all, and go on waiting.
      await new StoreCalls(settings.storeTimeout).ask(() => settings.store.ready?.(fastify.log))
    } catch (err) {
      // The store may come back: clients are told to try again meanwhile.
      logError(fastify.log, err, 'the store of topics is not ready')
    }
  })
  fastify.addHook('onClose', async () => {
    topics.close()
    await settings.store.close()
  })
}, { name: '@fastify-airlock/topics', fastify: '5.x' })
