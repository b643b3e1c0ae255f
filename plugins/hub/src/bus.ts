/** A message on the bus: plain data, of which only `topic` matters to the bus. */
export interface HubBusMessage {
  /** Where the message goes: text without wildcards, with levels between slashes. */
  topic: string
  [member: string]: unknown
}

/** Called with each message that a subscription matches; it calls `done` when it has taken the message. */
export type HubBusListener = (message: any, done: () => void) => void

/**
 * What carries messages between nodes: any mqemitter with its default separator and wildcards, or an adapter with these
 * three methods. None of them should throw, but the hub
 * survives one that does. `testHubBus` of `@fastify-airlock/hub/contract` checks all that is said here.
 *
 * - **Members** of a message are strings, numbers, booleans and one `payload`, a `Uint8Array` of any bytes and any
 *   length, 0 included. They arrive with the same type and value; the payload may arrive as a `Buffer`.
 * - **Topics** consist of letters, digits, `%`, `_`, `.`, `:`, `-` and `/`. Levels are what stands between slashes; a
 *   level may be empty, and `a/`, `a` and `/a` are different topics. A topic has at most 100 levels.
 * - **Patterns**: `+` matches one level, also an empty one; `#` matches all levels from there on, also none, so `a/#`
 *   matches `a`, `a/` and `a/b`. Each stands for a whole level, and `#` is always the last one.
 * - **Reach**: a message goes to all matching subscriptions of all nodes, those of its sender included. The hub
 *   finds out in this way whether the bus works.
 * - **Order**: messages of one node on one topic arrive in the order in which they were emitted. The hub drops one that
 *   comes after a later one. Between topics and between nodes any order will do.
 * - **Duplicates** are allowed: the hub takes each message once.
 * - **Loss** is allowed while a bus has no connection. The bus need not keep anything; what it keeps may arrive late.
 */
export interface HubBus {
  /**
   * Subscribes to a topic or a pattern. The same listener is never given twice.
   *
   * @param callback called without arguments once the subscription is confirmed: from then on, each message that any
   * node emits arrives. Before that, messages may arrive or not. If the bus cannot subscribe it does not call back; the hub
   * subscribes again after the next loss; until then `busReady()` waits, and the bus counts as down from the second beat on.
   * A bus may confirm before it has its first
   * connection: the hub counts the bus as up only when it has received its own message
   */
  on (topic: string, listener: HubBusListener, callback?: () => void): unknown
  /**
   * Sends a message to all nodes.
   *
   * @param callback called with an error if the bus could not take the message, which is lost then. The hub does not
   * need to be called when it could
   */
  emit (message: HubBusMessage, callback?: (error?: Error | null) => void): unknown
  /** Ends one subscription, now or soon. Other listeners of the same topic keep theirs. */
  removeListener (topic: string, listener: HubBusListener, callback?: () => void): unknown
  /**
   * Tells the hub at once when the connection is lost and when it is back. Without it, the hub finds out by its beats.
   * Called once, when the hub starts.
   */
  watch? (listener: (state: 'lost' | 'back') => void): unknown
}
