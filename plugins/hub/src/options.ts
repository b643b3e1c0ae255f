import {
  callback, ignoreWarnings, instanceWith, milliseconds, nonEmptyString, offOr, optionsObject, parseOptions, positiveInteger
} from '@fastify-airlock/core'
import { CLOSE_TIMEOUT_MS, FLUSH_TIMEOUT_MS } from '@fastify-airlock/protocol'
import * as v from 'valibot'
import type { WebSocket } from 'ws'
import type { HubBus } from './bus.js'
import type { ConnectionCounter } from './connection-counter.js'
import { WSA_HUB_ERR_OPTION } from './errors.js'
import type { HubIdentity, JoinOptions, TopicLeft } from './types.js'

/** What happens to a connection whose unsent bytes pass `maxBufferedBytes`. */
export type SlowConsumerAction = 'terminate' | 'drop' | 'send'

/** What a `slowConsumer` function gets. */
export interface SlowConsumerInfo {
  /** The user of the connection. */
  subject: string
  /** Bytes that wait on the connection. */
  bufferedBytes: number
  /** Bytes of the message that does not fit, its frame included. */
  messageBytes: number
}

/** How many messages a client may send. */
export interface MessageRate {
  /** Messages a second in the long run. */
  perSecond: number
  /** Messages at once. */
  burst: number
}

/** How connections are closed before a shutdown. */
export interface DrainOptions {
  /**
   * Connections that are closed at once. The hub closes more where it could not close all within `timeout` otherwise.
   * @default 1000
   */
  batch?: number
  /**
   * Time between two batches, in milliseconds.
   * @default 100
   */
  interval?: number
  /**
   * Time after which the hub terminates the rest, in milliseconds. Fastify gives a `preClose` hook 10 s
   * (`pluginTimeout`), and the sockets outside the hub have to be closed in that time as well.
   * @default 7000
   */
  timeout?: number
  /**
   * Clients are told to come back after a random time between 0 and this, in milliseconds, so that they do not all
   * come at once.
   * @default 5000
   */
  jitter?: number
}

/** Options of the plugin. */
export interface WsHubOptions {
  /**
   * Time a peer has to answer a close frame of the hub, in milliseconds, before it is terminated: from the close where
   * nothing else waits for the peer, else from when the frame has gone out.
   * @default 2000
   */
  closeTimeout?: number
  /**
   * Time in which what waits for a peer when the hub closes it, and the close frame, have to go out, in milliseconds. A
   * drain has its own.
   * @default 120000
   */
  flushTimeout?: number
  /**
   * Bytes that may wait unsent on one connection, the message that is about to be sent included.
   * @default 1048576
   */
  maxBufferedBytes?: number
  /**
   * What happens to a connection that would have more waiting than `maxBufferedBytes`. `'terminate'` ends it without a
   * close frame, which could not pass the full pipe. `'drop'` leaves out this message for this connection. A function
   * decides each time; `'send'` lets the message pass, and anything else but `'drop'` terminates.
   * @default 'terminate'
   */
  slowConsumer?: 'terminate' | 'drop' | ((socket: WebSocket, info: SlowConsumerInfo) => SlowConsumerAction)
  /**
   * Connections in the hub of this node. One more is refused before its upgrade, with 503 and no ticket spent, where a guard
   * or a handshake is on the route; else it is closed with 1013. The hub has to be registered before the routes' first
   * upgrade, on the instance of the routes or above.
   * @default Infinity
   */
  maxConnections?: number
  /**
   * Open connections of one subject on this node; with `connectionCounter` on all nodes together.
   * @default 10
   */
  maxConnectionsPerSubject?: number
  /**
   * Counts the connections of each subject over all nodes. A connection is let in first, and closed a moment later if it is one
   * too many. While the counter is away, the limit of each node alone applies.
   * @default undefined, for a limit of each node alone
   */
  connectionCounter?: ConnectionCounter
  /**
   * What happens at one connection more: `'refuse'` closes the new one with 4429, `'replace'` the oldest with 4409.
   * @default 'refuse'
   */
  onSubjectLimit?: 'refuse' | 'replace'
  /**
   * How many messages each client may send; one that sends more is closed with 4429. `false` for no limit.
   * @default { perSecond: 100, burst: 200 }
   */
  messageRate?: MessageRate | false
  /**
   * What happens at one message more: `'close'` closes with 4429. `'pause'` lets it pass and does not read the connection
   * until another one is due, so that the rest waits at the client. What the server has read by then, at most one chunk of
   * 64 KiB, passes as well and is paid for by a longer pause. Nothing is read from a paused connection: neither a
   * `refresh`, nor that it has closed.
   * @default 'close'
   */
  onRate?: 'close' | 'pause'
  /**
   * Topics and patterns that one connection may have joined at a time.
   * @default 100
   */
  maxTopicsPerConnection?: number
  /**
   * Decides whether a client may join the topic that it asks for in {@link WsHub.requestJoin}. Anything but `true`
   * denies. An error denies too, and is logged; so does an answer that takes longer than `authorizeTimeout`.
   * @default denies everything
   */
  authorizeTopic?: (
    identity: HubIdentity, topic: string, options: Required<Pick<JoinOptions, 'wildcard'>>
  ) => boolean | Promise<boolean>
  /**
   * Time that `authorizeTopic` has for an answer, in milliseconds.
   * @default 5000
   */
  authorizeTimeout?: number
  /**
   * How long a topic that a client has asked for is its own, in milliseconds: then `authorizeTopic` is asked again. It is
   * asked as well when the token of the connection expires, at each refresh, and on {@link WsHub.reauthorize}. It bounds
   * how long a right may outlive its end on a node that the bus does not reach.
   * @default the life of the token
   */
  topicLease?: number
  /**
   * Called when the hub has had a connection leave a topic: `authorizeTopic` did not allow it any more, or `evict` was
   * called. The connection is open, and its other topics go on. An error is logged.
   * @default does nothing
   */
  onTopicLeft?: (socket: WebSocket, left: TopicLeft) => void
  /**
   * Connects the hubs of several nodes. The hub ends its subscriptions when the server closes, and leaves the bus open:
   * you close the bus that you made.
   * @default undefined, for a single node
   */
  bus?: HubBus
  /**
   * First part of all topics on the bus: letters, digits, `_`, `-`, `.`, `:` and `/`. Hubs with the same prefix belong
   * together.
   * @default 'airlock'
   */
  busPrefix?: string
  /**
   * Time between two messages that the hub sends to itself over the bus, in milliseconds. When two do not come back, the
   * bus is down.
   * @default 5000
   */
  busBeat?: number
  /**
   * How long orders (to disconnect, and about rights to topics) are kept for nodes that have missed them, in milliseconds:
   * the longest life of a token.
   * @default 86400000
   */
  orderLife?: number
  /**
   * How many orders of all nodes are kept. At one more the oldest is dropped; the hub logs it, and is `degraded` until that
   * order would have been over. The same is true of sessions and tokens that were ended and are refused, of which 100000 are
   * remembered at least.
   * @default 100000
   */
  maxOrders?: number
  /**
   * The claim that names the session, of tickets, JWTs and identities, for all plugins on the server: one of them is told.
   * @default 'sid' (OpenID Connect)
   */
  sessionClaim?: string
  /** How connections are closed before a shutdown. */
  drain?: DrainOptions
  /**
   * Codes of start-up warnings that are not logged, such as `WSA_HUB_WARN_NO_BUS`.
   * @default []
   */
  ignoreWarnings?: string[]
}

const limit = v.pipe(v.number(), v.check(
  value => value === Infinity || (Number.isSafeInteger(value) && value > 0), 'Expected a positive integer or Infinity'
))

/** Denies every topic. */
export const DENY = (): boolean => false

const slowConsumer = callback<Extract<WsHubOptions['slowConsumer'], (...args: never[]) => unknown>>()

const messageRate = optionsObject({
  perSecond: v.pipe(v.number(), v.finite(), v.gtValue(0)),
  burst: positiveInteger
})

const drain = optionsObject({
  batch: v.optional(positiveInteger, 1_000),
  interval: v.optional(milliseconds, 100),
  timeout: v.optional(milliseconds, 7_000),
  jitter: v.optional(milliseconds, 5_000)
})

const schema = optionsObject({
  closeTimeout: v.optional(milliseconds, CLOSE_TIMEOUT_MS),
  flushTimeout: v.optional(milliseconds, FLUSH_TIMEOUT_MS),
  maxBufferedBytes: v.optional(positiveInteger, 1024 * 1024),
  slowConsumer: v.optional(v.union(
    [v.picklist(['terminate', 'drop']), slowConsumer], 'Expected "terminate", "drop" or a function'
  ), 'terminate'),
  maxConnections: v.optional(limit, Infinity),
  maxConnectionsPerSubject: v.optional(limit, 10),
  connectionCounter: v.optional(instanceWith<ConnectionCounter>('begin', 'renew', 'take', 'keep', 'release', 'end')),
  onSubjectLimit: v.optional(v.picklist(['refuse', 'replace']), 'refuse'),
  messageRate: v.optional(offOr(false, messageRate, ['object'], '{ perSecond, burst }'), { perSecond: 100, burst: 200 }),
  onRate: v.optional(v.picklist(['close', 'pause']), 'close'),
  maxTopicsPerConnection: v.optional(limit, 100),
  authorizeTopic: v.optional(callback<NonNullable<WsHubOptions['authorizeTopic']>>(), () => DENY),
  authorizeTimeout: v.optional(milliseconds, 5_000),
  topicLease: v.optional(milliseconds),
  onTopicLeft: v.optional(callback<NonNullable<WsHubOptions['onTopicLeft']>>(), () => () => {}),
  bus: v.optional(instanceWith<HubBus>('on', 'emit', 'removeListener')),
  busPrefix: v.optional(v.pipe(v.string(), v.maxLength(64), v.regex(/^[\w.:-]+(?:\/[\w.:-]+)*$/, 'Expected letters, digits, _, -, . and :, in parts that are separated by /')), 'airlock'),
  busBeat: v.optional(milliseconds, 5_000),
  orderLife: v.optional(milliseconds, 24 * 60 * 60_000),
  maxOrders: v.optional(positiveInteger, 100_000),
  sessionClaim: v.optional(nonEmptyString),
  drain: v.optional(drain, {}),
  ignoreWarnings
})

/** {@link WsHubOptions} with defaults filled in. */
export type HubSettings = v.InferOutput<typeof schema>

/**
 * Checks the options of the plugin and fills in the defaults.
 *
 * @throws {@link WSA_HUB_ERR_OPTION} when an option is unknown, has the wrong type, or needs another one
 */
export function parseHubOptions (options: unknown): HubSettings {
  const settings = parseOptions(schema, options, WSA_HUB_ERR_OPTION)
  const { connectionCounter, maxConnectionsPerSubject, onSubjectLimit, bus } = settings
  if (connectionCounter !== undefined) {
    if (maxConnectionsPerSubject === Infinity) throw new WSA_HUB_ERR_OPTION('connectionCounter: there is nothing to count, since maxConnectionsPerSubject is Infinity')
    if (onSubjectLimit === 'replace' && bus === undefined) {
      throw new WSA_HUB_ERR_OPTION("connectionCounter: give a bus as well, or onSubjectLimit: 'refuse', since the oldest connection may be on another node")
    }
  }
  return settings
}
