import { AirlockError, type Connection } from '@fastify-airlock/client'
import type { PublishOptions, Published, SubscribeOptions, Subscription, TopicsConnection, Position } from '@fastify-airlock/client/topics'
import type { Topic, TopicSnapshot } from './types.js'

/** The state before there is a subscription, and on a server. */
export const IDLE: TopicSnapshot<never> = Object.freeze({
  status: 'idle', lastMessage: undefined, position: undefined, recovered: undefined, error: null
})

/**
 * Holds the subscription of one component, and tells React only of what the component has read. The client subscribes in a
 * microtask: StrictMode's simulated unmount takes one of two subscribers away before.
 */
export class TopicStore<T = unknown> {
  snapshot: TopicSnapshot<T> = IDLE
  /** Those of the last render; none once the component has unmounted. */
  options: SubscribeOptions<T> = {}
  #connection: TopicsConnection | undefined
  #topic = ''
  /** Where the component stood in the topic before its connection was replaced. */
  #since: Position | undefined
  readonly #reads = new Set<keyof TopicSnapshot>()
  #notify: (() => void) | undefined

  /** For `useSyncExternalStore`. */
  readonly follow = (notify: () => void): () => void => {
    this.#notify = notify
    return () => { this.#notify = undefined }
  }

  /** For `useSyncExternalStore`. */
  readonly getSnapshot = (): TopicSnapshot<T> => this.snapshot

  /** For `useSyncExternalStore`: on a server, and while its HTML is hydrated. */
  readonly getServerSnapshot = (): TopicSnapshot<T> => IDLE

  /** See {@link Topic.publish}. */
  readonly publish = async (data: unknown, options?: PublishOptions): Promise<Published> => {
    if (this.#connection === undefined) throw new AirlockError('WSA_CLIENT_ERR_CLOSED', 'There is no topic, or no connection')
    return await this.#connection.publish(this.#topic, data, options)
  }

  /**
   * Subscribes.
   *
   * @returns a function that ends it
   * @throws {Error} when the connection has no topics
   */
  start (connection: Connection | null, topic: string | null): (() => void) | undefined {
    if (topic !== this.#topic) this.#since = undefined
    // It is kept while there is no connection.
    if (connection === null || topic === null) return
    const since = this.#since
    this.#since = undefined
    if (!('subscribe' in connection)) throw new Error('useTopic needs a connection with topics: that of TopicsProvider, or connect: connectTopics')
    const store = this
    this.#connection = connection as TopicsConnection
    this.#topic = topic
    const subscription: Subscription<T> = this.#connection.subscribe<T>(topic, {
      since: since ?? this.options.since,
      get load () { return store.options.load },
      onMessage: message => {
        this.#set({ lastMessage: message, position: subscription.position })
        this.options.onMessage?.(message)
      },
      onSubscribed: event => {
        this.#set({ status: 'subscribed', ...event })
        this.options.onSubscribed?.(event)
      },
      onEnd: error => {
        this.#set({ status: 'closed', error })
        this.options.onEnd?.(error)
      }
    })
    this.#set({ ...IDLE, status: 'subscribing' })
    const stop = connection.on('status', () => { this.#set({ status: subscription.status }) })
    return () => {
      stop()
      this.#since = subscription.position
      subscription.unsubscribe()
      this.#connection = undefined
      this.#set(IDLE)
    }
  }

  /** Returns a snapshot that records which of its properties are read. */
  view (snapshot: TopicSnapshot<T>): Topic<T> {
    const reads = this.#reads
    const { publish } = this
    return {
      get status () { reads.add('status'); return snapshot.status },
      get lastMessage () { reads.add('lastMessage'); return snapshot.lastMessage },
      get position () { reads.add('position'); return snapshot.position },
      get recovered () { reads.add('recovered'); return snapshot.recovered },
      get error () { reads.add('error'); return snapshot.error },
      publish
    }
  }

  #set (change: Partial<TopicSnapshot<T>>): void {
    const before = this.snapshot
    this.snapshot = { ...before, ...change }
    for (const name of this.#reads) {
      if (!Object.is(before[name], this.snapshot[name])) return this.#notify?.()
    }
  }
}
