import type { Child } from './child.js'
import { peer } from './peers.js'
import type { Place, Spec } from './server.js'

/** How much is measured. */
export interface Sizes {
  rounds: number
  warmUp: number
  /** Handshakes, or refusals of one kind, of one peer in one round. */
  handshakes: number
  /** Connections whose memory is measured, and how often. */
  idle: number
  idleRounds: number
  /** Milliseconds that they rest before. */
  rest: number
  /** Milliseconds after which no verified token is remembered any more; 0 where nobody waits for that. */
  forget: number
  /** Connections that get a broadcast, and how many messages of 128 bytes an echo round has. */
  receivers: number
  messages: number
  /** Connections when the event loop is watched, and how often. */
  crowd: number
  crowdRounds: number
  /** Clients of a storm, and how often it comes. */
  storm: number
  storms: number
  /** Handshakes of a new process. */
  first: number
  firstRounds: number
}

/** Another revision that this one is compared with. */
export interface Against { revision: string, tree: string }

/** What a row is measured with. */
export interface Context extends Place {
  sizes: Sizes
  /** Produces the load of most rows. */
  generator: Child
  against: Against | undefined
  /** Peers that `bench:full` adds where clients come in: scripts and programs. */
  others: Spec[]
  /** Starts a Redis at the first call. @returns its URL, or why there is none */
  redis (): Promise<{ url: string } | { skip: string }>
}

/**
 * The peers of a row. Against a revision only those of airlock are left, each beside its own past.
 */
export function specsOf (context: Context, labels: readonly string[], others = false): Spec[] {
  const { against } = context
  const specs = labels.map(peer)
  if (against === undefined) return others ? [...specs, ...context.others] : specs
  return beside(specs.filter(({ variant }) => variant === 'airlock'), against)
}

/** Each of them, and the same of another revision. */
export function beside (specs: Spec[], { revision, tree }: Against): Spec[] {
  return specs.flatMap(spec => [{ ...spec, label: `${spec.label} at ${revision}`, tree }, spec])
}
