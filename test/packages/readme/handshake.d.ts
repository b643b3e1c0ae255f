import type { WsHandler } from '@fastify-airlock/handshake'

declare global {
  const handler: WsHandler
}
