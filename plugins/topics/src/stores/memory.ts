import { optionsObject, parseOptions, positiveInteger } from '@fastify-airlock/core'
import { randomBytes } from 'node:crypto'
import * as v from 'valibot'
import { WSA_TOPICS_ERR_OPTION, WSA_TOPICS_ERR_STORE_CLOSED, WSA_TOPICS_ERR_STORE_FULL } from '../errors.js'
import { HEAD_LIFE } from '../head-life.js'
import type { AppendOptions, Appended, Claimed, PublicationId, StoredMessage, TopicPosition, TopicRead, TopicStore } from '../store.js'

/** Options of a {@link MemoryTopicStore}. */
export interface MemoryTopicStoreOptions {
  /**
   * Memory for the publications of all topics, in bytes, roughly. Beyond it, those of the topics that nobody has published to for
   * longest are dropped, the oldest first.
   * @default 67108864
   */
  maxBytes?: number
  /**
   * Ids of publications that are remembered at a time. One more is refused, and its client may try again later.
   * @default 200000
   */
  maxIds?: number
  /**
   * The time of day, in milliseconds since the epoch.
   * @default Date.now
   */
  now?: () => number
}

const memoryOptions = optionsObject({
  maxBytes: v.optional(positiveInteger, 64 * 1024 * 1024),
  maxIds: v.optional(positiveInteger, 200_000),
  now: v.optional(v.custom<() => number>(value => typeof value === 'function', 'Expected a function'), () => Date.now)
})

/** What a publication, a topic or an id takes beside its text, in bytes. */
const OVERHEAD = 128

/** The share of the memory that logs without a publication may have. */
const EMPTY_SHARE = 0.25

interface Entry {
  offset: number
  data: string
  expires: number
  bytes: number
}

interface Log {
  epoch: string
  offset: number
  /** Since when nobody has needed it: it may be forgotten then. */
  expires: number
  /** The entries from `first` on. */
  entries: Entry[]
  first: number
}

interface Id {
  digest: string
  position: TopicPosition
  expires: number
}

/**
 * Keeps publications in the memory of this process, for a single node: they end with it. Its memory is bounded over all
 * topics.
 *
 * @example
 * await app.register(wsTopics, { store: new MemoryTopicStore({ maxBytes: 16 * 1024 * 1024 }) })
 */
export class MemoryTopicStore implements TopicStore {
  readonly local = true
  readonly #maxBytes: number
  readonly #maxIds: number
  readonly #now: () => number
  /** The one that was published to last stands last. */
  readonly #logs = new Map<string, Log>()
  /** Logs that nobody has published to, the oldest first. Clients may begin many of them: they must not cost others their history. */
  readonly #empty = new Map<string, Log>()
  #emptyBytes = 0
  readonly #ids = new Map<string, Id>()
  #bytes = 0
  #closed = false

  /** @throws {@link WSA_TOPICS_ERR_OPTION} when an option is wrong */
  constructor (options: MemoryTopicStoreOptions = {}) {
    const { maxBytes, maxIds, now } = parseOptions(memoryOptions, options, WSA_TOPICS_ERR_OPTION)
    this.#maxBytes = maxBytes
    this.#maxIds = maxIds
    this.#now = now
  }

  /** Memory that is used, in bytes, roughly. */
  get bytes (): number {
    return this.#bytes + this.#emptyBytes
  }

  append (topic: string, data: string, { size, ttl, id }: AppendOptions): Appended {
    this.#check()
    const now = this.#now()
    const known = id && this.#known(topic, id, now)
    if (known !== undefined) return known
    const log = this.#open(topic, ttl, now)
    const position = { epoch: log.epoch, offset: ++log.offset }
    const entry = { offset: log.offset, data, expires: now + ttl, bytes: 2 * data.length + OVERHEAD }
    log.entries.push(entry)
    this.#bytes += entry.bytes
    while (log.entries.length - log.first > size) this.#drop(log)
    while (log.first < log.entries.length && (log.entries[log.first] as Entry).expires <= now) this.#drop(log)
    if (log.offset === 1) this.#forgetEmpty(topic)
    // The one that was published to last stands last.
    if (!this.#logs.delete(topic)) this.#bytes += sizeOf(topic)
    this.#logs.set(topic, log)
    if (id !== undefined) this.#ids.set(`${topic}\n${id.key}`, { digest: id.digest, position, expires: now + id.window })
    this.#tidy(now)
    return { position, claimed: 'new' }
  }

  claim (topic: string, id: PublicationId): Claimed {
    this.#check()
    const now = this.#now()
    const known = this.#known(topic, id, now)
    if (known !== undefined) return known.claimed
    this.#ids.set(`${topic}\n${id.key}`, { digest: id.digest, position: { epoch: '-', offset: 0 }, expires: now + id.window })
    return 'new'
  }

  open (topic: string, ttl: number): TopicPosition {
    this.#check()
    const now = this.#now()
    const { epoch, offset } = this.#open(topic, ttl, now)
    this.#tidy(now)
    return { epoch, offset }
  }

  read (topic: string, since: TopicPosition | null, limit: number): TopicRead {
    this.#check()
    const log = this.#find(topic)
    if (log === undefined) return { position: null, messages: [], complete: false }
    const position = { epoch: log.epoch, offset: log.offset }
    if (since === null) return { position, messages: [], complete: true }
    const now = this.#now()
    const messages: StoredMessage[] = []
    const same = since.epoch === log.epoch
    if (same && since.offset === log.offset) return { position, messages, complete: true }
    // What was not kept as long as what came later leaves a gap: what is before it is of no use.
    for (let at = log.entries.length - 1; at >= log.first && (log.entries[at] as Entry).expires > now; at--) {
      const { offset, data } = log.entries[at] as Entry
      if (same && offset <= since.offset) break
      messages.push({ offset, data })
    }
    messages.reverse()
    return { position, messages: messages.slice(0, limit), complete: same && messages[0]?.offset === since.offset + 1 }
  }

  heads (topics: readonly string[]): Array<TopicPosition | null> {
    this.#check()
    return topics.map(topic => {
      const log = this.#find(topic)
      return log === undefined ? null : { epoch: log.epoch, offset: log.offset }
    })
  }

  close (): void {
    this.#closed = true
    this.#logs.clear()
    this.#empty.clear()
    this.#ids.clear()
    this.#bytes = this.#emptyBytes = 0
  }

  #check (): void {
    if (this.#closed) throw new WSA_TOPICS_ERR_STORE_CLOSED()
  }

  #find (topic: string): Log | undefined {
    return this.#logs.get(topic) ?? this.#empty.get(topic)
  }

  #open (topic: string, ttl: number, now: number): Log {
    let log = this.#find(topic)
    if (log === undefined) {
      log = { epoch: randomBytes(9).toString('base64url'), offset: 0, expires: 0, entries: [], first: 0 }
      this.#empty.set(topic, log)
      this.#emptyBytes += sizeOf(topic)
    }
    log.expires = Math.max(log.expires, now + ttl + HEAD_LIFE)
    return log
  }

  #forgetEmpty (topic: string): void {
    this.#empty.delete(topic)
    this.#emptyBytes -= sizeOf(topic)
  }

  /** Whether an id is known; makes room for it otherwise. */
  #known (topic: string, { key, digest }: PublicationId, now: number): Appended | undefined {
    const name = `${topic}\n${key}`
    const known = this.#ids.get(name)
    if (known !== undefined && known.expires > now) return { position: known.position, claimed: known.digest === digest ? 'repeated' : 'conflict' }
    // In the order of their ends, as nearly all windows are alike.
    this.#ids.delete(name)
    for (const [other, { expires }] of this.#ids) {
      if (expires > now) break
      this.#ids.delete(other)
    }
    if (this.#ids.size >= this.#maxIds) throw new WSA_TOPICS_ERR_STORE_FULL()
  }

  #drop (log: Log): void {
    this.#bytes -= (log.entries[log.first] as Entry).bytes
    log.first++
    // Not at each one: it moves all the others.
    if (log.first * 2 < log.entries.length) return
    log.entries.splice(0, log.first)
    log.first = 0
  }

  /** Forgets what is over, or too much, of the topics that nobody has published to for longest. */
  #tidy (now: number): void {
    for (const [topic, { expires }] of this.#empty) {
      if (expires > now && this.#emptyBytes <= this.#maxBytes * EMPTY_SHARE) break
      this.#forgetEmpty(topic)
    }
    for (const [topic, log] of this.#logs) {
      const last = log.entries.at(-1)
      const isOver = log.expires <= now
      if (!isOver && !this.#isTooMuch() && (last === undefined || last.expires > now)) return
      while (log.first < log.entries.length && (this.#isTooMuch() || (log.entries[log.first] as Entry).expires <= now)) this.#drop(log)
      if (!isOver && !this.#isTooMuch()) continue
      this.#logs.delete(topic)
      this.#bytes -= sizeOf(topic)
    }
  }

  #isTooMuch (): boolean {
    return this.bytes > this.#maxBytes
  }
}

function sizeOf (topic: string): number {
  return topic.length * 2 + OVERHEAD
}
