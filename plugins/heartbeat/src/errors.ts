import { createError } from '@fastify/error'

/** 500: an option of the plugin is unknown, of the wrong type or out of range. */
export const WSA_HEARTBEAT_ERR_OPTION = createError<'WSA_HEARTBEAT_ERR_OPTION', [string]>(
  'WSA_HEARTBEAT_ERR_OPTION', 'Invalid heartbeat option: %s', 500, TypeError
)

/** 500: `@fastify/websocket`, whose connections the plugin watches, is not registered. */
export const WSA_HEARTBEAT_ERR_NO_WEBSOCKET = createError<'WSA_HEARTBEAT_ERR_NO_WEBSOCKET', []>(
  'WSA_HEARTBEAT_ERR_NO_WEBSOCKET', 'Register @fastify/websocket first, at the root, and await it', 500
)
