import createError from '@fastify/error'

/** HTTP 401: the request has no `X-Api-Key`, or a wrong one. */
export const InvalidKey = createError<[]>('WSA_UPSTREAM_ERR_KEY', 'A valid X-Api-Key is required', 401)

/** The configuration cannot be used; the message names the variables. The process exits. */
export const InvalidConfig = createError<[string]>('WSA_UPSTREAM_ERR_CONFIG', 'Invalid configuration: %s', 500)
