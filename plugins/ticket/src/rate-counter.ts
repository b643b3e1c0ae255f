/**
 * Counts how often each subject asks for tickets, over all nodes: `route.rateLimit.counter`. `testTicketRateCounter` of
 * `@fastify-airlock/ticket/contract` checks all that is said here.
 *
 * - **At once**: a call is one step. Of two nodes that ask for the last ticket of a window at the same time, one gets it.
 * - **Time** is that of the counter alone; the clocks of nodes may differ.
 * - **Failure**: a call rejects. Until the counter is back, each node keeps to the limit by itself.
 */
export interface TicketRateCounter {
  /**
   * Counts a request. A window begins with the first request, and what is refused counts as well.
   *
   * @param subject any text
   * @param max requests in a window
   * @param timeWindow the window, in milliseconds
   * @returns 0 where the request is one of the first `max` of its window, else how long that window lasts yet, in milliseconds
   */
  take (subject: string, max: number, timeWindow: number): Promise<number>
}

/** How the limit over all nodes is, and what it has done. */
export interface TicketRateState {
  /** `'down'` while the counter does not answer: then the limit of this node alone applies. */
  state: 'up' | 'down'
  /** Requests that were within the limit. */
  taken: number
  /** Requests that were refused. */
  refused: number
  /** Questions without an answer. */
  failed: number
}
