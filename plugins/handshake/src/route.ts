import type { Closer, PendingPool, Sweep, Turnstile, WsIdentity } from '@fastify-airlock/core'
import type { WebSocket } from '@fastify/websocket'
import type { Check } from './check.js'
import type { EarlyFrames } from './early-frames.js'
import type { ResolvedOptions } from './options.js'
import type { Session } from './session.js'
import type { WsHandler } from './types.js'

/** The part of the hub's decorator that is used. */
export interface Hub {
  add (socket: WebSocket, identity: WsIdentity): unknown
}

/** What the connections of one route share. */
export interface Route {
  readonly options: ResolvedOptions
  readonly check: Check
  readonly handler: WsHandler
  /** Whether one of its hooks wants the request as long as the connection lasts. */
  readonly asksForRequest: boolean
  readonly newQueue: () => EarlyFrames
  readonly closer: Closer
  /** Counts unauthenticated connections. */
  readonly pool: PendingPool<Session>
  /** Holds the one deadline of each connection. */
  readonly sweep: Sweep<Session>
  /** Where tokens wait to be checked. */
  readonly turnstile: Turnstile
}
