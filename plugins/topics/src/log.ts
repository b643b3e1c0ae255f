import type { FastifyBaseLogger } from 'fastify'
import { logError, type TopicFrame, type TopicHost, type TopicMember, type TopicPlace } from '@fastify-airlock/core'
import { setTimeout as sleep } from 'node:timers/promises'
import { gapText, messageText } from './messages.js'
import type { HistoryOptions } from './options.js'
import { Pages } from './pages.js'
import { Pending } from './pending.js'
import { Recent } from './recent.js'
import type { StoreCalls } from './store-calls.js'
import type { TopicPosition, TopicRead, TopicStore } from './store.js'
import type { TopicsStats } from './types.js'

/** Publications that are read at once. */
export const READ_LIMIT = 200

/** How long what was read is shared, in milliseconds: a whole storm of clients stands at few places. */
const SHARE_MS = 250

/** Times between two attempts to ask a store that does not answer, in milliseconds. */
const FIRST_DELAY = 100
const LAST_DELAY = 2_000

/** What all logs of a node share. */
export interface LogContext {
  readonly host: TopicHost
  readonly store: TopicStore
  readonly calls: StoreCalls
  readonly stats: TopicsStats
  readonly gapTimeout: number
  readonly log: Pick<FastifyBaseLogger, 'warn'>
}

/** A subscription that catches up. */
export interface Resuming {
  readonly member: TopicMember
  /** Whether it has ended: nothing more is sent for it. */
  readonly over: boolean
}

/** What is being read, or was a moment ago. */
interface Reading {
  readonly pages: Promise<Pages | null>
  /** `null` until it is there. */
  read: Pages | null
}

/**
 * A topic with subscribers on this node: where they stand, what they get next, and what they may have missed. All who are
 * `live` stand at its position, but for those who are ahead of it.
 */
export class TopicLog {
  readonly topic: string
  /** How the topic is kept, as the options say; `undefined` where they say nothing, so that it may be. */
  readonly history: HistoryOptions | false | undefined
  readonly #context: LogContext
  readonly #live = new Set<TopicMember>()
  /** Members who have had more than this node, and up to which offset. */
  readonly #ahead = new Map<TopicMember, number>()
  #position: TopicPosition | null = null
  #start: Promise<void> | null = null
  #isStarted = false
  readonly #pending = new Pending()
  #fetch: Promise<void> | null = null
  /** Whether messages may be missing that no later one has shown to be missing. */
  #suspect = false
  readonly #recent = new Recent()
  #catching = 0
  readonly #reads = new Map<string, Reading>()
  #closed = false

  constructor (topic: string, history: HistoryOptions | false | undefined, context: LogContext) {
    this.topic = topic
    this.history = history
    this.#context = context
  }

  /** Where its subscribers stand; `null` where nothing is kept. */
  get position (): TopicPosition | null {
    return this.#position
  }

  /** Waits until the position is known. Rejects where the store does not answer. */
  async start (): Promise<void> {
    if (this.#isStarted || this.history === false) return
    this.#start ??= this.#learn().finally(() => { this.#start = null })
    await this.#start
  }

  async #learn (): Promise<void> {
    const { store, calls } = this.#context
    const { topic, history } = this
    const found = await calls.ask<TopicPosition | TopicRead | null>(() => history ? store.open(topic, history.ttl) : store.read(topic, null, 1))
    this.#position ??= found !== null && 'messages' in found ? found.position : found
    this.#isStarted = true
    if (this.#pending.size > 0) this.#catchUpWithPending()
  }

  /** A message has come: from this node, or by the bus. `place` is `null` where it is not kept. */
  receive (frame: TopicFrame, place: TopicPlace | null): void {
    if (place === null) {
      this.#context.host.deliver(this.topic, this.#live, frame)
      return
    }
    if (this.#position === null) {
      if (this.#start !== null) return this.#pending.add(place, frame)
      // Where it is known that there was nothing, those before it are missing.
      this.#position = { epoch: place.epoch, offset: this.#isStarted ? 0 : place.offset - 1 }
    }
    const { epoch, offset } = this.#position
    if (place.epoch === epoch && place.offset <= offset) return
    if (place.epoch === epoch && place.offset === offset + 1) {
      this.#advance(frame)
      if (this.#pending.size > 0) this.#drain()
      return
    }
    this.#pending.add(place, frame)
    this.fetch()
  }

  /** Sends a message that is not kept to some of the subscribers. */
  select (frame: TopicFrame, isMeant: (member: TopicMember) => boolean): void {
    this.#context.host.deliver(this.topic, [...this.#live].filter(isMeant), frame)
  }

  /** Fetches from the store what has not come, unless that is under way. */
  fetch (): Promise<void> {
    this.#fetch ??= this.#fetchAll()
      .catch(err => { logError(this.#context.log, err, 'what a topic has missed could not be fetched', { topic: this.topic }, 'warn') })
      .finally(() => { this.#fetch = null })
    return this.#fetch
  }

  /** Messages may have been lost without a trace: fetches them, or says that it cannot. */
  suspect (): void {
    if (this.#position === null) return
    this.#suspect = true
    this.fetch()
  }

  /** Compares its position with that of the store. */
  compare (head: TopicPosition | null): void {
    if (head === null) return
    if (this.#position === null) {
      // It was empty before, and this is the first that is heard of it.
      if (!this.#isStarted || this.#start !== null) return
      this.#position = { epoch: head.epoch, offset: 0 }
    }
    if (head.epoch !== this.#position.epoch || head.offset !== this.#position.offset) this.fetch()
  }

  /** Sends the messages from now on to a member who stands at an offset. */
  join (member: TopicMember, offset = 0): void {
    this.#live.add(member)
    if (this.#position !== null && offset > this.#position.offset) this.#ahead.set(member, offset)
  }

  leave (member: TopicMember): void {
    this.#live.delete(member)
    this.#ahead.delete(member)
  }

  /**
   * Brings a subscription from a position up to the present, and joins it.
   *
   * @param answer called with the first frame; with `null` where something is missing
   */
  async resume (subscription: Resuming, since: TopicPosition, answer: (frame: TopicFrame | null) => void): Promise<void> {
    const { host, stats } = this.#context
    const { member } = subscription
    let at = since
    let answered = false
    this.#catching++
    try {
      while (true) {
        const pages = await this.#read(at)
        if (subscription.over) return
        if (pages === null || !pages.complete) {
          // The log has begun anew, and nobody has told this node.
          if (pages !== null && pages.head !== null && pages.head.epoch !== this.#position?.epoch) await this.fetch()
          if (subscription.over) return
          if (!answered) {
            stats.resumed.gap++
            answer(null)
          } else {
            host.deliver(this.topic, [member], host.frame(gapText(this.topic, this.#position as TopicPosition)))
          }
          return this.join(member)
        }
        const count = pages.count(!answered)
        for (let index = 0; index < count; index++) {
          const frame = pages.at(index, !answered)
          // Looked at right before it is sent: many topics may be catching up on one connection.
          while (!subscription.over && isFull(member, frame, host)) await sleep(20, undefined, { ref: false })
          if (subscription.over) return
          if (answered) host.deliver(this.topic, [member], frame)
          else {
            answered = true
            stats.resumed.recovered++
            answer(frame)
          }
        }
        at = pages.end
        if (pages.more) continue
        if (at.epoch !== this.#position?.epoch) await this.fetch()
        if (subscription.over) return
        const position = this.#position
        if (position === null || at.epoch !== position.epoch || at.offset >= position.offset) return this.join(member, at.offset)
        const missed = this.#recent.after(at.offset)
        if (missed === null) continue
        for (const frame of missed) host.deliver(this.topic, [member], frame)
        return this.join(member)
      }
    } finally {
      if (--this.#catching === 0) this.#recent.clear()
    }
  }

  /** Nobody on this node has subscribed any more. */
  close (): void {
    this.#closed = true
    this.#pending.clear()
  }

  #advance (message: TopicFrame): void {
    const { host, stats } = this.#context
    const { epoch, offset } = this.#position as TopicPosition
    this.#position = { epoch, offset: offset + 1 }
    let frame = message
    // A node that allows more has published it. No connection of this one can take it, and all would end over it.
    if (message.bytes.length > host.maxFrameBytes) {
      stats.gaps++
      frame = host.frame(gapText(this.topic, this.#position))
    }
    if (this.#catching > 0) this.#recent.add(offset + 1, frame)
    let to: Iterable<TopicMember> = this.#live
    if (this.#ahead.size > 0) {
      to = [...this.#live].filter(member => (this.#ahead.get(member) ?? 0) <= offset)
      for (const [member, reached] of this.#ahead) if (reached <= offset + 1) this.#ahead.delete(member)
    }
    host.deliver(this.topic, to, frame)
  }

  #drain (): void {
    while (true) {
      const { epoch, offset } = this.#position as TopicPosition
      const frame = this.#pending.take(epoch, offset + 1)
      if (frame === undefined) break
      this.#advance(frame)
    }
  }

  /** Whether messages wait for others. */
  #hasHole (): boolean {
    const { epoch, offset } = this.#position as TopicPosition
    return this.#pending.firstAfter(epoch, offset) !== undefined
  }

  #catchUpWithPending (): void {
    this.#position ??= { epoch: this.#pending.epoch, offset: 0 }
    this.#drain()
    if (this.#hasHole()) this.fetch()
  }

  async #fetchAll (): Promise<void> {
    const { store, calls, stats, gapTimeout, log } = this.#context
    stats.fetches++
    const began = performance.now()
    let delay = FIRST_DELAY
    let idle = 0
    while (!this.#closed && this.#position !== null) {
      const from: TopicPosition = this.#position
      let read: TopicRead
      try {
        read = await calls.ask(() => store.read(this.topic, from, READ_LIMIT))
      } catch (err) {
        if (this.#closed) return
        if (performance.now() - began >= gapTimeout) {
          logError(log, err, 'a topic has a gap: its store does not answer', { topic: this.topic }, 'warn')
          return this.#giveUp()
        }
        await sleep(delay, undefined, { ref: false })
        delay = Math.min(delay * 2, LAST_DELAY)
        continue
      }
      if (this.#closed) return
      this.#apply(from, read)
      this.#suspect = false
      const { epoch, offset } = this.#position as TopicPosition
      const moved = epoch !== from.epoch || offset !== from.offset
      if (moved && read.messages.length === READ_LIMIT) continue
      if (!this.#hasHole()) return
      // They may have come after the answer of the store. If it does not know them twice, nobody has published them.
      if (!moved && ++idle === 2) return this.#pending.clear()
    }
  }

  #apply (from: TopicPosition, { position: head, messages, complete }: TopicRead): void {
    if (head === null) return
    if (!complete) {
      const base = { epoch: head.epoch, offset: (messages[0]?.offset ?? head.offset + 1) - 1 }
      const { epoch, offset } = this.#position as TopicPosition
      // The bus may have brought them meanwhile, unless the store has lost what it had.
      if (base.epoch !== epoch || base.offset > offset || head.offset < from.offset) this.#skipTo(base)
    }
    for (const { offset, data } of messages) {
      if (offset !== (this.#position as TopicPosition).offset + 1) continue
      const frame = this.#pending.take(head.epoch, offset) ?? this.#context.host.frame(messageText(this.topic, data, { epoch: head.epoch, offset }))
      this.#advance(frame)
    }
    this.#drain()
  }

  /** Tells the subscribers that what is before a position is lost to them, but for those who have had it. */
  #skipTo (position: TopicPosition): void {
    const { host, stats } = this.#context
    const { epoch, offset } = this.#position as TopicPosition
    stats.gaps++
    this.#position = position
    this.#recent.clear()
    let to: Iterable<TopicMember> = this.#live
    // A store that has lost what it had gives its offsets to others.
    if (position.epoch !== epoch || position.offset < offset) this.#ahead.clear()
    else if (this.#ahead.size > 0) {
      to = [...this.#live].filter(member => (this.#ahead.get(member) ?? 0) < position.offset)
      for (const [member, reached] of this.#ahead) if (reached <= position.offset) this.#ahead.delete(member)
    }
    host.deliver(this.topic, to, host.frame(gapText(this.topic, position)))
  }

  /** The store does not answer: goes on with what there is. */
  #giveUp (): void {
    let told = false
    for (let first; (first = this.#pending.firstAfter((this.#position as TopicPosition).epoch, (this.#position as TopicPosition).offset)) !== undefined;) {
      this.#skipTo({ epoch: this.#pending.epoch, offset: first - 1 })
      told = true
      this.#drain()
    }
    if (this.#suspect && !told) this.#skipTo(this.#position as TopicPosition)
    this.#suspect = false
  }

  /** @returns `null` where the store does not answer */
  #read (since: TopicPosition): Promise<Pages | null> {
    const key = `${since.epoch}:${since.offset}`
    const known = this.#reads.get(key)
    if (known !== undefined && !this.#isOutdated(known)) return known.pages
    const reading: Reading = { pages: this.#readNow(since), read: null }
    this.#reads.set(key, reading)
    const forget = (): void => { if (this.#reads.get(key) === reading) this.#reads.delete(key) }
    reading.pages.then(pages => {
      reading.read = pages
      setTimeout(forget, SHARE_MS).unref()
    })
    return reading.pages
  }

  /** Whether something was published since it was read. */
  #isOutdated ({ read }: Reading): boolean {
    return read !== null && !read.more && (read.end.epoch !== this.#position?.epoch || read.end.offset < this.#position.offset)
  }

  async #readNow (since: TopicPosition): Promise<Pages | null> {
    const { host, store, calls, gapTimeout } = this.#context
    const began = performance.now()
    let delay = FIRST_DELAY
    while (true) {
      try {
        const read = await calls.ask(() => store.read(this.topic, since, READ_LIMIT))
        return new Pages(this.topic, since, read, text => host.frame(text), host.maxFrameBytes)
      } catch {
        if (performance.now() - began >= gapTimeout || this.#closed) return null
        await sleep(delay, undefined, { ref: false })
        delay = Math.min(delay * 2, LAST_DELAY)
      }
    }
  }
}

/** Bytes that may wait for a client while it catches up. */
const MAX_WAITING_BYTES = 256 * 1024

/** Whether a client has to take something of what it was sent before it is sent more of what it has missed. */
function isFull ({ socket }: TopicMember, { bytes }: TopicFrame, { maxFrameBytes }: TopicHost): boolean {
  const { bufferedAmount } = socket
  return bufferedAmount > 0 && bufferedAmount + bytes.length > Math.min(MAX_WAITING_BYTES, maxFrameBytes / 2) && socket.readyState === socket.OPEN
}
