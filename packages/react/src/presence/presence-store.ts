import type { Connection } from '@fastify-airlock/client'
import type { Presence, PresenceConnection, PresenceView } from '@fastify-airlock/client/presence'
import type { WhoIsThere } from './types.js'

/**
 * Holds what one component knows of who is there. The client asks the server in a microtask: StrictMode's simulated unmount takes one of
 * two listeners away before.
 */
export class PresenceStore<State = unknown> {
  #presence: Presence<State> | undefined
  #topic: string | null = null
  /** What the component has set, for the next connection. */
  #state: State | null = null
  #notify: (() => void) | undefined
  readonly #idle: WhoIsThere<State>
  #snapshot: WhoIsThere<State>

  constructor () {
    const set = (state: State | null): void => {
      this.#state = state
      this.#presence?.set(state)
    }
    this.#snapshot = this.#idle = { status: 'idle', users: [], total: 0, error: null, set }
  }

  /** For `useSyncExternalStore`. */
  readonly follow = (notify: () => void): () => void => {
    this.#notify = notify
    return () => { this.#notify = undefined }
  }

  /** For `useSyncExternalStore`. */
  readonly getSnapshot = (): WhoIsThere<State> => this.#snapshot

  /** For `useSyncExternalStore`: on a server, and while its HTML is hydrated. */
  readonly getServerSnapshot = (): WhoIsThere<State> => this.#idle

  /**
   * Begins to watch.
   *
   * @returns a function that ends it
   * @throws {Error} when the connection does not know who is there
   */
  start (connection: Connection | null, topic: string | null): (() => void) | undefined {
    if (topic !== this.#topic) this.#state = null
    this.#topic = topic
    if (connection === null || topic === null) return
    if (!('presence' in connection)) throw new Error('usePresence needs a connection that knows who is there: that of PresenceProvider, or connect: connectPresence')
    const presence = this.#presence = (connection as PresenceConnection).presence<State>(topic, view => this.#show(view))
    if (this.#state !== null) presence.set(this.#state)
    this.#show(presence.view)
    return () => {
      this.#presence = undefined
      presence.leave()
      this.#snapshot = this.#idle
      this.#notify?.()
    }
  }

  #show (view: PresenceView<State>): void {
    this.#snapshot = { ...view, set: this.#idle.set }
    this.#notify?.()
  }
}
