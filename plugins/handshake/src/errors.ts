import { createError } from '@fastify/error'

/** An option is missing or wrong. Thrown at registration and by `fastify.wsHandshake()`; the message names the option. */
export const WSA_HANDSHAKE_ERR_OPTION = createError<'WSA_HANDSHAKE_ERR_OPTION', [string]>('WSA_HANDSHAKE_ERR_OPTION', 'Invalid option: %s', 500)

/**
 * The route is no WebSocket route: `@fastify/websocket` is missing, came after the route or was registered in another
 * scope, or the route lacks `websocket: true`. Without this error such a route would answer an upgrade as plain HTTP.
 */
export class WSA_HANDSHAKE_ERR_NOT_WEBSOCKET extends createError<'WSA_HANDSHAKE_ERR_NOT_WEBSOCKET', [detail: string]>(
  'WSA_HANDSHAKE_ERR_NOT_WEBSOCKET',
  'Not a WebSocket route%s: register @fastify/websocket at the root and await it before any route, and declare the route with { websocket: true }',
  500
) {
  /** @param detail which route, if that is known */
  constructor (detail?: string) {
    super(detail === undefined ? '' : ` (${detail})`)
  }
}

/** `app.wsHandshake` itself was given to a route. Thrown when the route is declared. */
export const WSA_HANDSHAKE_ERR_NOT_CALLED = createError<'WSA_HANDSHAKE_ERR_NOT_CALLED', [string]>(
  'WSA_HANDSHAKE_ERR_NOT_CALLED', 'Call it with your handler, app.wsHandshake(handler): %s', 500
)

/**
 * The result of `fastify.wsHandshake()` is a hook, or a `wsHandler` that is never called. Thrown when the route or the hook
 * is declared.
 */
export const WSA_HANDSHAKE_ERR_MISPLACED = createError<'WSA_HANDSHAKE_ERR_MISPLACED', [string]>(
  'WSA_HANDSHAKE_ERR_MISPLACED', 'Make it the handler of a route with { websocket: true }, or the wsHandler of one without: %s', 500
)

/** It is not clear whom `refuse` means: a member is unknown, wrong, or missing. Nobody is refused then. */
export const WSA_HANDSHAKE_ERR_INVALID_TARGET = createError<'WSA_HANDSHAKE_ERR_INVALID_TARGET', [string]>(
  'WSA_HANDSHAKE_ERR_INVALID_TARGET', 'Name whom to refuse: %s', 500, TypeError
)
