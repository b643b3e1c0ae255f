import { wsGuard } from './plugin.js'

export type { Carriers } from '@fastify-airlock/core'
// For `declare module '@fastify-airlock/guard'`: package managers that do not hoist hide core from the application.
export type * from '@fastify-airlock/core/identity'
// For subscribers of the audit trail, for the same reason.
export type * from '@fastify-airlock/core/audit'
// Every application with the guard needs it, and has no other reason to depend on core.
export {
  type AllowedOrigin, asksForWebSocket, createOriginCheck, identityOf, limitServer, type OriginCheck, type RunningServerLimits, type Scheme,
  schemeOf, type ServerLimits, serverOptions, type ServerOptionsInput, websocketOptions
} from '@fastify-airlock/core'
export type { AuthenticateFunction, Authenticated, Authenticator, CredentialCheck, CredentialCheckFactory } from './authenticator.js'
export * from './errors.js'
export type { GuardCutEvent, GuardExpireEvent, GuardRefuseEvent } from './events.js'
export { jwt, type JwtAuthenticatorOptions } from './jwt-authenticator.js'
export { logSerializers, notFoundHandler, redactUrl, SECRET_PARAMETERS } from './logging.js'
export { guardScope } from './scope.js'
export { redactLogs, type RedactLogsOptions } from './redact-logs.js'
export type { ConnectRate, GuardOptions, GuardPluginOptions } from './options.js'
export { ticket, type TicketAuthenticatorOptions } from './ticket-authenticator.js'
export * from './types.js'
export { wsGuard, wsGuard as default }
