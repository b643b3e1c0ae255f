import type { PresenceUser } from './types.js'

/** What a user shows of itself. */
export interface State {
  /** When it was set: later than every state that the node knew of then. */
  readonly at: number
  readonly value: unknown
}

/** A user in a topic, as one node has it. */
export interface Entry {
  /** Connections; 0 for one who may come back within the grace. */
  readonly connections: number
  readonly state: State | undefined
}

/** An {@link Entry}, and the node that it is of. */
export interface NodeEntry extends Entry {
  readonly node: string
}

/**
 * What all nodes together say of a user, in whatever order they are heard: the connections add up, the latest state counts. That of one
 * who may come back counts where no connection that is there has one.
 *
 * @returns `undefined` where no node has the user
 */
export function combine (subject: string, entries: Iterable<NodeEntry>): PresenceUser | undefined {
  let latest: NodeEntry | undefined
  let connections = 0
  let isThere = false
  for (const entry of entries) {
    isThere = true
    connections += entry.connections
    if (entry.state !== undefined && (latest === undefined || isBefore(latest, entry))) latest = entry
  }
  if (!isThere) return undefined
  return { subject, connections: Math.max(connections, 1), ...(latest !== undefined && { state: (latest.state as State).value }) }
}

function isBefore (one: NodeEntry, other: NodeEntry): boolean {
  const [here, there] = [one.connections > 0, other.connections > 0]
  if (here !== there) return there
  const [earlier, later] = [(one.state as State).at, (other.state as State).at]
  return earlier < later || (earlier === later && one.node < other.node)
}
