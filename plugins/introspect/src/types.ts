import type { Carriers } from '@fastify-airlock/core'
import type { FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import type { CarrierOptions } from './carriers.js'
import type { IntrospectStats } from './stats.js'
import type { Introspected } from './verdict.js'

/** The authenticator for `fastify.wsGuard({ authenticate })`. */
export interface IntrospectAuthenticator {
  /** Where the guard looks for the token. */
  carriers: Carriers
  /**
   * @returns the user; `null` for an invalid token
   * @throws {@link WSA_INTROSPECT_ERR_UNAVAILABLE} when the authority gives no reliable answer
   * @throws {@link WSA_INTROSPECT_ERR_BUSY} when too many questions wait
   * @throws {@link WSA_INTROSPECT_ERR_TOO_MANY_PENDING} when too many questions of the client's address wait
   * @throws {@link WSA_INTROSPECT_ERR_TOO_MANY_REFUSALS} when too many tokens of the client's address were refused
   * @throws {@link WSA_INTROSPECT_ERR_CLIENT_LEFT} when the client has left meanwhile
   */
  authenticate (credential: string, request: FastifyRequest): Promise<Required<Introspected> | null>
}

/** How many connections of a subject were re-checked, and with which outcome: on this node, or with a hub on all of them. */
export interface Rechecked {
  /** Connections whose token is still good. */
  kept: number
  /** Connections that were closed, or that closed by themselves meanwhile. */
  closed: number
  /** Connections that are kept for now, because the authority could not be asked. */
  unknown: number
  /** Nodes that have done it, this one included. Only there if there were others. */
  nodes?: number
}

/** Options of {@link WsIntrospect.recheck}. */
export interface RecheckOptions {
  /**
   * How long to wait for other nodes, in milliseconds.
   * @default 5000
   */
  timeout?: number
}

/** Type of `fastify.wsIntrospect`. */
export interface WsIntrospect {
  /**
   * A hook (`onRequest`, `preValidation`, `preHandler`): lets a request with one valid token pass and sets
   * `request.wsIdentity`. It needs no `this`.
   *
   * @throws {@link WSA_INTROSPECT_ERR_NO_TOKEN} when the request has no token
   * @throws {@link WSA_INTROSPECT_ERR_INVALID_TOKEN} when the authority does not confirm the token
   * @throws {@link WSA_INTROSPECT_ERR_MULTIPLE_TOKENS} when the request has several tokens, or several `Authorization`
   * @throws {@link WSA_INTROSPECT_ERR_TARGET} when the URL has a `#` or user information, or the token comes after a `;`
   * @throws {@link WSA_INTROSPECT_ERR_UNAVAILABLE} when the authority gives no reliable answer
   * @throws {@link WSA_INTROSPECT_ERR_BUSY} when too many questions wait
   * @throws {@link WSA_INTROSPECT_ERR_TOO_MANY_PENDING} when too many questions of the client's address wait
   * @throws {@link WSA_INTROSPECT_ERR_TOO_MANY_REFUSALS} when too many tokens of the client's address were refused
   * @throws {@link WSA_INTROSPECT_ERR_CLIENT_LEFT} when the client has left meanwhile
   */
  authenticate: (request: FastifyRequest) => Promise<void>

  /**
   * Does the same for upgrades: for `fastify.wsGuard({ authenticate: … })`.
   *
   * @param options override the carriers of the registration
   * @throws {@link WSA_INTROSPECT_ERR_OPTION} when an option is wrong
   */
  authenticator (options?: CarrierOptions): IntrospectAuthenticator

  /**
   * Re-checks an open connection until it closes: from time to time, at the token's expiry, and on
   * {@link WsIntrospect.recheck}. Its identity is updated in place, unless another proof has completed it since. The
   * connection is closed with 4403 when the token was revoked or belongs to another subject, with 4401 when it has
   * expired, and with 1013 when the authority could not be asked for `maxStale`. A second call for the same connection
   * does nothing.
   *
   * @param request the request of the upgrade, which was authenticated here
   * @returns whether the connection is watched now; `false` if it is not open
   * @throws {@link WSA_INTROSPECT_ERR_NOT_AUTHENTICATED} when the request was not authenticated here
   */
  watch (socket: WebSocket, request: FastifyRequest): boolean

  /**
   * The token of a request, as the authority was asked about it: without the quotes and percent signs that it was sent
   * with. To revoke it, revoke this string.
   *
   * @param request a request that was authenticated here: by `authenticate`, or an upgrade by the guard
   * @throws {@link WSA_INTROSPECT_ERR_NOT_AUTHENTICATED} when the request was not authenticated here
   */
  tokenOf (request: FastifyRequest): string

  /**
   * Stops watching a connection.
   *
   * @returns whether it was watched
   */
  unwatch (socket: WebSocket): boolean

  /**
   * Forgets what is known of a subject's tokens, and asks again for each of its watched connections. Call it when you
   * learn that something has changed. With `fastify.wsHub`, registered before or after this plugin on the same instance or
   * around it, every node of its bus does so, a node that is cut off as soon as it is back. Without a hub, this process does.
   *
   * @returns the outcome for the connections, once the authority has answered or failed, on this node and on all others
   * that are alive. What a node answers later than `timeout` is not counted
   * @throws {@link WSA_HUB_ERR_INVALID_ORDER} when there is a hub and the subject is longer than 16 KiB
   */
  recheck (subject: string, options?: RecheckOptions): Promise<Rechecked>

  /** Number of watched connections. */
  readonly size: number

  /** Counters since the start: one live object, for example for `/metrics`. */
  readonly stats: Readonly<IntrospectStats>
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Checks tokens of an external authority. */
    wsIntrospect: WsIntrospect
  }
}
