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
 * What all nodes together say of a user, in whatever order they are heard: the connections add up, the latest state counts.
 *
 * @returns `undefined` where no node has the user
 */
export function combine (subject: string, entries: Iterable<NodeEntry>): PresenceUser | undefined {
  let latest: State | undefined
  let by = ''
  let connections = 0
  let isThere = false
  for (const entry of entries) {
    isThere = true
    connections += entry.connections
    const { state, node } = entry
    if (state === undefined || (latest !== undefined && (state.at < latest.at || (state.at === latest.at && node < by)))) continue
    latest = state
    by = node
  }
  if (!isThere) return undefined
  return { subject, connections: Math.max(connections, 1), ...(latest !== undefined && { state: latest.value }) }
}
