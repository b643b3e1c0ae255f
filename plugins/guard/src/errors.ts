import { createError } from '@fastify/error'

/** An option is missing, misspelled or of the wrong type. Thrown at registration and by `fastify.wsGuard()`. */
export const WSA_GUARD_ERR_OPTION = createError<'WSA_GUARD_ERR_OPTION', [string]>('WSA_GUARD_ERR_OPTION', 'Invalid option: %s', 500)

/**
 * A credential could not be checked, since a key server, a database or whatever else a hook asks gave no answer; `cause` says
 * why. HTTP 503.
 */
export class WSA_GUARD_ERR_UNAVAILABLE extends createError<'WSA_GUARD_ERR_UNAVAILABLE', [{ cause: unknown }]>(
  'WSA_GUARD_ERR_UNAVAILABLE', 'The credential cannot be checked at the moment', 503
) {
  /** Headers of the HTTP reply. */
  readonly headers = { 'retry-after': '1' }
}

/** `app.wsGuard` itself was given as a hook. Thrown when the route or the hook is declared. */
export const WSA_GUARD_ERR_NOT_CALLED = createError<'WSA_GUARD_ERR_NOT_CALLED', [string]>('WSA_GUARD_ERR_NOT_CALLED', 'Call it, app.wsGuard(): %s', 500)

/** A guard is a hook of a route that is no WebSocket route. Thrown when the route is declared. */
export const WSA_GUARD_ERR_NOT_WEBSOCKET = createError<'WSA_GUARD_ERR_NOT_WEBSOCKET', [string]>(
  'WSA_GUARD_ERR_NOT_WEBSOCKET', 'Declare the route with { websocket: true }, or give it a wsHandler: %s', 500
)

/** A guard is a hook that does not run before the upgrade, or a handler. Thrown when the route or the hook is declared. */
export const WSA_GUARD_ERR_MISPLACED = createError<'WSA_GUARD_ERR_MISPLACED', [string]>('WSA_GUARD_ERR_MISPLACED', 'Make it the preValidation: %s', 500)

/**
 * A WebSocket route has its own guard and that of its scope, or those of two scopes. The first would spend the
 * ticket, and the second refuse the client. Thrown when the second is declared, or by `fastify.ready()`.
 */
export const WSA_GUARD_ERR_TWICE = createError<'WSA_GUARD_ERR_TWICE', [string]>(
  'WSA_GUARD_ERR_TWICE', 'Have one guard for each route, since it spends the ticket: %s', 500
)

/**
 * Options that let any page act for a user with the cookies of the user's browser. Thrown by `fastify.wsGuard()`, or by
 * `fastify.ready()` if an asynchronous function decides about the Origin.
 */
export const WSA_GUARD_ERR_UNSAFE = createError<'WSA_GUARD_ERR_UNSAFE', []>(
  'WSA_GUARD_ERR_UNSAFE',
  "allowedOrigins lets every Origin in, missingOrigin is 'allow', and a credential may be a cookie: any page can act for your users. Name the origins, leave missingOrigin out, turn the cookie carrier off, or say unsafe: true",
  500
)

/** It is not clear whom `refuse` means: a member is unknown, wrong, or missing. Nobody is refused then. */
export const WSA_GUARD_ERR_INVALID_TARGET = createError<'WSA_GUARD_ERR_INVALID_TARGET', [string]>(
  'WSA_GUARD_ERR_INVALID_TARGET', 'Name whom to refuse: %s', 500, TypeError
)
