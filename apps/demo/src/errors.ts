import createError from '@fastify/error'

/** The configuration cannot be used; the message names the variables. The process exits. */
export const InvalidConfig = createError<[string]>('WSA_DEMO_ERR_CONFIG', 'Invalid configuration: %s')

/** HTTP 401: there is no session, or it expired or was logged out. */
export const NotAuthenticated = createError<[]>('WSA_DEMO_ERR_NOT_AUTHENTICATED', 'Log in first', 401)

/** HTTP 401: the name and the password do not match. The message does not say which of them is wrong. */
export const BadCredentials = createError<[]>('WSA_DEMO_ERR_BAD_CREDENTIALS', 'Wrong user name or password', 401)

/** HTTP 403: the route requires the role `admin`. */
export const Forbidden = createError<[]>('WSA_DEMO_ERR_FORBIDDEN', 'This requires the role admin', 403)

/** HTTP 404: the user has no such session, or it is over. */
export const NoSession = createError<[]>('WSA_DEMO_ERR_NO_SESSION', 'There is no such session', 404)

/** HTTP 429: too many requests from one address; the header `Retry-After` says when to try again. */
export const TooManyRequests = createError<[string]>('WSA_DEMO_ERR_TOO_MANY_REQUESTS', 'Too many requests: try again in %s', 429)

/** HTTP 500: an unexpected error. Only the log has the cause. */
export const InternalError = createError<[]>('WSA_DEMO_ERR_INTERNAL', 'Something went wrong', 500)

/** HTTP 503: the authority of external tokens is away, or refuses this client; `cause` says why. `Retry-After` says when to try again. */
export const ExternalUnavailable = createError<[{ cause: unknown }]>('WSA_DEMO_ERR_EXTERNAL_UNAVAILABLE', 'The authority of external tokens is not available', 503)

/** HTTP 404: no answer is kept for this attempt: it was not refused, or more than a minute ago, or by a node that cannot be reached. */
export const NoRefusal = createError<[]>('WSA_DEMO_ERR_NO_REFUSAL', 'No answer is kept for this attempt', 404)

/** HTTP 503: the page is not built. */
export const NoPage = createError<[]>('WSA_DEMO_ERR_NO_PAGE', 'The page is not built: npm run build', 503)

/** HTTP 403: a page of another origin requests what only this server's own page may have. */
export const ForeignOrigin = createError<[]>('WSA_DEMO_ERR_ORIGIN', 'Pages of another origin may not do this', 403)

/** HTTP 502: the upstream's API cannot be reached. */
export const UpstreamUnreachable = createError<[{ cause: unknown }]>('WSA_DEMO_ERR_UPSTREAM_UNREACHABLE', 'The upstream cannot be reached', 502)

/** HTTP 504: the upstream's API did not answer in time. */
export const UpstreamTimeout = createError<[{ cause: unknown }]>('WSA_DEMO_ERR_UPSTREAM_TIMEOUT', 'The upstream did not answer in time', 504)
