import { createError } from '@fastify/error'

/** 500: an option of the plugin is unknown or has the wrong type. */
export const WSA_HUB_ERR_OPTION = createError<'WSA_HUB_ERR_OPTION', [string]>('WSA_HUB_ERR_OPTION', 'Invalid hub option: %s', 500, TypeError)

/** 500: `add` was called with an identity whose `subject` is not a non-empty string. */
export const WSA_HUB_ERR_INVALID_SUBJECT = createError(
  'WSA_HUB_ERR_INVALID_SUBJECT', 'The subject of a connection must be a non-empty string', 500, TypeError
)

/** 500: `add` was called again for the same connection, with another subject. */
export const WSA_HUB_ERR_SUBJECT_CHANGED = createError(
  'WSA_HUB_ERR_SUBJECT_CHANGED', 'The connection was added for another subject', 500
)

/** 500: `join`, `leave` or `requestJoin` was called for an open socket that was never added. */
export const WSA_HUB_ERR_UNKNOWN_SOCKET = createError(
  'WSA_HUB_ERR_UNKNOWN_SOCKET', 'The socket was not added to the hub', 500
)

/** 500: a topic is empty, or longer than 256 bytes or 64 levels; or, with `wildcard`, it is not a pattern. */
export const WSA_HUB_ERR_INVALID_TOPIC = createError(
  'WSA_HUB_ERR_INVALID_TOPIC', 'Not a valid topic or pattern', 500, TypeError
)

/** 500: a connection has joined `maxTopicsPerConnection` topics and cannot join another. */
export const WSA_HUB_ERR_TOO_MANY_TOPICS = createError(
  'WSA_HUB_ERR_TOO_MANY_TOPICS', 'The connection has joined as many topics as it may', 500, RangeError
)

/** 500: `reauthorize` was called with neither a subject nor a topic. */
export const WSA_HUB_ERR_NO_SELECTION = createError(
  'WSA_HUB_ERR_NO_SELECTION', 'Name a subject or a topic', 500, TypeError
)

/** 500: the data has no JSON form. `cause` is what `JSON.stringify` threw, if it threw. */
export const WSA_HUB_ERR_INVALID_DATA = createError(
  'WSA_HUB_ERR_INVALID_DATA', 'The data has no JSON form', 500, TypeError
)

/** 500: the message alone is larger than `maxBufferedBytes`, so no connection could take it. */
export const WSA_HUB_ERR_DATA_SIZE = createError<'WSA_HUB_ERR_DATA_SIZE', [number, number]>(
  'WSA_HUB_ERR_DATA_SIZE', 'A message of %d bytes is more than the %d that a connection may have waiting', 500, RangeError
)

/** 500: a message with a filter would have to go to other nodes, which a function cannot. */
export const WSA_HUB_ERR_FILTER = createError(
  'WSA_HUB_ERR_FILTER', 'A filter cannot reach other nodes: say local: true, or publish to a topic', 500, TypeError
)

/** 500: an order of another plugin has no name, or is longer than 16 KiB. */
export const WSA_HUB_ERR_INVALID_ORDER = createError<'WSA_HUB_ERR_INVALID_ORDER', [string]>(
  'WSA_HUB_ERR_INVALID_ORDER', 'Invalid order: %s', 500, TypeError
)

/**
 * 500: `tell`, `on` or `onNodes` got a wrong name, option or listener, or more data than a message may have. Nothing is sent then.
 */
export const WSA_HUB_ERR_INVALID_TELL = createError<'WSA_HUB_ERR_INVALID_TELL', [string]>(
  'WSA_HUB_ERR_INVALID_TELL', 'Invalid cluster message: %s', 500, TypeError
)

/** 500: the `timeout` of `disconnectAll`, `giveOrder`, `nodes` or `countAll` is no whole number of milliseconds from 1 to 2147483647. Nothing is done then. */
export const WSA_HUB_ERR_INVALID_TIMEOUT = createError<'WSA_HUB_ERR_INVALID_TIMEOUT', [string]>(
  'WSA_HUB_ERR_INVALID_TIMEOUT', 'Say how long to wait for other nodes: %s', 500, RangeError
)

/** 500: `disconnect` was called with a close code that must not be sent (RFC 6455, section 7.4). */
export const WSA_HUB_ERR_INVALID_CODE = createError<'WSA_HUB_ERR_INVALID_CODE', [number]>(
  'WSA_HUB_ERR_INVALID_CODE', 'Close code %s must not be sent', 500, RangeError
)

/**
 * 500: it is not clear whom `disconnect`, `evict` or `reauthorize` means: a member or an option is unknown, wrong, or missing.
 * Nothing is done then.
 */
export const WSA_HUB_ERR_INVALID_TARGET = createError<'WSA_HUB_ERR_INVALID_TARGET', [string]>(
  'WSA_HUB_ERR_INVALID_TARGET', 'Name whom it means: %s', 500, TypeError
)
