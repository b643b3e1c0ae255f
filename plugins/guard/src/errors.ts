import createError from '@fastify/error'

/** An option is missing, misspelt or of the wrong type; thrown at registration and by `fastify.wsGuard()`. */
export const WSA_GUARD_ERR_OPTION = createError<[string]>('WSA_GUARD_ERR_OPTION', 'Invalid option: %s', 500)
