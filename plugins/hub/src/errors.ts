import createError from '@fastify/error'

/** `WSA_HUB_ERR_INVALID_OPTION` (500): the plugin was registered with an option that it does not know or understand. */
export const InvalidOptionError = createError('WSA_HUB_ERR_INVALID_OPTION', 'Invalid option: %s', 500, TypeError)

/** `WSA_HUB_ERR_INVALID_SUBJECT` (500): `add` was called with an identity whose `subject` is not a non-empty string. */
export const InvalidSubjectError = createError(
  'WSA_HUB_ERR_INVALID_SUBJECT', 'The subject of a connection must be a non-empty string', 500, TypeError
)

/** `WSA_HUB_ERR_SUBJECT_CHANGED` (500): `add` was called again for a connection, with another subject. */
export const SubjectChangedError = createError(
  'WSA_HUB_ERR_SUBJECT_CHANGED', 'The connection belongs to another subject already', 500
)

/** `WSA_HUB_ERR_UNKNOWN_SOCKET` (500): `join` or `leave` was called for an open socket that was never added. */
export const UnknownSocketError = createError(
  'WSA_HUB_ERR_UNKNOWN_SOCKET', 'The socket was not added to the hub', 500
)

/** `WSA_HUB_ERR_INVALID_DATA` (500): the data has no JSON form; `cause` is what `JSON.stringify` threw, where it did. */
export const InvalidDataError = createError(
  'WSA_HUB_ERR_INVALID_DATA', 'The data has no JSON form', 500, TypeError
)

/** `WSA_HUB_ERR_INVALID_CODE` (500): `disconnect` was called with a close code that must not be sent (RFC 6455, section 7.4). */
export const InvalidCodeError = createError(
  'WSA_HUB_ERR_INVALID_CODE', 'Not a close code that can be sent: %s', 500, RangeError
)
