/** One connection, as a {@link ConnectionCounter} knows it. */
export interface CountedConnection {
  /** The user's id. */
  subject: string
  /** The id of the connection, which no other connection of any node has: letters, digits, `_`, `-` and `.`. */
  id: string
}

/** What has become of a connection that asked for a place. */
export interface PlaceAnswer {
  /**
   * Whether it has a place. `'unknown'` where the counter does not know the holder (any more): then it has forgotten all that
   * the holder had, and has done nothing.
   */
  place: 'taken' | 'refused' | 'unknown'
  /** The ids of connections that had to make room: the counter has given their places back, and they have to be closed. */
  replaced: string[]
}

/**
 * Counts the connections of each user over all nodes, for `maxConnectionsPerSubject`. Places belong to a *holder*, a name that a
 * node gives itself: it has to say again and again that it lives, or its places are free. `testConnectionCounter` of
 * `@fastify-airlock/hub/contract` checks all that is said here.
 *
 * - **At once**: each call is one step. Of two nodes that ask for the last place at the same time, one gets it.
 * - **Time** is that of the counter alone; the clocks of nodes may differ.
 * - **Loss** is allowed: a counter may forget everything. It says so at the next {@link ConnectionCounter.renew} or
 *   {@link ConnectionCounter.take}, and the node tells it again what there is.
 * - **Failure**: a call rejects. Until the counter is back, each node keeps to the limit by itself.
 */
export interface ConnectionCounter {
  /**
   * Makes a holder known, and its places count from now on.
   *
   * @param previous a holder whose places do not count any more: what this node was called before; `null` for none
   * @param life in milliseconds: without a {@link ConnectionCounter.renew} in that time, the holder is unknown again, and its
   * places are free
   */
  begin (holder: string, previous: string | null, life: number): Promise<void>
  /** @returns whether the holder is still known; then it lives for `life` milliseconds more */
  renew (holder: string, life: number): Promise<boolean>
  /**
   * Takes a place, if the user has less than `limit`. A connection that has one keeps it.
   *
   * @param replace whether the oldest connections of the user make room where there is none
   */
  take (holder: string, connection: CountedConnection, limit: number, replace: boolean): Promise<PlaceAnswer>
  /**
   * Gives connections places that are there already, whatever the limit is: the counter may have forgotten them. Called for each
   * connection every few minutes, so that what nobody tells again may be forgotten after {@link KEPT_MS}.
   *
   * @param age how long each is there, in milliseconds
   */
  keep (holder: string, connections: Array<CountedConnection & { age: number }>): Promise<void>
  /** Gives a place back, if there is one. */
  release (holder: string, connection: CountedConnection): Promise<void>
  /** Gives all places of a holder back. */
  end (holder: string): Promise<void>
}

/** How long a counter remembers a place that nobody tells it of again, in milliseconds. */
export const KEPT_MS = 30 * 60_000
