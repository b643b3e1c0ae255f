import createError from '@fastify/error'

/** `WSA_HEARTBEAT_ERR_OPTION` (500): an option is unknown, of the wrong type or out of range. Thrown at registration. */
export const WSA_HEARTBEAT_ERR_OPTION = createError<[string]>(
  'WSA_HEARTBEAT_ERR_OPTION', 'Invalid heartbeat option: %s', 500, TypeError
)

/** `WSA_HEARTBEAT_ERR_NO_WEBSOCKET` (500): there is no `@fastify/websocket` yet whose connections could be watched. */
export const WSA_HEARTBEAT_ERR_NO_WEBSOCKET = createError<[]>(
  'WSA_HEARTBEAT_ERR_NO_WEBSOCKET', 'Register @fastify/websocket first, at the root, and await it', 500
)
