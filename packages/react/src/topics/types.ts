import type { AirlockError } from '@fastify-airlock/client'
import type { Position, Published, PublishOptions, SubscribeOptions, Subscription, TopicMessage } from '@fastify-airlock/client/topics'

/**
 * Options of {@link useTopic}: what a subscriber listens to, as in the client. The functions of the last render are called, so
 * they may be written inline. None is called after the component has unmounted.
 */
export interface UseTopicOptions<T = unknown> extends SubscribeOptions<T> {}

/** The state of a topic. It is replaced, never modified. */
export interface TopicSnapshot<T = unknown> {
  /** `idle`: there is no topic or no connection, or nothing has started; `subscribing` also while the connection is lost; `closed`: over. */
  readonly status: 'idle' | Subscription['status']
  /** The last message; `undefined` before the first. */
  readonly lastMessage: TopicMessage<T> | undefined
  /** The last position known. */
  readonly position: Position | undefined
  /** Whether the last reconnection missed nothing; `undefined` before there was one. */
  readonly recovered: boolean | undefined
  /** What ended it. */
  readonly error: AirlockError | null
}

/** A topic as a component sees it. The component renders again only when a property changes that it has read. */
export interface Topic<T = unknown> extends TopicSnapshot<T> {
  /** Publishes to the topic, as `publish` of the connection does. Never changes. Rejects with `WSA_CLIENT_ERR_CLOSED` while idle. */
  readonly publish: (data: unknown, options?: PublishOptions) => Promise<Published>
}
