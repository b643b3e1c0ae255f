import type { AirlockError } from '../errors.js'
import type { Connection } from '../types.js'

/** A place in the history of a topic. Opaque to the application, which may keep it and pass it back as `since`. */
export interface Position {
  /** Another one means that the history began anew. */
  readonly epoch: string
  /** Grows by one with each publication of the epoch. */
  readonly offset: number
}

/** A message of a topic. */
export interface TopicMessage<T = unknown> {
  readonly data: T
  /** Where it stands; `undefined` where the topic keeps no history. */
  readonly position: Position | undefined
}

/** What `onSubscribed` is told. */
export interface SubscribedEvent {
  /** Where the subscriber stands once it has got what it missed; `undefined` where the topic keeps no history. */
  readonly position: Position | undefined
  /**
   * `true`: nothing was missed; what was published meanwhile follows. `false`: messages are lost, so what is known of the
   * topic is out of date. `undefined`: the subscription has just begun, without a `since`.
   */
  readonly recovered: boolean | undefined
}

/** What `load` is told. */
export interface LoadContext {
  readonly topic: string
  /** Failed tries of this snapshot, from 0. */
  readonly attempt: number
  /** Aborted when the snapshot is no longer wanted: the subscription has ended, or more messages were missed meanwhile. */
  readonly signal: AbortSignal
}

/** What a subscriber listens to. Every part may be left out. */
export interface TopicHandlers<T = unknown> {
  /** Called for each message, in the order of the topic, once. */
  onMessage?: ((message: TopicMessage<T>) => void) | undefined
  /** The subscription holds, for the first time or again after a reconnection, or messages were lost on the way. */
  onSubscribed?: ((event: SubscribedEvent) => void) | undefined
  /**
   * Gets the state that the messages change: called when the subscription begins and whenever messages were missed.
   * Messages that come meanwhile are held back until it has answered, at most `iteratorLimit` of them. When it returns a
   * `position` (that of the last publication in the snapshot), messages up to there are left out. When it throws, it is
   * called again with back-off, unless the error has a `status` that refuses for good (401, 403, 404, ...): that ends the
   * subscription.
   */
  load?: ((context: LoadContext) => unknown) | undefined
  /**
   * The server has refused or ended the subscription, the connection is over, or too many messages waited for the snapshot.
   * Not called after `unsubscribe()`.
   */
  onEnd?: ((error: AirlockError) => void) | undefined
}

/** Options of {@link TopicsConnection.subscribe}. */
export interface SubscribeOptions<T = unknown> extends TopicHandlers<T> {
  /**
   * A position that the application has kept: what was published after it comes first. It counts for the first subscriber
   * of a topic; one that joins others gets `recovered: false`.
   * @default undefined, what is published from now on
   */
  since?: Position | undefined
}

/** A subscriber of a topic, over all the sockets that it takes to keep it. */
export interface Subscription<T = unknown> extends AsyncIterable<TopicMessage<T>> {
  readonly topic: string
  /** `subscribing` also while the connection is lost. */
  readonly status: 'subscribing' | 'subscribed' | 'closed'
  /** The last position known. */
  readonly position: Position | undefined
  /** What ended it; `null` while it lives and after `unsubscribe()`. */
  readonly error: AirlockError | null
  /** Ends it. Other subscribers of the topic stay. */
  unsubscribe (): void
}

/** What a publication got. */
export interface Published {
  /** Where it stands; `undefined` where the topic keeps no history. */
  readonly position: Position | undefined
}

/** Options of {@link TopicsConnection.publish}. */
export interface PublishOptions {
  /**
   * Time limit for the acknowledgement, over all reconnections, in milliseconds.
   * @default 30000
   */
  timeout?: number | undefined
}

/** A connection that has topics. */
export interface TopicsConnection<In = unknown, Out = unknown> extends Connection<In, Out> {
  /**
   * Subscribes, now or when the connection is open, and again after each reconnection from where it stood. Subscribers of
   * one topic share one subscription on the wire. For `for await`, leave the listener out, or give `load` alone: messages
   * wait, at most `iteratorLimit`; beyond that the iteration throws `WSA_CLIENT_ERR_OVERFLOW` and the subscription ends.
   *
   * An error is also an `error` event of the connection, which it does not end.
   *
   * On a connection that is over it has ended at once, with the error of the connection.
   *
   * @throws {@link AirlockError} `WSA_CLIENT_ERR_OPTIONS` when the topic has more than 256 characters
   * @example
   * connection.subscribe('news', ({ data }) => { show(data) })
   * for await (const { data, position } of connection.subscribe('news')) show(data)
   */
  subscribe<T = unknown> (topic: string, listener?: ((message: TopicMessage<T>) => void) | SubscribeOptions<T>): Subscription<T>
  /**
   * Publishes, now or when the connection is open, and again after a reconnection, until the server has acknowledged it: it
   * is taken once, if `timeout` is not longer than the time for which the server knows it (two minutes by default). One publication of a topic is under way at a time, so that their order holds.
   *
   * Rejects with an {@link AirlockError}:
   * - `WSA_CLIENT_ERR_TOPIC_REFUSED`: it is not published; `reason` says why
   * - `WSA_CLIENT_ERR_UNCERTAIN`: the time limit has passed, or the connection is over, and it may be published or not
   * - `WSA_CLIENT_ERR_TIMEOUT`: the time limit has passed before it was sent
   * - `WSA_CLIENT_ERR_CLOSED`: the connection was over before it was sent
   * - `WSA_CLIENT_ERR_TOPICS_OFF`: the server has no topics
   * - `WSA_CLIENT_ERR_QUEUE_FULL`: more publications wait than `queue` of the options allows
   *
   * @param data any JSON value; read before the call returns
   */
  publish (topic: string, data: unknown, options?: PublishOptions): Promise<Published>
}
