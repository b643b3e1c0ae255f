import { createError } from '@fastify/error'

/** 500: an option is unknown or of the wrong type. The options of a part are checked by its own plugin. */
export const WSA_AIRLOCK_ERR_OPTION = createError<'WSA_AIRLOCK_ERR_OPTION', [string]>('WSA_AIRLOCK_ERR_OPTION', 'Invalid option: %s', 500, TypeError)

/** 500: the plugin, or a part that was given options, is registered already. */
export const WSA_AIRLOCK_ERR_ALREADY_REGISTERED = createError<'WSA_AIRLOCK_ERR_ALREADY_REGISTERED', [string]>(
  'WSA_AIRLOCK_ERR_ALREADY_REGISTERED', 'Already registered: %s', 500
)

/** 500: a part needs another one that is neither registered nor to be registered. */
export const WSA_AIRLOCK_ERR_MISSING_PART = createError<'WSA_AIRLOCK_ERR_MISSING_PART', [string]>('WSA_AIRLOCK_ERR_MISSING_PART', 'A part is missing: %s', 500)

/** 500: a route of `wsRoute` would have neither a guard nor a handshake. */
export const WSA_AIRLOCK_ERR_NO_DOOR = createError<'WSA_AIRLOCK_ERR_NO_DOOR', [string]>(
  'WSA_AIRLOCK_ERR_NO_DOOR', 'Anybody could use the route %s: leave it the guard or the handshake, or declare it with app.get()', 500
)

/** 500: `wsRoute` was called with the wrong arguments. */
export const WSA_AIRLOCK_ERR_ROUTE = createError<'WSA_AIRLOCK_ERR_ROUTE', [string, string]>('WSA_AIRLOCK_ERR_ROUTE', 'Invalid route %s: %s', 500, TypeError)
