import createError from '@fastify/error'

/** 500: the plugin was registered with an option that it does not know or understand. */
export const WSA_HUB_ERR_OPTION = createError<[string]>('WSA_HUB_ERR_OPTION', 'Invalid hub option: %s', 500, TypeError)

/** 500: `add` was called with an identity whose `subject` is not a non-empty string. */
export const WSA_HUB_ERR_INVALID_SUBJECT = createError(
  'WSA_HUB_ERR_INVALID_SUBJECT', 'The subject of a connection must be a non-empty string', 500, TypeError
)

/** 500: `add` was called again for a connection, with another subject. */
export const WSA_HUB_ERR_SUBJECT_CHANGED = createError(
  'WSA_HUB_ERR_SUBJECT_CHANGED', 'The connection belongs to another subject already', 500
)

/** 500: `join`, `leave` or `requestJoin` was called for an open socket that was never added. */
export const WSA_HUB_ERR_UNKNOWN_SOCKET = createError(
  'WSA_HUB_ERR_UNKNOWN_SOCKET', 'The socket was not added to the hub', 500
)

/** 500: a topic is empty, longer than 256 bytes or 64 levels, or no pattern although `wildcard` says so. */
export const WSA_HUB_ERR_INVALID_TOPIC = createError(
  'WSA_HUB_ERR_INVALID_TOPIC', 'Not a topic that can be joined or published to', 500, TypeError
)

/** 500: a connection was to join more topics than `maxTopicsPerConnection`. */
export const WSA_HUB_ERR_TOO_MANY_TOPICS = createError(
  'WSA_HUB_ERR_TOO_MANY_TOPICS', 'The connection has joined as many topics as it may', 500, RangeError
)

/** 500: the data has no JSON form; `cause` is what `JSON.stringify` threw, where it did. */
export const WSA_HUB_ERR_INVALID_DATA = createError(
  'WSA_HUB_ERR_INVALID_DATA', 'The data has no JSON form', 500, TypeError
)

/** 500: the message alone is larger than `maxBufferedBytes`, so that no connection could take it. */
export const WSA_HUB_ERR_DATA_SIZE = createError<[number, number]>(
  'WSA_HUB_ERR_DATA_SIZE', 'A message of %d bytes is more than the %d that a connection may have waiting', 500, RangeError
)

/** 500: a message with a filter was to go to other nodes, which a function cannot. */
export const WSA_HUB_ERR_FILTER = createError(
  'WSA_HUB_ERR_FILTER', 'A filter cannot reach other nodes: say local: true, or publish to a topic', 500, TypeError
)

/** 500: `disconnect` was called with a close code that must not be sent (RFC 6455, section 7.4). */
export const WSA_HUB_ERR_INVALID_CODE = createError<[number]>(
  'WSA_HUB_ERR_INVALID_CODE', 'Not a close code that can be sent: %s', 500, RangeError
)
