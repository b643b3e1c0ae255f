// For subscribers of the audit trail: package managers that do not hoist hide core from the application.
export type * from '@fastify-airlock/core/audit'
export { identityOf } from '@fastify-airlock/core'
export * from './errors.js'
export type { HandshakeOpenEvent, HandshakeRefuseEvent } from './events.js'
export type { WsHandshakeOptions } from './options.js'
export { wsHandshake, wsHandshake as default } from './plugin.js'
export type { AuthenticatedRequest, WsHandler, WsHandshake } from './types.js'
