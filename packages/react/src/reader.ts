import { IDLE, type Follower, type SocketStore } from './store.js'
import type { AirlockSocket, Snapshot, SocketHandlers } from './types.js'

/**
 * What one component has to do with a socket. It remembers which properties the component has read, and tells React of
 * a change of those only. Reading during a render adds to a set and does nothing else, so a render that is repeated or
 * thrown away does no harm.
 */
export class Reader<In = unknown, Out = unknown> implements Follower<In> {
  handlers: SocketHandlers<In> | null = null
  readonly #store: SocketStore<In, Out>
  readonly #reads = new Set<keyof Snapshot>()
  #notify: (() => void) | undefined

  constructor (store: SocketStore<In, Out>) {
    this.#store = store
  }

  /** Takes the handlers of a render that was committed, or `null` when the component goes. */
  handle (handlers: SocketHandlers<In> | null): void {
    this.handlers = handlers
  }

  /** For `useSyncExternalStore`. */
  readonly subscribe = (notify: () => void): () => void => {
    this.#notify = notify
    return this.#store.follow(this)
  }

  /** For `useSyncExternalStore`. */
  readonly getSnapshot = (): Snapshot<In, Out> => this.#store.snapshot

  /** For `useSyncExternalStore`: the same on the server and while its HTML is hydrated. */
  readonly getServerSnapshot = (): Snapshot<In, Out> => IDLE

  changed (before: Snapshot<In>, after: Snapshot<In>): void {
    for (const name of this.#reads) {
      if (!Object.is(before[name], after[name])) return this.#notify?.()
    }
  }

  /** A snapshot that takes note of what is read of it. */
  view (snapshot: Snapshot<In, Out>): AirlockSocket<In, Out> {
    const reads = this.#reads
    const { send, close, reconnect } = this.#store
    return {
      get status () { reads.add('status'); return snapshot.status },
      get user () { reads.add('user'); return snapshot.user },
      get error () { reads.add('error'); return snapshot.error },
      get lastMessage () { reads.add('lastMessage'); return snapshot.lastMessage },
      get connection () { reads.add('connection'); return snapshot.connection },
      send,
      close,
      reconnect
    }
  }
}
