import { createError } from '@fastify/error'

/** An option is missing, misspelled or of the wrong type. Thrown at registration and by `fastify.wsGuard()`. */
export const WSA_GUARD_ERR_OPTION = createError<'WSA_GUARD_ERR_OPTION', [string]>('WSA_GUARD_ERR_OPTION', 'Invalid option: %s', 500)
