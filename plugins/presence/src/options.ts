import { callback, isTopicPattern, milliseconds, millisecondsOrZero, optionsObject, parseOptions, positiveInteger, type Rate } from '@fastify-airlock/core'
import * as v from 'valibot'
import { WSA_PRESENCE_ERR_OPTION } from './errors.js'
import type { PresenceIdentity } from './identity.js'

/** Options of the plugin. Nodes should agree. */
export interface WsPresenceOptions {
  /**
   * The topics whose presence is kept, by name or pattern: `+` or `*` is any one level, `#` at the end any number of levels.
   * @default ['#'], all of them
   */
  topics?: string[]
  /**
   * Whether it is kept who is connected at all: the topic `''`.
   * @default true
   */
  everyone?: boolean
  /**
   * Decides whether a client may see who is there in a topic; `''` is everyone. Anything but `true` denies. An error, and an
   * answer that takes longer than `authorizeTimeout`, is no answer: the client is told that it may try again.
   * @default as the hub: what the application has joined, and what `authorizeTopic` allows; never everyone
   */
  authorizePresence?: (identity: PresenceIdentity, topic: string) => boolean | Promise<boolean>
  /**
   * Time that `authorizePresence` has for an answer, in milliseconds.
   * @default 5000
   */
  authorizeTimeout?: number
  /**
   * How long a user whose last connection has closed is still there, in milliseconds: one that comes back in that time has never
   * left. One whose last connection was ended by an order (`disconnect`) is gone at once, unless its code is one of 1012, 1013
   * and 4409, after which it comes back or is here already.
   * @default 5000
   */
  grace?: number
  /**
   * Shortest time between two reports of changes, to the watchers of a topic and to the other nodes, in milliseconds. The first
   * change after a pause goes out at once.
   * @default 250
   */
  reportInterval?: number
  /**
   * Topics that one connection may watch at a time, and as many for which it may have a state.
   * @default 20
   */
  maxTopics?: number
  /**
   * Users of a topic that a client is shown at most. Of the others it gets the number.
   * @default 1000
   */
  maxSubjects?: number
  /**
   * Largest state, in bytes of its JSON text: at most 65536. It has at most 64 levels of lists and objects.
   * @default 1024
   */
  maxStateBytes?: number
  /**
   * How often a client may set a state; once more is refused with `rate`.
   * @default { perSecond: 10, burst: 20 }
   */
  stateRate?: Rate
  /**
   * How many topics a client may ask to watch; one more is refused with `rate`.
   * @default { perSecond: 20, burst: 200 }
   */
  watchRate?: Rate
  /**
   * Time between two messages that tell the other nodes how many changes there were, in milliseconds: one that the bus has lost
   * is noticed then, if no later one has shown that it is missing.
   * @default 5000
   */
  syncInterval?: number
}

/** What every bus takes within a message, with room for what is around it. */
const MAX_STATE_BYTES = 64 * 1024

const rate = optionsObject({
  perSecond: v.pipe(v.number(), v.finite(), v.gtValue(0)),
  burst: positiveInteger
})

const pattern = v.pipe(v.string(), v.check((value: string) => isTopicPattern(value), 'Expected topics, or patterns whose only # is the last level'))

const schema = optionsObject({
  topics: v.optional(v.array(pattern), ['#']),
  everyone: v.optional(v.boolean(), true),
  authorizePresence: v.optional(callback<NonNullable<WsPresenceOptions['authorizePresence']>>()),
  authorizeTimeout: v.optional(milliseconds, 5_000),
  grace: v.optional(millisecondsOrZero, 5_000),
  reportInterval: v.optional(milliseconds, 250),
  maxTopics: v.optional(positiveInteger, 20),
  maxSubjects: v.optional(positiveInteger, 1_000),
  maxStateBytes: v.optional(v.pipe(positiveInteger, v.maxValue(MAX_STATE_BYTES, `Expected at most ${MAX_STATE_BYTES}`)), 1_024),
  stateRate: v.optional(rate, { perSecond: 10, burst: 20 }),
  watchRate: v.optional(rate, { perSecond: 20, burst: 200 }),
  syncInterval: v.optional(milliseconds, 5_000)
})

/** {@link WsPresenceOptions} with defaults filled in. */
export type PresenceSettings = v.InferOutput<typeof schema>

/**
 * Checks the options of the plugin and fills in the defaults.
 *
 * @throws {@link WSA_PRESENCE_ERR_OPTION} when an option is unknown or has the wrong type
 */
export function parsePresenceOptions (options: unknown): PresenceSettings {
  return parseOptions(schema, options, WSA_PRESENCE_ERR_OPTION)
}
