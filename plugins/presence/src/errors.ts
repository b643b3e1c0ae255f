import { createError } from '@fastify/error'

/** 500: an option of the plugin is unknown or has the wrong type. */
export const WSA_PRESENCE_ERR_OPTION = createError<'WSA_PRESENCE_ERR_OPTION', [string]>('WSA_PRESENCE_ERR_OPTION', 'Invalid option for presence: %s', 500, TypeError)

/** 500: there is no hub, or it is of another version. Register `@fastify-airlock/hub` before. */
export const WSA_PRESENCE_ERR_NO_HUB = createError('WSA_PRESENCE_ERR_NO_HUB', 'There is no wsHub: register @fastify-airlock/hub first, and await it', 500)

/** 500: the hub has a plugin for presence already, in this or another scope. */
export const WSA_PRESENCE_ERR_REGISTERED_TWICE = createError('WSA_PRESENCE_ERR_REGISTERED_TWICE', 'The hub has presence already: register the plugin once for each hub', 500)

/** 500: a topic is too long, has too many levels, or is none of those that `topics` and `everyone` say. */
export const WSA_PRESENCE_ERR_INVALID_TOPIC = createError('WSA_PRESENCE_ERR_INVALID_TOPIC', 'No topic whose presence is kept', 500, TypeError)

/** 500: a state has no JSON form, is larger than `maxStateBytes`, or has more than 64 levels. */
export const WSA_PRESENCE_ERR_INVALID_STATE = createError<'WSA_PRESENCE_ERR_INVALID_STATE', [string]>('WSA_PRESENCE_ERR_INVALID_STATE', 'Not a valid state: %s', 500, TypeError)

/** 500: a connection has states for as many topics as `maxTopics` allows. */
export const WSA_PRESENCE_ERR_TOO_MANY_STATES = createError('WSA_PRESENCE_ERR_TOO_MANY_STATES', 'The connection has states for as many topics as it may', 500)

/** 500: `accept` or `set` was called for a socket that is not in the hub. */
export const WSA_PRESENCE_ERR_UNKNOWN_SOCKET = createError('WSA_PRESENCE_ERR_UNKNOWN_SOCKET', 'The socket was not added to the hub', 500)
