import type { WsIdentity } from '@fastify-airlock/core'
import type { FastifyPluginAsync } from 'fastify'
import type { DemoOptions } from '../config.js'
import { socketOptions } from '../socket-options.js'
import type { UpstreamUrls } from '../external-config.js'

/** A WebSocket of another system, behind a ticket and a first frame. Its key stays on the server. */
export const upstream: FastifyPluginAsync<DemoOptions> = async (fastify, { config }) => {
  const { origins, handshake } = socketOptions(fastify, config)
  const proxy = fastify.wsProxy({
    upstream: (config.upstream as UpstreamUrls).socket,
    headers: { 'x-api-key': config.upstreamToken as string }
  })
  const preValidation = [fastify.wsGuard(origins), proxy.dial]
  fastify.get('/ws/upstream', { websocket: true, preValidation }, fastify.wsHandshake((socket, request) => {
    fastify.sessions.count(socket, (request.wsIdentity as WsIdentity).claims)
    return proxy(socket, request)
  }, handshake))
}
