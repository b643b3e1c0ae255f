import websocketPlugin from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsHeartbeat from '@fastify-airlock/heartbeat'
import wsHub from '@fastify-airlock/hub'
import wsPresence from '@fastify-airlock/presence'
import wsTopics from '@fastify-airlock/topics'
import fp from 'fastify-plugin'
import type { DemoOptions } from '../config.js'
import { RESET_HISTORY, RESET_TOPIC } from '../kiosk-topics.js'
import { topicStoreOf } from '../topic-store.js'

/** Time for closing all connections at shutdown, in milliseconds. The whole shutdown may take ten seconds. */
const DRAIN_MS = 6_000

/** WebSockets: the guard checks upgrades, the handshake checks first frames, the hub keeps what is authenticated, its topics, and who is there. */
export const websocket = fp<DemoOptions>(async (fastify, { config }) => {
  const pending = { pendingPerAddress: config.maxPendingPerAddress, pendingTotal: config.maxPending }
  await fastify.register(websocketPlugin, websocketOptions())
  // The page asks for the answers to its refused upgrades; the hook in refusals-route.ts keeps them.
  await fastify.register(wsGuard, {
    ...pending,
    connectionsPerAddress: config.maxConnectionsPerAddress,
    connectRate: config.connectRate,
    refusalHooks: true
  })
  await fastify.register(wsHandshake, pending)
  await fastify.register(wsHub, {
    maxConnections: config.maxConnections,
    maxConnectionsPerSubject: config.maxConnectionsPerUser,
    messageRate: { perSecond: config.messageRate, burst: 10 * config.messageRate },
    drain: { timeout: DRAIN_MS },
    // Every user of the demo may run a kiosk.
    authorizeTopic: (_identity, topic) => topic === RESET_TOPIC,
    ...(fastify.bus !== null && { bus: fastify.bus })
  })
  const store = topicStoreOf(config, fastify)
  await fastify.register(wsTopics, store === null ? {} : { store, topics: { [RESET_TOPIC]: { history: RESET_HISTORY } } })
  // Who is connected at all, and no topic. Every user of the demo may see it.
  await fastify.register(wsPresence, { topics: [], authorizePresence: (_identity, topic) => topic === '' })
  await fastify.register(wsHeartbeat)
}, { name: 'demo-websocket', dependencies: ['demo-bus'] })
