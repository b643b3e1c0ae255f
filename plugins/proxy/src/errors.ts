import { createError } from '@fastify/error'

/** An option is missing, misspelled or wrong. Thrown at registration and by `fastify.wsProxy()`; the message never shows a value. */
export const WSA_PROXY_ERR_OPTION = createError<'WSA_PROXY_ERR_OPTION', [string]>('WSA_PROXY_ERR_OPTION', 'Invalid option: %s', 500)

/** `@fastify/websocket` is not registered yet. Thrown at registration. */
export const WSA_PROXY_ERR_NO_WEBSOCKET = createError<'WSA_PROXY_ERR_NO_WEBSOCKET', []>(
  'WSA_PROXY_ERR_NO_WEBSOCKET', 'Register @fastify/websocket first, at the root, and await it', 500
)

/** The route does not name the hook that dials. Thrown by the handler. */
export const WSA_PROXY_ERR_NOT_DIALLED = createError<'WSA_PROXY_ERR_NOT_DIALLED', []>(
  'WSA_PROXY_ERR_NOT_DIALLED', 'Name the dial hook of the proxy in the preValidation of its { websocket: true } route', 500
)

/** `app.wsProxy` itself was given to a route. Thrown when the route is declared. */
export const WSA_PROXY_ERR_NOT_CALLED = createError<'WSA_PROXY_ERR_NOT_CALLED', [string]>('WSA_PROXY_ERR_NOT_CALLED', 'Call it, app.wsProxy(options): %s', 500)

/** A proxy is a hook, or its `dial` is no hook that runs before the upgrade. Thrown when the route or the hook is declared. */
export const WSA_PROXY_ERR_MISPLACED = createError<'WSA_PROXY_ERR_MISPLACED', [string]>(
  'WSA_PROXY_ERR_MISPLACED', 'Make the proxy the handler, and its dial the last preValidation: %s', 500
)

/** The option `headers` has returned something that cannot be sent. HTTP 500, or close code 4500 after the 101. */
export const WSA_PROXY_ERR_HEADERS = createError<'WSA_PROXY_ERR_HEADERS', []>('WSA_PROXY_ERR_HEADERS', 'The headers for the upstream cannot be sent', 500)

/** The upstream cannot be reached: its name, the network or TLS failed. HTTP 502, or close code 1014 after the 101. */
export const WSA_PROXY_ERR_UPSTREAM_UNREACHABLE = createError<'WSA_PROXY_ERR_UPSTREAM_UNREACHABLE', []>(
  'WSA_PROXY_ERR_UPSTREAM_UNREACHABLE', 'The upstream cannot be reached', 502
)

/** The upstream has answered with a status other than 101 or with another subprotocol. HTTP 502, or close code 1014. */
export const WSA_PROXY_ERR_UPSTREAM_REFUSED = createError<'WSA_PROXY_ERR_UPSTREAM_REFUSED', []>(
  'WSA_PROXY_ERR_UPSTREAM_REFUSED', 'The upstream did not accept the connection', 502
)

/** The upstream has not accepted within `dialTimeout`. HTTP 504, or close code 1014 after the 101. */
export const WSA_PROXY_ERR_UPSTREAM_TIMEOUT = createError<'WSA_PROXY_ERR_UPSTREAM_TIMEOUT', []>(
  'WSA_PROXY_ERR_UPSTREAM_TIMEOUT', 'The upstream did not answer in time', 504
)

/** The server shuts down while the upstream is being dialled. HTTP 503, or close code 1012 after the 101. */
export const WSA_PROXY_ERR_CLOSING = createError<'WSA_PROXY_ERR_CLOSING', []>('WSA_PROXY_ERR_CLOSING', 'The server is shutting down', 503)

/** The client has left while the upstream was being dialled. Only hooks and logs see this error. */
export const WSA_PROXY_ERR_CLIENT_GONE = createError<'WSA_PROXY_ERR_CLIENT_GONE', []>('WSA_PROXY_ERR_CLIENT_GONE', 'The client has gone', 400)
