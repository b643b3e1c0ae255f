import { createError } from '@fastify/error'

/** 500: an option of the plugin, or of a store, is unknown or has the wrong type. */
export const WSA_TOPICS_ERR_OPTION = createError<'WSA_TOPICS_ERR_OPTION', [string]>('WSA_TOPICS_ERR_OPTION', 'Invalid option for topics: %s', 500, TypeError)

/** 500: there is no hub, or it is of another version. Register `@fastify-airlock/hub` before. */
export const WSA_TOPICS_ERR_NO_HUB = createError('WSA_TOPICS_ERR_NO_HUB', 'There is no wsHub: register @fastify-airlock/hub first, and await it', 500)

/** 500: the hub has a plugin for topics already, in this or another scope. */
export const WSA_TOPICS_ERR_REGISTERED_TWICE = createError('WSA_TOPICS_ERR_REGISTERED_TWICE', 'The hub has topics already: register the plugin once for each hub', 500)

/** 500: a topic is empty, or longer than 256 bytes or 64 levels. */
export const WSA_TOPICS_ERR_INVALID_TOPIC = createError('WSA_TOPICS_ERR_INVALID_TOPIC', 'Not a valid topic', 500, TypeError)

/** 500: the data has no JSON form. `cause` is what `JSON.stringify` threw, if it threw. */
export const WSA_TOPICS_ERR_INVALID_DATA = createError('WSA_TOPICS_ERR_INVALID_DATA', 'The data has no JSON form', 500, TypeError)

/** 500: an option of `publish` is unknown or wrong. Nothing is published then. */
export const WSA_TOPICS_ERR_INVALID_PUBLICATION = createError<'WSA_TOPICS_ERR_INVALID_PUBLICATION', [string]>(
  'WSA_TOPICS_ERR_INVALID_PUBLICATION', 'Invalid publication: %s', 500, TypeError
)

/** 500: a publication with a `filter` would be kept, or go to other nodes, where no function can be asked. */
export const WSA_TOPICS_ERR_FILTER = createError(
  'WSA_TOPICS_ERR_FILTER', 'A filter reaches neither the history nor other nodes: say history: false and local: true, or publish to a topic of its own', 500, TypeError
)

/** 409: another publication with this `id` was published to the topic within `publishWindow`. */
export const WSA_TOPICS_ERR_CONFLICT = createError('WSA_TOPICS_ERR_CONFLICT', 'Another publication has this id', 409)

/**
 * 503: the store could not be asked, or had no answer within `storeTimeout`: it is not known whether the publication was kept. Publish
 * again, with the same `id`.
 */
export const WSA_TOPICS_ERR_UNAVAILABLE = createError('WSA_TOPICS_ERR_UNAVAILABLE', 'The store of topics is not available', 503)

/** 500: `accept` was called for a socket that is not in the hub. */
export const WSA_TOPICS_ERR_UNKNOWN_SOCKET = createError('WSA_TOPICS_ERR_UNKNOWN_SOCKET', 'The socket was not added to the hub', 500)

/** 500: a store was used after it was closed. */
export const WSA_TOPICS_ERR_STORE_CLOSED = createError('WSA_TOPICS_ERR_STORE_CLOSED', 'The store of topics is closed', 500)

/** 503: a store has no room for more ids of publications. */
export const WSA_TOPICS_ERR_STORE_FULL = createError('WSA_TOPICS_ERR_STORE_FULL', 'The store of topics is full', 503)
