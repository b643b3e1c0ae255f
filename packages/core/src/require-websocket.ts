import type { FastifyInstance } from 'fastify'
import type { WebSocketServer } from 'ws'

/**
 * Makes sure that `@fastify/websocket` is registered where a plugin needs it.
 *
 * @param createError makes the plugin's own error
 * @returns the server of `@fastify/websocket`
 */
export function requireWebsocket (fastify: FastifyInstance, createError: () => Error): WebSocketServer {
  const { websocketServer } = fastify as Partial<FastifyInstance>
  if (websocketServer === undefined) throw createError()
  return websocketServer
}
