import createError from '@fastify/error'

/** The configuration cannot be used; the message names the variables. The process exits. */
export const InvalidConfig = createError<[string]>('WSA_AUTHORITY_ERR_CONFIG', 'Invalid configuration: %s')
