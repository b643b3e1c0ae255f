import type { WsClaims } from '@fastify-airlock/core'
import type { FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import type { CarrierOptions } from './plugin-options.js'
import type { IntrospectStats } from './stats.js'

/** What a look-up found out about a token. */
export interface Introspected {
  /** The user's id; not empty. */
  subject: string
  /**
   * What else is known of the user.
   * @default {}
   */
  claims?: WsClaims
  /**
   * When the token expires, in milliseconds since the epoch.
   * @default null
   */
  expiresAt?: number | null
}

/** The authenticator for `fastify.wsGuard({ authenticate })`. */
export interface IntrospectAuthenticator {
  /** Where the guard looks for the token. */
  carriers: { subprotocol?: string, cookie?: string, query?: string, header?: boolean }
  /**
   * @returns who it is; `null` for a token that is not valid
   * @throws `WSA_INTROSPECT_ERR_UNAVAILABLE`
   * @throws `WSA_INTROSPECT_ERR_BUSY`
   */
  authenticate (credential: string, request: FastifyRequest): Promise<Required<Introspected> | null>
}

/** What became of the connections of a subject that was re-checked. */
export interface Rechecked {
  /** Connections whose token is still good. */
  kept: number
  /** Connections that were closed, or had closed by themselves meanwhile. */
  closed: number
  /** Connections that are kept for now, since the authority could not be asked. */
  unknown: number
}

/** Tokens of an external authority. */
export interface WsIntrospect {
  /**
   * A hook (`onRequest`, `preValidation`, `preHandler`): lets a request with one good token pass and sets
   * `request.wsIdentity`. It needs no `this`.
   *
   * @throws `WSA_INTROSPECT_ERR_NO_TOKEN`
   * @throws `WSA_INTROSPECT_ERR_INVALID_TOKEN`
   * @throws `WSA_INTROSPECT_ERR_MULTIPLE_TOKENS`
   * @throws `WSA_INTROSPECT_ERR_UNAVAILABLE`
   * @throws `WSA_INTROSPECT_ERR_BUSY`
   */
  authenticate: (request: FastifyRequest) => Promise<void>

  /**
   * The same for upgrades, for `fastify.wsGuard({ authenticate: … })`.
   *
   * @param options other carriers than those of the registration
   * @throws `WSA_INTROSPECT_ERR_OPTION`
   */
  authenticator (options?: CarrierOptions): IntrospectAuthenticator

  /**
   * Re-checks an open connection until it closes: from time to time, at the token's expiry, and on {@link recheck}.
   * Its identity is brought up to date in place, unless another proof has completed it since. It is closed with 4403
   * where the token is no longer good or another subject's, 4401 where it has expired, and 1013 where the authority
   * could not be asked for `maxStale`. A second call for the same connection does nothing.
   *
   * @param request the request of its upgrade, which was authenticated here
   * @returns whether it is watched now: `false` where it is not open
   * @throws `WSA_INTROSPECT_ERR_NOT_AUTHENTICATED`
   */
  watch (socket: WebSocket, request: FastifyRequest): boolean

  /**
   * Leaves a connection alone from now on.
   *
   * @returns whether it was watched
   */
  unwatch (socket: WebSocket): boolean

  /**
   * Forgets what is known of a subject's tokens, and asks again for each of its watched connections: for whoever
   * learns that something has changed. It concerns this process only.
   *
   * @returns what became of the connections, once the authority has answered or has not
   */
  recheck (subject: string): Promise<Rechecked>

  /** Connections that are watched. */
  readonly size: number

  /** Counters since the start: one live object, for `/metrics`. */
  readonly stats: Readonly<IntrospectStats>
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Tokens of an external authority. */
    wsIntrospect: WsIntrospect
  }
}
