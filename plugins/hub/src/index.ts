// For subscribers of the audit trail: package managers that do not hoist hide core from the application.
export type * from '@fastify-airlock/core/audit'
export { wsHub, wsHub as default } from './plugin.js'
export type * from './bus.js'
export type * from './cluster-types.js'
export type { ConnectionCounter, CountedConnection, PlaceAnswer } from './connection-counter.js'
export { MemoryConnectionCounter } from './counters/memory.js'
export * from './errors.js'
export type { HubConnectionEvent, HubEvent, HubEvents } from './events.js'
export type {
  DrainOptions, MessageRate, SlowConsumerAction, SlowConsumerInfo, WsHubOptions
} from './options.js'
export type { CounterStats, HubHealth, HubStats } from './status.js'
export type * from './types.js'
