import createError from '@fastify/error'

/** An option is missing, misspelt or of the wrong type; thrown at registration and by `fastify.wsProxy()`. Never shows a value. */
export const WSA_PROXY_ERR_OPTION = createError<[string]>('WSA_PROXY_ERR_OPTION', 'Invalid option: %s', 500)

/** `@fastify/websocket` is not there yet; thrown at registration. */
export const WSA_PROXY_ERR_NO_WEBSOCKET = createError<[]>(
  'WSA_PROXY_ERR_NO_WEBSOCKET', 'Register @fastify/websocket first, at the root, and await it', 500
)

/** The handler runs on a route without the hook that dials; thrown by the handler. */
export const WSA_PROXY_ERR_NOT_DIALLED = createError<[]>(
  'WSA_PROXY_ERR_NOT_DIALLED', 'Name the dial hook of the proxy in the preValidation of its { websocket: true } route', 500
)

/** The option `headers` returned something that cannot be sent. HTTP 500, or close code 4500 after the 101. */
export const WSA_PROXY_ERR_HEADERS = createError<[]>('WSA_PROXY_ERR_HEADERS', 'The headers for the upstream cannot be sent', 500)

/** There is no connection to the upstream: name, network or TLS. HTTP 502, or close code 1014 after the 101. */
export const WSA_PROXY_ERR_UPSTREAM_UNREACHABLE = createError<[]>(
  'WSA_PROXY_ERR_UPSTREAM_UNREACHABLE', 'The upstream cannot be reached', 502
)

/** The upstream answered, but did not accept: another status than 101, another subprotocol. HTTP 502, or close code 1014. */
export const WSA_PROXY_ERR_UPSTREAM_REFUSED = createError<[]>(
  'WSA_PROXY_ERR_UPSTREAM_REFUSED', 'The upstream did not accept the connection', 502
)

/** The upstream has not accepted within `dialTimeout`. HTTP 504, or close code 1014 after the 101. */
export const WSA_PROXY_ERR_UPSTREAM_TIMEOUT = createError<[]>(
  'WSA_PROXY_ERR_UPSTREAM_TIMEOUT', 'The upstream did not answer in time', 504
)

/** The server shuts down while the upstream is dialled. HTTP 503, or close code 1012 after the 101. */
export const WSA_PROXY_ERR_CLOSING = createError<[]>('WSA_PROXY_ERR_CLOSING', 'The server is shutting down', 503)

/** The client left while the upstream was dialled: nobody sees this answer, but hooks and logs do. */
export const WSA_PROXY_ERR_CLIENT_GONE = createError<[]>('WSA_PROXY_ERR_CLIENT_GONE', 'The client has gone', 400)
