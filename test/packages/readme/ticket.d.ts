import type { TicketStore } from '@fastify-airlock/ticket'

declare global {
  const revoked: Set<unknown>
  const MyStore: new (options: { max?: number }) => TicketStore
}
