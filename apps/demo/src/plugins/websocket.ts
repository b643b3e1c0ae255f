import websocketPlugin from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsHub from '@fastify-airlock/hub'
import fp from 'fastify-plugin'

/** WebSockets, the door before the upgrade, the door after it, and the room behind both. */
export const websocket = fp(async fastify => {
  await fastify.register(websocketPlugin, websocketOptions())
  await fastify.register(wsGuard)
  await fastify.register(wsHandshake)
  await fastify.register(wsHub)
}, { name: 'demo-websocket' })
