import type { Closer, Misuse, Sweep, Sweepable } from '@fastify-airlock/core'
import type { ProxySettings } from './options.js'
import type { TlsSettings } from './tls.js'

/** Something that has to happen in time. */
export interface Deadline extends Sweepable {
  /** Called when the time is over. */
  expire (): void
}

/** An attempt to connect to an upstream. */
export interface Attempt {
  /** Gives up: nobody waits any more, or nobody may. */
  cancel (error: Error): void
}

/** What all proxies of a server share. */
export interface SharedState {
  /** Holds every deadline. */
  readonly sweep: Sweep<Deadline>
  /** Attempts that are under way. */
  readonly dialling: Set<Attempt>
  /** Those of all proxies: what they close has a bound of its own once the server has closed. */
  readonly closers: Closer[]
  /** Number of open connections to upstreams. */
  open: number
}

/** What the connections of one proxy share. */
export interface ProxyContext extends ProxySettings {
  readonly shared: SharedState
  readonly closer: Closer
  readonly misuse: Misuse
  /** Options for `ws`. */
  readonly client: Partial<TlsSettings> & { maxPayload: number, closeTimeout: number, autoPong: boolean, perMessageDeflate: false }
}
