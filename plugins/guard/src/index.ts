import { wsGuard } from './plugin.js'

export type { Carriers } from '@fastify-airlock/core'
// Every application with the guard needs it, and has no other reason to depend on core.
export { websocketOptions } from '@fastify-airlock/core'
export type { AuthenticateFunction, Authenticated, Authenticator, CredentialCheck, CredentialCheckFactory } from './authenticator.js'
export * from './errors.js'
export type { GuardExpireEvent, GuardRefuseEvent } from './events.js'
export { jwt, type JwtAuthenticatorOptions } from './jwt-authenticator.js'
export { logSerializers, notFoundHandler, redactUrl, SECRET_PARAMETERS } from './logging.js'
export type { GuardOptions, GuardPluginOptions } from './options.js'
export { type AllowedOrigin, createOriginCheck, type OriginCheck } from './origin.js'
export { ticket, type TicketAuthenticatorOptions } from './ticket-authenticator.js'
export * from './types.js'
export { wsGuard, wsGuard as default }
