import { createError } from '@fastify/error'

/** An option is missing or wrong. Thrown at registration and by `fastify.wsHandshake()`; the message names the option. */
export const WSA_HANDSHAKE_ERR_OPTION = createError<'WSA_HANDSHAKE_ERR_OPTION', [string]>('WSA_HANDSHAKE_ERR_OPTION', 'Invalid option: %s', 500)

/**
 * The route is no WebSocket route: `@fastify/websocket` is missing, came after the route or was registered in another
 * scope, or the route lacks `websocket: true`. Without this error such a route would answer an upgrade as plain HTTP.
 */
export const WSA_HANDSHAKE_ERR_NOT_WEBSOCKET = createError(
  'WSA_HANDSHAKE_ERR_NOT_WEBSOCKET',
  'Not a WebSocket route: register @fastify/websocket at the root and await it before any route, and declare the route with { websocket: true }',
  500
)
