import type { WsClaims, WsIdentity } from '@fastify-airlock/core'
import type { FastifyInstance, FastifyRequest, preValidationAsyncHookHandler, preValidationHookHandler } from 'fastify'
import type { Carriers } from './credentials.js'
import type { AllowedOrigin } from './origin.js'

/** What an authenticator found out; the guard makes `request.wsIdentity` of it. */
export interface Authenticated extends Pick<WsIdentity, 'subject'> {
  /** @default {} */
  claims?: WsClaims
  /**
   * When the credential expires, in milliseconds since the epoch.
   * @default null
   */
  expiresAt?: number | null
}

/** Judges a credential that the guard found on one of its carriers. */
export interface Authenticator {
  /** Where the credential may be. */
  carriers: Carriers
  /**
   * @returns who it is; `null` refuses with 401
   * @throws an error, whose `statusCode` and `headers` are sent, where it could not find out
   */
  authenticate (credential: string, request: FastifyRequest): Authenticated | null | Promise<Authenticated | null>
  /**
   * Whether it is certain, without using anything up, that nobody has such a credential. Asked before the router, with
   * `refuseBeforeRouting`. Must answer at once and never throw.
   */
  isUnknown? (credential: string): boolean
}

/** An authenticator that is made when a route names it, and may look at the instance's decorators then. */
export interface AuthenticatorFactory {
  prepare (fastify: FastifyInstance): Authenticator
}

/** Any way of the app's own. It finds its credential by itself. */
export type AuthenticateFunction = (request: FastifyRequest) => Authenticated | null | Promise<Authenticated | null>

/** How an upgrade is authenticated. */
export type Authenticate = Authenticator | AuthenticatorFactory | AuthenticateFunction

/** Options of one guard. */
export interface GuardOptions {
  /**
   * One way, or several that are tried in order until one accepts. A bad credential that was sent on purpose never
   * falls back on a cookie that came along.
   * @default ticket()
   */
  authenticate?: Authenticate | Authenticate[]
  /**
   * Origins that may connect: `https://app.example.com`, `https://*.example.com`, or a function.
   * @default the host that was asked
   */
  allowedOrigins?: AllowedOrigin[]
  /**
   * What to do without an Origin header, which browsers always send: `'allow'`, `'deny'`, or `'auto'`, which denies
   * it where the credential is a cookie.
   * @default 'auto'
   */
  missingOrigin?: 'auto' | 'allow' | 'deny'
  /**
   * Subprotocols that the route speaks; the first one that the client offers is selected.
   * @default ['airlock.v1']
   */
  protocols?: string[]
  /**
   * Whether refusals run the route's `onSend` hooks. They go out as constant bytes otherwise, which takes the server half
   * the time. `onResponse` hooks and the log lines come either way, and an answer to which another hook has added a header
   * goes through Fastify in any case.
   * @default false
   */
  refusalHooks?: boolean
}

/**
 * A preValidation hook that admits an upgrade or refuses it before any 101. Fastify calls it with a callback, so that an
 * upgrade takes no turn of the event loop that it does not need; a hook of your own may call it without and await it.
 */
export type GuardHook = preValidationHookHandler & preValidationAsyncHookHandler

/** Options at registration: defaults for every guard, and the limits of the TCP-level guard. */
export interface GuardPluginOptions extends GuardOptions {
  /**
   * Time from the upgrade request to the 101, in milliseconds; then 503 and the socket is closed.
   * @default 10000
   */
  upgradeTimeout?: number
  /**
   * Upgrades that one client address (`request.ip`; IPv6 by /64) may have under way at once on guarded routes; one
   * more gets 429.
   * @default 256
   */
  pendingPerAddress?: number
  /**
   * Whether upgrades that are wrong at first sight are refused before Fastify's router: a bad opening handshake, a foreign
   * Origin, no credential, several, or one that is certainly unknown. It is half the work of a refusal, and the price is
   * that no hook runs for it, a rate limit's included, and no "incoming request" line is logged. It applies where the
   * guard is the first `preValidation` of a route without parameters and constraints. Leave it off with `rewriteUrl`.
   * @default false
   */
  refuseBeforeRouting?: boolean
}

/** `fastify.wsGuard` */
export interface WsGuard {
  /**
   * Makes a preValidation hook that admits an upgrade or refuses it before any 101.
   *
   * @throws WSA_GUARD_ERR_OPTION
   */
  (options?: GuardOptions): GuardHook
  /** Upgrades under way on this server, guarded or not. */
  readonly pending: number
}

declare module 'fastify' {
  interface FastifyInstance {
    wsGuard: WsGuard
  }
}
