import createError from '@fastify/error'

/** An option is missing or wrong; thrown at registration and by `fastify.wsHandshake()`. The message names it. */
export const WSA_HANDSHAKE_ERR_OPTION = createError<[string]>('WSA_HANDSHAKE_ERR_OPTION', 'Invalid option: %s', 500)

/**
 * There is no WebSocket to shake hands with: `@fastify/websocket` is not there, came after the route, was registered in
 * another scope, or the route lacks `websocket: true`. Left alone, such a route answers an upgrade as plain HTTP.
 */
export const WSA_HANDSHAKE_ERR_NOT_WEBSOCKET = createError(
  'WSA_HANDSHAKE_ERR_NOT_WEBSOCKET',
  'Not a WebSocket route: register @fastify/websocket at the root and await it before any route, and declare the route with { websocket: true }',
  500
)
