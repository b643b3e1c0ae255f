/** The subprotocol that an Airlock server selects in the 101 response. */
export const SUBPROTOCOL = 'airlock.v1'

/**
 * Prefix of the subprotocol value that carries a ticket: a client offers `['airlock.v1', 'ticket.<ticket>']`. The server
 * never selects such a value, so it never echoes the ticket. The Kubernetes API server takes bearer tokens in the same
 * form.
 */
export const TICKET_PROTOCOL_PREFIX = 'ticket.'

/** Prefix of the subprotocol value that carries a JWT, on routes that accept a JWT on the upgrade. */
export const BEARER_PROTOCOL_PREFIX = 'bearer.'

/** Default name of the query parameter and of the cookie that carry a ticket. */
export const TICKET_PARAMETER = 'ticket'

/** A ticket is 32 bytes of a CSPRNG in base64url without padding: 43 characters. */
export const TICKET_PATTERN = /^[\w-]{43}$/

/** Default life of a ticket, in seconds. */
export const TICKET_TTL_S = 30

/** The same, in milliseconds. */
export const TICKET_TTL_MS = TICKET_TTL_S * 1_000

/** Largest control message (`auth`, `refresh`), in bytes of UTF-8. A longer frame is never parsed. */
export const MAX_CONTROL_BYTES = 8 * 1024

/** Frames that a server keeps from a client that sends before `auth_ok`. It closes with 4413 when one more arrives. */
export const MAX_EARLY_FRAMES = 16

/** Bytes that a server keeps from a client that sends before `auth_ok`. It closes with 4413 when more arrive. */
export const MAX_EARLY_BYTES = 64 * 1024

/** Longest close reason, in bytes of UTF-8 (RFC 6455, section 5.5: 125 bytes, less two for the code). */
export const MAX_REASON_BYTES = 123

/** Time that a client has for its `auth` message after the 101, in milliseconds. */
export const AUTH_TIMEOUT_MS = 5_000

/** Time that a peer has to answer a close frame before the server terminates it, in milliseconds. */
export const CLOSE_TIMEOUT_MS = 2_000

/** Time in which what was sent before a close frame, and the frame itself, have to go out, in milliseconds. */
export const FLUSH_TIMEOUT_MS = 120_000

/** Time that an application has to listen while messages wait that a server no longer reads, in milliseconds. */
export const LISTEN_TIMEOUT_MS = 10_000

/** Fraction of a token's life after which the server sends `expiring`. */
export const EXPIRING_AT = 0.8

/** Time between a token's expiry and the close with 4401, in milliseconds. */
export const EXPIRY_GRACE_MS = 25_000

/** Silence after which a server sends `alive` to a client that has asked for it, in milliseconds. */
export const ALIVE_INTERVAL_MS = 25_000

/** A server's sign of life, byte for byte. */
export const ALIVE_MESSAGE = '{"type":"alive"}'

/** Time beyond the interval that a client waits for a sign of life before it gives up the socket, in milliseconds. */
export const ALIVE_GRACE_MS = 10_000
