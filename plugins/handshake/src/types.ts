import type { JwtOptions, VerifiedToken, WsIdentity } from '@fastify-airlock/core'
import type { ProtocolUser } from '@fastify-airlock/protocol'
import type { WebSocket, WebsocketHandler } from '@fastify/websocket'
import type {
  FastifyInstance, FastifyRequest, RawRequestDefaultExpression, RawServerDefault, RouteGenericInterface
} from 'fastify'

/** A request whose client has authenticated: `wsIdentity` is never `null`. */
export type AuthenticatedRequest<Route extends RouteGenericInterface = RouteGenericInterface> =
  FastifyRequest<Route> & { wsIdentity: WsIdentity }

/**
 * The application's handler: called once per connection, after `auth_ok`, with the Fastify instance of the route as
 * `this`. While a promise that it returned is pending, frames wait until it listens for `message`. One that throws or
 * rejects is logged and closes the connection with 4500.
 */
export type WsHandler<Route extends RouteGenericInterface = RouteGenericInterface> =
  (this: FastifyInstance, socket: WebSocket, request: AuthenticatedRequest<Route>) => unknown

/**
 * Makes the handler of a `{ websocket: true }` route. Nothing reaches `handler` before the first frame proved who the
 * client is; what the client sends meanwhile waits.
 *
 * @param options override those of the registration, one by one
 * @throws `WSA_HANDSHAKE_ERR_OPTION` for a wrong option, or where there is nothing to verify tokens with
 * @throws `WSA_HANDSHAKE_ERR_NOT_WEBSOCKET` (HTTP 500) from the handler, on a route that is not a WebSocket route
 */
export type WsHandshake = <Route extends RouteGenericInterface = RouteGenericInterface>(
  handler: WsHandler<Route>,
  options?: WsHandshakeOptions
) => WebsocketHandler<RawServerDefault, RawRequestDefaultExpression, Route>

/** Options of the plugin, which are the defaults of its routes, and of each `wsHandshake(handler, options)`. */
export interface WsHandshakeOptions {
  /**
   * How tokens are verified: keys, algorithms, issuer, audience. A route's object replaces that of the registration.
   * @default those of @fastify/jwt
   */
  jwt?: JwtOptions
  /**
   * Time from the upgrade to `auth_ok`, in milliseconds; it covers the client's silence as well as slow hooks.
   * Over it: 4408.
   * @default 5000
   */
  authTimeout?: number
  /**
   * Largest `auth` or `refresh` frame, in bytes. A larger first frame is refused unparsed with 4400; a larger later one
   * is the application's.
   * @default 8192
   */
  maxAuthBytes?: number
  /**
   * Frames kept for a client that sends before the handler listens. One more: 4413.
   * @default 16
   */
  maxEarlyFrames?: number
  /**
   * Bytes of payload kept for a client that sends before the handler listens. One more: 4413.
   * @default 65536
   */
  maxEarlyBytes?: number
  /**
   * Time a refused peer has to answer the close frame before it is cut off, in milliseconds.
   * @default 2000
   */
  closeTimeout?: number
  /**
   * Share of a token's life, `iat` (else the moment it was shown) to `exp`, after which `expiring` is sent. Above 0,
   * at most 1.
   * @default 0.8
   */
  expiringAt?: number
  /**
   * Time between a token's expiry and the close with 4401, in milliseconds. Messages flow meanwhile; 0 for none.
   * @default 25000
   */
  expiryGrace?: number
  /**
   * Time that each `refresh` takes from a client's allowance of 20, in milliseconds: as many at once, then one per
   * interval; more closes with 4429. Each costs the server a signature check and an answer.
   * @default 1000
   */
  refreshInterval?: number
  /**
   * Unauthenticated sockets that one client address (IPv6 by /64) may hold at once. One more: 4429. A route that gives
   * its own number counts its own sockets only. Without an address (`injectWS`, a Unix socket) nothing is counted.
   * @default 256
   */
  pendingPerAddress?: number
  /**
   * Whether a token that is good in itself was taken back. Anything but `false` refuses with 4403; throwing, 4500.
   * @default no token is
   */
  isRevoked?: (token: VerifiedToken, request: FastifyRequest) => boolean | Promise<boolean>
  /**
   * Whether this client may use this route. Anything but `true` refuses with 4403; throwing, 4500. The identity is the
   * one to be: on a refresh it has the new claims, while `request.wsIdentity` still has those in force. Members
   * added to it are kept.
   * @default every authenticated client may
   */
  authorize?: (identity: WsIdentity, request: FastifyRequest) => boolean | Promise<boolean>
  /**
   * Whether the client may send this message, asked right before the handler sees it. Anything but `true`, a promise
   * too, closes with 4403; throwing, 4500.
   * @default every message may pass
   */
  authorizeMessage?: (identity: WsIdentity, data: Buffer, isBinary: boolean, request: FastifyRequest) => boolean
  /**
   * Claims whose values a refresh must not add to. A value is a string or an array; `scope` is split at spaces
   * (RFC 8693, section 4.2).
   * @default ['scope', 'role', 'roles', 'groups', 'entitlements'] (RFC 9068, section 2.2.3)
   */
  scopeClaims?: string[]
  /**
   * What `auth_ok` tells the client of itself.
   * @default identity => ({ id: identity.subject })
   */
  describeUser?: (identity: WsIdentity) => ProtocolUser
  /**
   * Announces each authenticated connection to `fastify.wsHub` where there is one: anything with
   * `add(socket, identity)`.
   * @default true
   */
  hub?: boolean
}

declare module 'fastify' {
  interface FastifyInstance {
    wsHandshake: WsHandshake
  }
}
