import createError from '@fastify/error'

/** The request has no `X-Api-Key`, or a wrong one. */
export const InvalidKey = createError<[]>('WSA_UPSTREAM_ERR_KEY', 'A valid X-Api-Key is required', 401)

/** An environment variable cannot be used; thrown when the configuration is read. The message names it. */
export const InvalidConfig = createError<[string]>('WSA_UPSTREAM_ERR_CONFIG', 'Invalid configuration: %s', 500)
