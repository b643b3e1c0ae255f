import { refuseTwice, requireWebsocket, withoutFastifyOptions } from '@fastify-airlock/core'
import fp from 'fastify-plugin'
import { WSA_HEARTBEAT_ERR_NO_WEBSOCKET } from './errors.js'
import { Heartbeat } from './heartbeat.js'
import { parseHeartbeatOptions, type WsHeartbeatOptions } from './options.js'

/**
 * Watches the connections of `@fastify/websocket`: pings silent ones, and terminates those that stay silent.
 * Decorates the instance with `wsHeartbeat`.
 *
 * @throws {@link WSA_HEARTBEAT_ERR_OPTION} when an option is unknown, of the wrong type or out of range
 * @throws {@link WSA_HEARTBEAT_ERR_NO_WEBSOCKET} when `@fastify/websocket` is not registered
 *
 * @example
 * await app.register(websocket)
 * await app.register(wsHeartbeat, { interval: 25_000, timeout: 10_000 })
 */
export const wsHeartbeat = fp<WsHeartbeatOptions>(async (fastify, options) => {
  refuseTwice(fastify, 'wsHeartbeat', 'heartbeat')
  const { auto, interval, timeout } = parseHeartbeatOptions(withoutFastifyOptions(options, fastify))
  const websocketServer = requireWebsocket(fastify, () => new WSA_HEARTBEAT_ERR_NO_WEBSOCKET())

  const heartbeat = new Heartbeat({ interval, timeout, log: fastify.log, server: fastify.server })
  fastify.decorate('wsHeartbeat', heartbeat)
  if (auto) websocketServer.on('connection', (socket, request) => { heartbeat.watch(socket, request) })
  fastify.addHook('onClose', async () => { heartbeat.close() })
}, { name: '@fastify-airlock/heartbeat', fastify: '5.x' })
