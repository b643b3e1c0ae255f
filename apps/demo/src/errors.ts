import createError from '@fastify/error'

/** The configuration can not be used; the message names the variables. Exits the process. */
export const InvalidConfig = createError<[string]>('WSA_DEMO_ERR_CONFIG', 'Invalid configuration: %s')

/** HTTP 401: no session, or one that expired or was logged out. */
export const NotAuthenticated = createError<[]>('WSA_DEMO_ERR_NOT_AUTHENTICATED', 'Log in first', 401)

/** HTTP 401: the name and the password do not belong together. Does not tell which of them is wrong. */
export const BadCredentials = createError<[]>('WSA_DEMO_ERR_BAD_CREDENTIALS', 'Wrong user name or password', 401)

/** HTTP 403: the session's role is not enough. */
export const Forbidden = createError<[]>('WSA_DEMO_ERR_FORBIDDEN', 'This takes the role admin', 403)

/** HTTP 429: too many requests from one address; the header `Retry-After` says when to come back. */
export const TooManyRequests = createError<[string]>('WSA_DEMO_ERR_TOO_MANY_REQUESTS', 'Too many requests: try again in %s', 429)

/** HTTP 500: anything unforeseen. The log has the cause; the client does not. */
export const InternalError = createError<[]>('WSA_DEMO_ERR_INTERNAL', 'Something went wrong', 500)
