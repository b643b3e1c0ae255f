import type { Closer, Misuse, PendingPool, Places, RateLimit, RecentOrders, SignsOfLife, Sweep, Turnstile } from '@fastify-airlock/core'
import type { Claimant, TokenCheck } from './check.js'
import type { EarlyFrames } from './early-frames.js'
import type { Deadline, Expiry } from './expiry.js'
import type { HandshakeSettings } from './options.js'
import type { WsHandler } from './types.js'

/** What the connections of one route share. */
export interface HandshakeContext {
  /** The HTTP server, of which events tell. */
  readonly server: object
  readonly settings: HandshakeSettings
  readonly check: TokenCheck
  readonly handler: WsHandler
  /** Whether a hook of the route, or the verifier, needs the request for as long as the connection is open. */
  readonly keepsRequest: boolean
  readonly newQueue: () => EarlyFrames
  readonly closer: Closer
  /** Logs what hooks return by mistake. */
  readonly misuse: Misuse
  /** Sends signs of life to those who ask; `null` if nobody gets any. */
  readonly signs: SignsOfLife | null
  /** Sockets that wait for their first frame or its check, on all routes. */
  readonly unproved: { count: number }
  /** What the server may have pending. */
  readonly places: Places
  /** Counts unauthenticated connections. */
  readonly pool: PendingPool<Claimant>
  /** Holds the one deadline of each connection. */
  readonly sweep: Sweep<Deadline>
  readonly expiry: Expiry
  readonly refreshLimit: RateLimit
  /** Who was disconnected meanwhile. */
  readonly recent: RecentOrders
  /** Tokens wait here to be checked. */
  readonly turnstile: Turnstile
}
