import { wsGuard } from './plugin.js'

export { clearTokenCaches, websocketOptions } from '@fastify-airlock/core'
export { jwt, type JwtAuthenticatorOptions, ticket, type TicketAuthenticatorOptions } from './authenticators.js'
export type { Carriers } from './credentials.js'
export * from './errors.js'
export { logSerializers, notFoundHandler, redactUrl, SECRET_PARAMETERS } from './logging.js'
export { type AllowedOrigin, createOriginCheck, type OriginCheck } from './origin.js'
export type { GuardRefuseEvent } from './refusal.js'
export * from './types.js'
export { wsGuard, wsGuard as default }
