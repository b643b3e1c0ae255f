import type { AddressPool, Closer, Sweep } from '@fastify-airlock/core'
import type { Check } from './check.js'
import type { ResolvedOptions } from './options.js'
import type { Session } from './session.js'
import type { WsHandler } from './types.js'

/** What the connections of one route share. */
export interface Route {
  readonly options: ResolvedOptions
  readonly check: Check
  readonly handler: WsHandler
  readonly closer: Closer
  /** Counts unauthenticated connections. */
  readonly pool: AddressPool
  /** Holds the one deadline of each connection. */
  readonly sweep: Sweep<Session>
}
