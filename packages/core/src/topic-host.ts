import type { WebSocket } from 'ws'

/** A connection of a hub, as a plugin for topics sees it. The hub knows it by this object. */
export interface TopicMember {
  readonly socket: WebSocket
  /** As it is now: a refresh changes it in place. */
  readonly identity: { readonly subject: string, readonly claims?: object, readonly expiresAt?: number | null }
  readonly subject: string
  /** When its upgrade began, in milliseconds of `performance.now()`. */
  readonly since: number
}

/** A text message, framed once for any number of connections. */
export interface TopicFrame {
  /** The whole WebSocket frame, as it goes over the wire. */
  readonly bytes: Buffer
}

/** Why a connection has not joined a topic. */
export type TopicRefused = 'denied' | 'failed' | 'late' | 'too many topics' | 'closed'

/** What a node sends along with a message that is kept: its place. */
export interface TopicPlace {
  readonly epoch: string
  readonly offset: number
}

/** Whom an order about rights concerns: those of a subject, those to a topic, or those of a subject to a topic. */
export interface TopicRights {
  readonly subject?: string | undefined
  readonly topic?: string | undefined
  /** Whether `topic` is a pattern. */
  readonly wildcard: boolean
}

/** What a hub tells a plugin for topics. None of them may throw. */
export interface TopicGuest {
  /** A connection has left a topic, or has closed. There is a `reason` where the hub has had it leave. */
  left (member: TopicMember, topic: string, reason: string | undefined): void
  /**
   * `reauthorize` or `evict` was called, on this node or another. The hub acts on it next.
   *
   * @param given when, in milliseconds of `performance.now()`
   */
  rights (rights: TopicRights, given: number): void
  /** A message of another node has come. `place` is `null` where the message is not kept. */
  receive (topic: string, frame: TopicFrame, place: TopicPlace | null): void
  /** The bus is up or down. */
  bus (state: 'up' | 'down'): void
}

/** What a hub tells a plugin that shows who is there. None of them may throw. */
export interface MemberWatcher {
  /** A connection is in the hub. It may be told again. */
  came (member: TopicMember): void
  /**
   * A connection is gone. What it has left with that is told next. It may be told again.
   *
   * @param isOver whether an order has ended it: it is closing, and is not meant to come back
   */
  went (member: TopicMember, isOver: boolean): void
  /**
   * An order has ended connections. Those that were there have been told by {@link went}; others had closed before.
   *
   * @param isMeant whether it means a connection
   * @param subject whose connections it means without exception; `undefined` where it does not say so
   */
  disconnected (isMeant: (member: TopicMember) => boolean, subject: string | undefined): void
  /** A connection has joined a topic; patterns are not told. */
  joined (member: TopicMember, topic: string): void
  /** A connection has left a topic. */
  left (member: TopicMember, topic: string): void
  /**
   * `reauthorize` or `evict` was called, on this node or another. The hub has acted on it, as far as it waits for nobody.
   *
   * @param given when, in milliseconds of `performance.now()`
   */
  rights (kind: 'reauthorize' | 'evict', rights: TopicRights, given: number): void
  /** The bus is up or down. */
  bus (state: 'up' | 'down'): void
  /** The server begins to close all connections. */
  closing (): void
}

/** Whether a connection may read a topic: only `allowed` lets in. `failed` is an error, `late` no answer in time. */
export type MayRead = 'allowed' | 'denied' | 'failed' | 'late'

/** What a hub does for a plugin for topics. */
export interface TopicHost {
  /** Whether there are other nodes. */
  readonly hasBus: boolean
  /** Whether they are reached; `true` where there are none. */
  readonly busIsUp: boolean
  /** Topics and patterns that one connection may have joined. */
  readonly maxTopics: number
  /**
   * Adds the one plugin that is told what happens, from the start of the hub on as far as rights are concerned.
   *
   * @returns `false` where there is another one already
   */
  attach (guest: TopicGuest): boolean
  /**
   * Adds the one plugin that is told who comes, goes, joins and leaves.
   *
   * @returns `false` where there is another one already
   */
  watch (watcher: MemberWatcher): boolean
  /** How long a topic that a client has asked for is its own, in milliseconds: `Infinity` for the life of its token. */
  readonly topicLease: number
  /** Whether a connection may read a topic: the application has joined it, or `authorizeTopic` allows it. Never rejects. */
  mayRead (member: TopicMember, topic: string): MayRead | Promise<MayRead>
  /** Answers for `authorizeTopic` where it returns `true`. */
  grantBy (granted: (identity: TopicMember['identity'], topic: string) => boolean): void
  /** The connection of a socket; `undefined` where it is not in the hub. */
  member (socket: WebSocket): TopicMember | undefined
  /** Joins a topic, if `authorizeTopic` allows it. */
  request (member: TopicMember, topic: string): Promise<'joined' | TopicRefused>
  /** Leaves a topic that was asked for. What the application has joined stays. */
  relinquish (member: TopicMember, topic: string): void
  /** Counts a message towards the limit of messages, and closes a connection that sends more. */
  meter (socket: WebSocket): void
  /** Closes a connection that has broken the protocol. */
  close (socket: WebSocket, code: number, reason: string): void
  /** Bytes that may wait on a connection, and so most bytes of a frame. */
  readonly maxFrameBytes: number
  /** Frames a text. */
  frame (text: string): TopicFrame
  /**
   * Refuses a frame that no connection could take, with so many bytes beside it.
   *
   * @throws `WSA_HUB_ERR_DATA_SIZE`
   */
  checkSize (frame: TopicFrame, spare: number): void
  /**
   * Sends a message of a topic to members. Where it is being asked again whether one may have it, it waits. One that has no
   * room for it ends, also where the hub would leave out other messages: its client would not notice.
   *
   * @returns how many took it
   */
  deliver (topic: string, members: Iterable<TopicMember>, frame: TopicFrame): number
  /** Receives what other nodes send to a topic, until {@link unlisten}. */
  listen (topic: string): void
  unlisten (topic: string): void
  /** Resolves with `true` when the bus has confirmed all that was listened to so far, with `false` when it is down. */
  ready (): Promise<boolean>
  /** Sends a message to the other nodes that listen to a topic. */
  send (topic: string, frame: TopicFrame, place: TopicPlace | null): void
}

// A registered symbol, since an application may hold several copies of this package.
const kHost = Symbol.for('airlock.topicHost')

interface WithHost {
  [kHost]?: TopicHost
}

/** Says what a hub does for a plugin for topics. */
export function setTopicHost (hub: object, host: TopicHost): void {
  Object.defineProperty(hub, kHost, { value: host })
}

/** What the hub of an instance does for a plugin for topics; `undefined` for a hub of another kind, and where there is none. */
export function topicHostOf (fastify: object): TopicHost | undefined {
  return (fastify as { wsHub?: WithHost }).wsHub?.[kHost]
}
