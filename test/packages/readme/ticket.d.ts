import type { TicketStore } from '@fastify-airlock/ticket'

declare global {
  const passport: typeof import('@fastify/passport').default
  const revoked: Set<unknown>
  const session: typeof import('@fastify/session').default
  const MyStore: new (options: { max?: number }) => TicketStore
}
