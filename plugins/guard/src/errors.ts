import createError from '@fastify/error'

/** An option is missing, misspelt or of the wrong type. Thrown at registration. */
export const WSA_GUARD_ERR_OPTION = createError<[string]>('WSA_GUARD_ERR_OPTION', 'Invalid guard option: %s', 500)

/** 400: the request is no WebSocket upgrade (RFC 6455, section 4.2.1). */
export const WSA_GUARD_ERR_NOT_UPGRADE = createError<[string]>('WSA_GUARD_ERR_NOT_UPGRADE', 'Not a WebSocket upgrade: %s', 400)

/** 400: no offered subprotocol is one that the route speaks, or the list is malformed. */
export const WSA_GUARD_ERR_SUBPROTOCOL = createError<[string]>('WSA_GUARD_ERR_SUBPROTOCOL', 'Subprotocol: %s', 400)

/** 400: more than one credential on one upgrade. */
export const WSA_GUARD_ERR_MULTIPLE_CREDENTIALS = createError('WSA_GUARD_ERR_MULTIPLE_CREDENTIALS', 'Send exactly one credential', 400)

/** 401: no credential on any carrier that the route reads. */
export const WSA_GUARD_ERR_NO_CREDENTIAL = createError('WSA_GUARD_ERR_NO_CREDENTIAL', 'A credential is required', 401)

/** 401: the credential is unknown, used, expired, revoked or forged; which of these is not told. */
export const WSA_GUARD_ERR_INVALID_CREDENTIAL = createError('WSA_GUARD_ERR_INVALID_CREDENTIAL', 'The credential is not valid', 401)

/** 403: the Origin is not allowed, or missing where one is needed (RFC 6455, section 10.2). */
export const WSA_GUARD_ERR_ORIGIN = createError('WSA_GUARD_ERR_ORIGIN', 'Origin not allowed', 403)

/** 429: one client address has too many upgrades under way. */
export const WSA_GUARD_ERR_TOO_MANY = createError('WSA_GUARD_ERR_TOO_MANY', 'Too many upgrades under way from this address', 429)

/** 503: the upgrade took too long. */
export const WSA_GUARD_ERR_TIMEOUT = createError('WSA_GUARD_ERR_TIMEOUT', 'The upgrade took too long', 503)

/** 503: the server is shutting down. */
export const WSA_GUARD_ERR_CLOSING = createError('WSA_GUARD_ERR_CLOSING', 'The server is shutting down', 503)

/** Sets the headers that Fastify sends with an error reply. */
function withHeaders<E extends Error> (error: E, headers: Record<string, string>): E {
  return Object.assign(error, { headers })
}

/**
 * Refusals without a variable part, made once: an attacker decides how often one is thrown, and a stack trace would
 * be most of its cost.
 */
export const refusals = {
  multipleCredentials: new WSA_GUARD_ERR_MULTIPLE_CREDENTIALS(),
  // RFC 9110, section 11.6.1: a 401 names a challenge.
  noCredential: withHeaders(new WSA_GUARD_ERR_NO_CREDENTIAL(), { 'www-authenticate': 'Bearer' }),
  invalidCredential: withHeaders(new WSA_GUARD_ERR_INVALID_CREDENTIAL(), { 'www-authenticate': 'Bearer error="invalid_token"' }),
  origin: new WSA_GUARD_ERR_ORIGIN(),
  tooMany: withHeaders(new WSA_GUARD_ERR_TOO_MANY(), { 'retry-after': '1' }),
  method: new WSA_GUARD_ERR_NOT_UPGRADE('the method is not GET'),
  // RFC 9110, section 15.5.22 and RFC 6455, section 4.4: say what would be accepted.
  upgrade: withHeaders(new WSA_GUARD_ERR_NOT_UPGRADE('Upgrade: websocket is missing'), { upgrade: 'websocket' }),
  key: new WSA_GUARD_ERR_NOT_UPGRADE('Sec-WebSocket-Key is missing or malformed'),
  version: withHeaders(new WSA_GUARD_ERR_NOT_UPGRADE('Sec-WebSocket-Version is not 13'), { 'sec-websocket-version': '13' }),
  extensions: new WSA_GUARD_ERR_NOT_UPGRADE('Sec-WebSocket-Extensions is malformed or unacceptable'),
  protocolsMalformed: new WSA_GUARD_ERR_SUBPROTOCOL('Sec-WebSocket-Protocol is malformed'),
  protocolsUnknown: new WSA_GUARD_ERR_SUBPROTOCOL('none of the offered is spoken here')
} as const
