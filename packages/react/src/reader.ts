import type { SocketHandlers } from './options.js'
import { IDLE, type Follower, type SocketStore } from './store.js'
import type { AirlockSocket, Snapshot } from './types.js'

/**
 * Connects one component with a socket. It remembers which properties the component has read, and tells React only when
 * one of those changes. Reading during a render only adds to a set, so React may repeat or discard a render.
 */
export class Reader<In = unknown, Out = unknown> implements Follower<In> {
  handlers: SocketHandlers<In> | null = null
  readonly #store: SocketStore<In, Out>
  readonly #reads = new Set<keyof Snapshot>()
  #notify: (() => void) | undefined

  constructor (store: SocketStore<In, Out>) {
    this.#store = store
  }

  /** Sets the handlers of a committed render, or `null` when the component unmounts. */
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

  /** For `useSyncExternalStore`: on a server, and while its HTML is hydrated. */
  readonly getServerSnapshot = (): Snapshot<In, Out> => IDLE

  changed (before: Snapshot<In>, after: Snapshot<In>): void {
    for (const name of this.#reads) {
      if (!Object.is(before[name], after[name])) return this.#notify?.()
    }
  }

  /** Returns a snapshot that records which of its properties are read. */
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
