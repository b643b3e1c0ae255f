// For subscribers of the audit trail: package managers that do not hoist hide core from the application.
export type * from '@fastify-airlock/core/audit'
export * from './errors.js'
export type { AuthenticateHook, RouteJwtOptions, TicketRateLimit, TicketRouteOptions, WsTicketsOptions } from './options.js'
export { wsTickets, wsTickets as default } from './plugin.js'
export type { TicketRateCounter, TicketRateState } from './rate-counter.js'
export type { StoreLog, TicketRecord, TicketStore } from './store.js'
export * from './stores/memory.js'
export * from './types.js'
