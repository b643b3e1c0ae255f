import fp from 'fastify-plugin'
import { WSA_HEARTBEAT_ERR_NO_WEBSOCKET } from './errors.js'
import { Heartbeat } from './heartbeat.js'
import { parseHeartbeat } from './options.js'
import type { WsHeartbeatOptions } from './types.js'

/**
 * Watches the connections of `@fastify/websocket`: pings the silent ones and terminates those that stay silent.
 * Decorates the instance with `wsHeartbeat`.
 *
 * @throws `WSA_HEARTBEAT_ERR_OPTION`
 * @throws `WSA_HEARTBEAT_ERR_NO_WEBSOCKET`
 *
 * @example
 * await app.register(websocket)
 * await app.register(wsHeartbeat, { interval: 25_000, timeout: 10_000 })
 */
export const wsHeartbeat = fp<WsHeartbeatOptions>(async (fastify, options) => {
  const { auto, ...times } = parseHeartbeat(options)
  const { websocketServer } = fastify
  if (websocketServer === undefined) throw new WSA_HEARTBEAT_ERR_NO_WEBSOCKET()

  const heartbeat = new Heartbeat(times)
  fastify.decorate('wsHeartbeat', heartbeat)
  if (auto) websocketServer.on('connection', (socket, request) => { heartbeat.watch(socket, request) })
  fastify.addHook('onClose', async () => { heartbeat.close() })
}, { name: '@fastify-airlock/heartbeat', fastify: '5.x' })
