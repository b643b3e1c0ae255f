import type { Closer, Sweep, Sweepable } from '@fastify-airlock/core'
import type { Dial } from './dial.js'
import type { Settings, TlsOptions } from './options.js'

/** Something that has to be done in time. */
export interface Deadline extends Sweepable {
  /** The time is over. */
  expire (): void
}

/** What all proxies of a server share. */
export interface Shared {
  /** Holds every deadline. */
  readonly sweep: Sweep<Deadline>
  readonly dialling: Set<Dial>
  /** Connections to upstreams that are open. */
  open: number
}

/** What the connections of one proxy share. */
export interface Route extends Settings {
  readonly shared: Shared
  readonly closer: Closer
  /** What `ws` is told. */
  readonly client: Partial<TlsOptions> & { maxPayload: number, closeTimeout: number, autoPong: boolean, perMessageDeflate: false }
}
