/** What the blocks of READMEs take for granted: a block that declares such a name itself has its own. */
import type { FastifyInstance } from 'fastify'

declare global {
  const app: FastifyInstance
  const url: string
  const token: string
  const ticket: string
  const wsGuard: typeof import('@fastify-airlock/guard').default
  const wsHandshake: typeof import('@fastify-airlock/handshake').default
  const wsHeartbeat: typeof import('@fastify-airlock/heartbeat').default
  const wsHub: typeof import('@fastify-airlock/hub').default
  const wsIntrospect: typeof import('@fastify-airlock/introspect').default
  const wsPresence: typeof import('@fastify-airlock/presence').default
  const wsTopics: typeof import('@fastify-airlock/topics').default
  const wsTickets: typeof import('@fastify-airlock/ticket').default
}
