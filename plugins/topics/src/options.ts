import { callback, instanceWith, isTopicPattern, milliseconds, nonEmptyString, optionsObject, parseOptions, positiveInteger, type Rate } from '@fastify-airlock/core'
import * as v from 'valibot'
import { WSA_TOPICS_ERR_OPTION } from './errors.js'
import type { TopicIdentity } from './identity.js'
import type { TopicStore } from './store.js'
import { MemoryTopicStore } from './stores/memory.js'

/** How much of a topic is kept, for clients that have missed something. */
export interface HistoryOptions {
  /** Publications that are kept at most: the newest. */
  size: number
  /** How long each is kept, in milliseconds. */
  ttl: number
}

/** What applies to the topics of a pattern. */
export interface TopicOptions {
  /**
   * What is kept of them; `false` for nothing.
   * @default false
   */
  history?: HistoryOptions | false
}

/** What a client wants to publish, as `authorizePublish` gets it. */
export interface PublishRequest {
  /** The publication's data. */
  data: unknown
  /** Its id, which the client has chosen. */
  id: string
}

/** Options of the plugin. */
export interface WsTopicsOptions {
  /**
   * What applies to topics, by name or pattern: `+` or `*` is any one level, `#` at the end any number of levels. The first
   * that fits counts. Nodes should agree.
   * @default {}
   */
  topics?: Record<string, TopicOptions>
  /**
   * Where publications are kept: one store for all nodes. The plugin closes it when the server closes; its connection stays
   * open.
   * @default new MemoryTopicStore(), for a single node
   */
  store?: TopicStore
  /**
   * Decides whether a client may publish to a topic. Anything but `true` denies. An error, and an answer that takes longer
   * than `authorizeTimeout`, is no answer: the client is told that it may try again.
   * @default denies everything
   */
  authorizePublish?: (identity: TopicIdentity, topic: string, request: PublishRequest) => boolean | Promise<boolean>
  /**
   * Time that `authorizePublish` has for an answer, in milliseconds.
   * @default 5000
   */
  authorizeTimeout?: number
  /**
   * The claim of tokens that grants topics by patterns, as in `{ "read": ["news/#"], "write": ["chat/+"] }`. What it grants is
   * not asked of `authorizeTopic` and `authorizePublish` until the token expires, or `reauthorize` or `evict` of the hub
   * concerns the topic and the token was issued before.
   * @default false
   */
  grants?: string | false
  /**
   * Topics that one connection may have subscribed to at a time. The hub's `maxTopicsPerConnection` bounds it as well.
   * @default 100
   */
  maxTopics?: number
  /**
   * Largest publication of a client, in bytes of the JSON text of its `data`.
   * @default 16384
   */
  maxMessageBytes?: number
  /**
   * How many publications a client may send; one more is refused with `rate`.
   * @default { perSecond: 20, burst: 100 }
   */
  publishRate?: Rate
  /**
   * How many topics a client may ask for; one more is refused with `rate`.
   * @default { perSecond: 20, burst: 200 }
   */
  subscribeRate?: Rate
  /**
   * How long the id of a publication is remembered, in milliseconds: one that a client sends again in that time is taken once.
   * @default 120000
   */
  publishWindow?: number
  /**
   * Time that the store has for an answer, in milliseconds.
   * @default 2000
   */
  storeTimeout?: number
  /**
   * How long a node tries to fetch from the store what its subscribers have missed, in milliseconds, before it tells them of
   * the gap and goes on.
   * @default 10000
   */
  gapTimeout?: number
  /**
   * Time between two looks at the positions of the topics that this node has subscribers of, in milliseconds: a publication of
   * another node that the bus has lost is found then, if no later one has shown that it is missing.
   * @default 5000
   */
  headInterval?: number
}

const rate = optionsObject({
  perSecond: v.pipe(v.number(), v.finite(), v.gtValue(0)),
  burst: positiveInteger
})

/** The schema of {@link HistoryOptions}, or `false`. */
export const historySchema = v.lazy(value => value === false
  ? v.literal(false)
  : optionsObject({ size: positiveInteger, ttl: milliseconds }))

const pattern = v.pipe(v.string(), v.check((value: string) => isTopicPattern(value), 'Expected topics, or patterns whose only # is the last level'))

const patterns = v.record(pattern, optionsObject({ history: v.optional(historySchema, false) }))

/** Denies every publication. */
export const DENY = (): boolean => false

const schema = optionsObject({
  topics: v.optional(v.lazy(value => Array.isArray(value) ? v.never('Expected an object') : patterns), {}),
  store: v.optional(instanceWith<TopicStore>('append', 'claim', 'open', 'read', 'heads', 'close'), () => new MemoryTopicStore()),
  authorizePublish: v.optional(callback<NonNullable<WsTopicsOptions['authorizePublish']>>(), () => DENY),
  authorizeTimeout: v.optional(milliseconds, 5_000),
  grants: v.optional(v.lazy(value => value === false ? v.literal(false) : nonEmptyString), false),
  maxTopics: v.optional(positiveInteger, 100),
  maxMessageBytes: v.optional(positiveInteger, 16 * 1024),
  publishRate: v.optional(rate, { perSecond: 20, burst: 100 }),
  subscribeRate: v.optional(rate, { perSecond: 20, burst: 200 }),
  publishWindow: v.optional(milliseconds, 120_000),
  storeTimeout: v.optional(milliseconds, 2_000),
  gapTimeout: v.optional(milliseconds, 10_000),
  headInterval: v.optional(milliseconds, 5_000)
})

/** {@link WsTopicsOptions} with defaults filled in. */
export type TopicsSettings = v.InferOutput<typeof schema>

/**
 * Checks the options of the plugin and fills in the defaults.
 *
 * @throws {@link WSA_TOPICS_ERR_OPTION} when an option is unknown or has the wrong type
 */
export function parseTopicsOptions (options: unknown): TopicsSettings {
  return parseOptions(schema, options, WSA_TOPICS_ERR_OPTION)
}
