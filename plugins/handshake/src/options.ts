import {
  callback, ignoreWarnings, type JwtOptions, jwtOptions, milliseconds, millisecondsOrOff, nonEmptyString, optionsObject, positiveInteger,
  type VerifiedToken, type WsIdentity
} from '@fastify-airlock/core'
import {
  ALIVE_INTERVAL_MS, AUTH_TIMEOUT_MS, CLOSE_TIMEOUT_MS, EXPIRING_AT, EXPIRY_GRACE_MS, FLUSH_TIMEOUT_MS, LISTEN_TIMEOUT_MS, MAX_CONTROL_BYTES,
  MAX_EARLY_BYTES, MAX_EARLY_FRAMES,
  type ProtocolUser
} from '@fastify-airlock/protocol'
import type { FastifyRequest } from 'fastify'
import * as v from 'valibot'
import { WSA_HANDSHAKE_ERR_OPTION } from './errors.js'

/** Options of the plugin, which are the defaults of its routes, and of each `wsHandshake(handler, options)`. */
export interface WsHandshakeOptions {
  /**
   * How tokens are verified: keys, algorithms, issuer, audience. A route's object replaces that of the registration.
   * @default those of @fastify/jwt
   */
  jwt?: JwtOptions
  /**
   * Time from the upgrade to `auth_ok`, and for the check of a refresh, in milliseconds. It covers a silent client as well
   * as slow hooks. A connection that takes longer is closed with 4408.
   * @default 5000
   */
  authTimeout?: number
  /**
   * Largest `auth` or `refresh` message, in bytes. A first message that grows larger is refused with 4400 before it is
   * complete; a larger later one belongs to the application. At most `maxPayload` of `@fastify/websocket`, which closes with 1009
   * before this could count.
   * @default 8192
   */
  maxAuthBytes?: number
  /**
   * Number of frames kept for a client that sends before the handler listens. Before `auth_ok`, one more closes with 4413,
   * complete or not. After it, the socket is not read any further meanwhile.
   * @default 16
   */
  maxEarlyFrames?: number
  /**
   * Bytes of payload kept for a client that sends before the handler listens, those of a message that is not complete
   * included. Before `auth_ok`, one more closes with 4413. After it, the socket is not read any further meanwhile.
   * @default 65536
   */
  maxEarlyBytes?: number
  /**
   * Time in which an asynchronous handler has to take a frame when so many wait that the socket is not read any further,
   * in milliseconds. A handler that takes none closes with 4413.
   * @default 10000
   */
  listenTimeout?: number
  /**
   * Time that a refused peer has to answer the close frame before it is cut off, in milliseconds: from the refusal where
   * nothing else waits for the peer, else from when the frame has gone out.
   * @default 2000
   */
  closeTimeout?: number
  /**
   * Time in which what waits for a peer when it is refused, and the close frame, have to go out, in milliseconds.
   * @default 120000
   */
  flushTimeout?: number
  /**
   * Share of a token's life after which `expiring` is sent, above 0 and at most 1. The life begins at `iat`, or else when
   * the token is shown, and ends at `exp`.
   * @default 0.8
   */
  expiringAt?: number
  /**
   * Time between a token's expiry and the close with 4401, in milliseconds. Messages still flow meanwhile. 0 closes at
   * once.
   * @default 25000
   */
  expiryGrace?: number
  /**
   * Time after which a client may send one more `refresh`, in milliseconds. It may send 20 at once; more closes with
   * 4429. Each costs the server a signature check and an answer.
   * @default 1000
   */
  refreshInterval?: number
  /**
   * Unauthenticated sockets that one client address (IPv6 by /64) may hold at once. One more is closed with 4429. A
   * route with a number of its own counts only its own sockets. Without an address (`injectWS`, a Unix socket) nothing
   * is counted.
   * @default 256
   */
  pendingPerAddress?: number
  /**
   * Unauthenticated sockets, and pending upgrades on guarded routes, that the server may have at once, of all addresses
   * together. One more upgrade gets 503; a socket that could not be refused before its 101 is closed with 1013. The guard
   * has this option as well: the smaller number counts. At registration only.
   * @default 10000
   */
  pendingTotal?: number
  /**
   * Whether a token that is valid in itself was revoked: `token.claims` has all claims of the JWT, such as `token.claims.sid`,
   * the session. Anything but `false` closes with 4403; an error, with 4500.
   * @default no token is
   */
  isRevoked?: (token: VerifiedToken, request: FastifyRequest) => boolean | Promise<boolean>
  /**
   * Whether this client may use this route. Anything but `true` closes with 4403; an error, with 4500. The identity is
   * the future one: on a refresh it has the new claims, while `request.wsIdentity` still has those in force. Members
   * that are added to it are kept.
   * @default every authenticated client may
   */
  authorize?: (identity: WsIdentity, request: FastifyRequest) => boolean | Promise<boolean>
  /**
   * Whether the client may send this message, asked right before the handler sees it. Anything but `true`, a promise
   * too, closes with 4403; an error, with 4500.
   * @default every message may pass
   */
  authorizeMessage?: (identity: WsIdentity, data: Buffer, isBinary: boolean, request: FastifyRequest) => boolean
  /**
   * Claims whose values a refresh must not add to. A value is a string or an array; `scope` is split at spaces
   * (RFC 8693, section 4.2).
   * @default scope, role, roles, groups, entitlements (RFC 9068, section 2.2.3), scp (Microsoft Entra, Okta), permissions (Auth0), realm_access and resource_access (Keycloak), authorities (Spring)
   */
  scopeClaims?: string[]
  /**
   * What `auth_ok` tells the client about itself.
   * @default identity => ({ id: identity.subject })
   */
  describeUser?: (identity: WsIdentity) => ProtocolUser
  /**
   * Silence after which the server sends `{"type":"alive"}` to a client that has asked for it, in milliseconds: without it,
   * a page cannot tell a silent server from a dead link. `false` tells no client.
   * @default 25000
   */
  alive?: number | false
  /**
   * Whether each authenticated connection is added to `fastify.wsHub`, if there is one: anything with
   * `add(socket, identity)`.
   * @default true
   */
  hub?: boolean
  /**
   * The claim that names the session, of tickets, JWTs and identities, for all plugins on the server: one of them is told.
   * @default 'sid' (OpenID Connect)
   */
  sessionClaim?: string
  /**
   * Codes of start-up warnings that are not logged, such as `WSA_CORE_WARN_UNPROTECTED_ROUTE`. At registration only.
   * @default []
   */
  ignoreWarnings?: string[]
}

/** The options that a route has not. */
export const REGISTRATION_ONLY = ['pendingTotal', 'ignoreWarnings'] as const

/** How many refreshes a client may send at once. */
export const REFRESH_BURST = 20

const SCOPE_CLAIMS = [
  'scope', 'role', 'roles', 'groups', 'entitlements', 'scp', 'permissions', 'realm_access', 'resource_access', 'authorities'
]

/** The schema of {@link WsHandshakeOptions}. */
export const handshakeOptions = optionsObject({
  jwt: v.optional(jwtOptions, {}),
  authTimeout: v.optional(milliseconds, AUTH_TIMEOUT_MS),
  maxAuthBytes: v.optional(positiveInteger, MAX_CONTROL_BYTES),
  maxEarlyFrames: v.optional(positiveInteger, MAX_EARLY_FRAMES),
  maxEarlyBytes: v.optional(positiveInteger, MAX_EARLY_BYTES),
  listenTimeout: v.optional(milliseconds, LISTEN_TIMEOUT_MS),
  closeTimeout: v.optional(milliseconds, CLOSE_TIMEOUT_MS),
  flushTimeout: v.optional(milliseconds, FLUSH_TIMEOUT_MS),
  expiringAt: v.optional(v.pipe(v.number(), v.gtValue(0), v.maxValue(1)), EXPIRING_AT),
  expiryGrace: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)), EXPIRY_GRACE_MS),
  refreshInterval: v.optional(milliseconds, 1_000),
  pendingPerAddress: v.optional(positiveInteger, 256),
  pendingTotal: v.optional(positiveInteger),
  isRevoked: v.optional(callback<NonNullable<WsHandshakeOptions['isRevoked']>>()),
  authorize: v.optional(callback<NonNullable<WsHandshakeOptions['authorize']>>()),
  authorizeMessage: v.optional(callback<NonNullable<WsHandshakeOptions['authorizeMessage']>>()),
  scopeClaims: v.optional(v.array(nonEmptyString), SCOPE_CLAIMS),
  // Valibot calls a default that is a function, so this one is wrapped in another.
  describeUser: v.optional(
    callback<NonNullable<WsHandshakeOptions['describeUser']>>(),
    () => ({ subject }: WsIdentity) => ({ id: subject })
  ),
  alive: v.optional(millisecondsOrOff, ALIVE_INTERVAL_MS),
  hub: v.optional(v.boolean(), true),
  sessionClaim: v.optional(nonEmptyString),
  ignoreWarnings
})

/** {@link WsHandshakeOptions} with the defaults filled in. */
export type HandshakeSettings = v.InferOutput<typeof handshakeOptions>

/**
 * Checks that no message of `maxAuthBytes` is too long for the server. The default counts as well as it can.
 *
 * @param maxPayload of the server of `@fastify/websocket`; 0 for no limit
 * @throws {@link WSA_HANDSHAKE_ERR_OPTION} when it was given, and is more
 */
export function checkMaxAuthBytes ({ maxAuthBytes = 0 }: WsHandshakeOptions, maxPayload: number | undefined): void {
  if (!maxPayload || maxAuthBytes <= maxPayload) return
  throw new WSA_HANDSHAKE_ERR_OPTION(`maxAuthBytes: Expected at most maxPayload of @fastify/websocket, ${maxPayload}, not ${maxAuthBytes}: give it a larger one, websocketOptions({ maxPayload })`)
}
