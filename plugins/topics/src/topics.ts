import {
  fitsTopic, grants, isTopic, logError, type Misuse, peek, RateLimit, sessionOf, takersOf, tapMessages, type TopicFrame, type TopicGuest, type TopicHost, type TopicMember, type TopicPlace, type TopicRights
} from '@fastify-airlock/core'
import type { TopicsOffer } from '@fastify-airlock/protocol'
import type { FastifyBaseLogger } from 'fastify'
import { createHash } from 'node:crypto'
import type { WebSocket } from 'ws'
import { auditPublication } from './audit.js'
import { ClaimGrants } from './claim-grants.js'
import {
  WSA_TOPICS_ERR_CONFLICT, WSA_TOPICS_ERR_FILTER, WSA_TOPICS_ERR_INVALID_DATA, WSA_TOPICS_ERR_INVALID_TOPIC,
  WSA_TOPICS_ERR_REGISTERED_TWICE, WSA_TOPICS_ERR_UNAVAILABLE,
  WSA_TOPICS_ERR_UNKNOWN_SOCKET
} from './errors.js'
import type { TopicIdentity } from './identity.js'
import { type LogContext, TopicLog } from './log.js'
import { messageText, type RefusalCode } from './messages.js'
import { DENY, type HistoryOptions, type TopicsSettings } from './options.js'
import { parsePublishOptions } from './publish-options.js'
import { type SessionContext, TopicSession } from './session.js'
import { createStats } from './stats.js'
import { StoreCalls } from './store-calls.js'
import { StoreOutage } from './store-outage.js'
import type { PublicationId, TopicPosition, TopicStore } from './store.js'
import type { Published, PublishOptions, WsTopics } from './types.js'

const AUTHORIZES = grants('authorizePublish')
const FILTERS = grants('filter')

/** The code of the warning about publications without `authorizePublish`. */
const NO_ANSWER = 'WSA_TOPICS_WARN_AUTHORIZE_PUBLISH'

/** Bytes that a message of a catch-up may have beside a publication. */
const SPARE = 1_024

/** Topics whose history is remembered, as the options say it. */
const MAX_KNOWN = 10_000

/** Topics whose positions are asked for at once. */
const MAX_HEADS = 500

/** Settings of {@link Topics}. */
export interface TopicsParts {
  settings: TopicsSettings
  host: TopicHost
  misuse: Misuse
  /** Logs a warning once. */
  explain: (code: string, message: string) => void
  log: FastifyBaseLogger
  /** The claim that names the session. */
  sessionClaim: () => string
}

/** {@link WsTopics} as a plain class. */
export class Topics implements WsTopics, TopicGuest, SessionContext {
  readonly offer: TopicsOffer
  readonly stats = createStats()
  readonly host: TopicHost
  readonly log: FastifyBaseLogger
  readonly subscribeLimit: RateLimit
  readonly publishLimit: RateLimit
  readonly #settings: TopicsSettings
  readonly #parts: TopicsParts
  readonly #store: TopicStore
  readonly #calls: StoreCalls
  readonly #hooks: StoreCalls
  readonly #context: LogContext
  readonly #claims: ClaimGrants | null
  readonly #logs = new Map<string, { log: TopicLog, holders: number }>()
  readonly #known = new Map<string, HistoryOptions | false | undefined>()
  readonly #patterns: Array<[pattern: string, history: HistoryOptions | false]>
  readonly #timer: NodeJS.Timeout | undefined
  #comparing = false

  constructor (parts: TopicsParts) {
    const { settings, host, log } = parts
    const { store, storeTimeout, authorizeTimeout, gapTimeout, grants: claim } = settings
    this.#parts = parts
    this.#settings = settings
    this.host = host
    this.log = log
    this.offer = { max: Math.min(settings.maxTopics, host.maxTopics) }
    this.subscribeLimit = new RateLimit(settings.subscribeRate)
    this.publishLimit = new RateLimit(settings.publishRate)
    this.#store = store
    this.#calls = new StoreCalls(storeTimeout, new StoreOutage(log))
    this.#hooks = new StoreCalls(authorizeTimeout)
    this.#context = { host, store, calls: this.#calls, stats: this.stats, gapTimeout, log }
    this.#patterns = Object.entries(settings.topics).map(([pattern, { history }]) => [pattern, history])
    this.#claims = claim === false ? null : new ClaimGrants(claim)
    if (!host.attach(this)) throw new WSA_TOPICS_ERR_REGISTERED_TWICE()
    if (this.#claims !== null) {
      const claims = this.#claims
      host.grantBy((identity, topic) => claims.grants(identity as TopicIdentity, topic, 'read'))
    }
    if (store.local !== true) this.#timer = setInterval(() => { this.compareHeads().catch(() => {}) }, settings.headInterval).unref()
    this.publish = this.publish.bind(this)
    this.accept = this.accept.bind(this)
    this.position = this.position.bind(this)
  }

  accept (socket: WebSocket): void {
    const member = this.host.member(socket)
    if (member === undefined) {
      if (socket.readyState === socket.OPEN) throw new WSA_TOPICS_ERR_UNKNOWN_SOCKET()
      return
    }
    if (sessionOn(socket) === undefined) tapMessages(socket, new TopicSession(this, member))
  }

  async publish (topic: string, data: unknown, options?: PublishOptions): Promise<Published> {
    if (!isTopic(topic)) throw new WSA_TOPICS_ERR_INVALID_TOPIC()
    const text = toJson(data)
    const { history = this.historyOf(topic), id, except, filter, local } = parsePublishOptions(options)
    const selects = except !== undefined || filter !== undefined || local === true
    if (selects && (history || (filter !== undefined && local !== true && this.host.hasBus))) throw new WSA_TOPICS_ERR_FILTER()
    const key = id === undefined ? undefined : this.#idOf(['server', id], topic, text)
    if (!selects) return await this.#publish(topic, text, history, key)
    const frame = this.#frame(topic, text, null)
    if (key !== undefined && await this.#claim(topic, key) === 'repeated') return {}
    this.stats.published++
    const found = this.#logs.get(topic)
    if (local !== true) this.host.send(topic, frame, null)
    found?.log.select(frame, ({ identity, socket }) => socket !== except && (filter === undefined || this.#parts.misuse.isGrantedNow(FILTERS, filter(identity as TopicIdentity, socket))))
    return {}
  }

  /** Publishes for a client. */
  async publishFor (member: TopicMember, topic: string, id: string, data: unknown): Promise<Published | RefusalCode> {
    const answer = await this.#publishFor(member, topic, id, data)
    auditPublication(member, topic, typeof answer === 'string' ? answer : null)
    return answer
  }

  async #publishFor (member: TopicMember, topic: string, id: string, data: unknown): Promise<Published | 'invalid' | 'forbidden' | 'unavailable' | 'conflict'> {
    const { identity } = member
    try {
      const text = toJson(data)
      if (Buffer.byteLength(text) > this.#settings.maxMessageBytes) return 'invalid'
      const allowed = await this.#mayPublish(identity as TopicIdentity, topic, id, data)
      if (allowed !== true) return allowed === false ? 'forbidden' : 'unavailable'
      const session = sessionOf(identity.claims, this.#parts.sessionClaim()) ?? null
      return await this.#publish(topic, text, this.historyOf(topic), this.#idOf(['client', identity.subject, session, id], topic, text))
    } catch (err) {
      const code = peek(err, 'code')
      if (code === 'WSA_TOPICS_ERR_CONFLICT') return 'conflict'
      // What was nested too deep can be parsed, but not written again.
      if (code === 'WSA_HUB_ERR_DATA_SIZE' || code === 'WSA_TOPICS_ERR_INVALID_DATA') return 'invalid'
      // That the store does not answer is logged once.
      if (code === 'WSA_TOPICS_ERR_UNAVAILABLE') return 'unavailable'
      logError(this.log, err, 'a publication of a client has failed', { topic })
      return 'unavailable'
    }
  }

  async position (topic: string): Promise<TopicPosition | null> {
    if (!isTopic(topic)) throw new WSA_TOPICS_ERR_INVALID_TOPIC()
    const history = this.historyOf(topic)
    if (history) return await this.#ask(() => this.#store.open(topic, history.ttl))
    return (await this.#ask(() => this.#store.read(topic, null, 1))).position
  }

  /** What is kept of a topic, as the options say it; `undefined` where they say nothing. */
  historyOf (topic: string): HistoryOptions | false | undefined {
    if (this.#patterns.length === 0) return undefined
    if (this.#known.has(topic)) return this.#known.get(topic)
    const history = this.#patterns.find(([pattern]) => fitsTopic(pattern, topic))?.[1]
    if (this.#known.size >= MAX_KNOWN) this.#known.clear()
    this.#known.set(topic, history)
    return history
  }

  /** The log of a topic, for one subscription more. */
  hold (topic: string): TopicLog {
    let held = this.#logs.get(topic)
    if (held === undefined) {
      const log = new TopicLog(topic, this.historyOf(topic), this.#context)
      this.#logs.set(topic, held = { log, holders: 0 })
      this.stats.topics++
      this.host.listen(topic)
      // What other nodes publish until they are heard is found then.
      if (this.host.hasBus && log.history !== false) this.host.ready().then(() => this.#compare([log])).catch(() => {})
    }
    held.holders++
    return held.log
  }

  /** Ends {@link hold} of one subscription. */
  release (topic: string): void {
    const held = this.#logs.get(topic)
    if (held === undefined || --held.holders > 0) return
    held.log.close()
    this.#logs.delete(topic)
    this.stats.topics--
    this.host.unlisten(topic)
  }

  /** Sends a member what is no content of a topic. */
  sendTo (member: TopicMember, text: string): void {
    this.host.deliver('', [member], this.host.frame(text))
  }

  left (member: TopicMember, topic: string, reason: string | undefined): void {
    sessionOn(member.socket)?.left(topic, reason)
  }

  rights (rights: TopicRights, given: number): void {
    this.#claims?.revise(rights, given)
  }

  receive (topic: string, frame: TopicFrame, place: TopicPlace | null): void {
    this.#logs.get(topic)?.log.receive(frame, place)
  }

  bus (state: 'up' | 'down'): void {
    if (state === 'down') return
    // One look at many heads in place of a read of each topic.
    this.#compare(this.#kept()).catch(() => { this.#suspectAll() })
  }

  /** Compares the positions of this node's topics with those of the store. The timer does so as well. */
  async compareHeads (): Promise<void> {
    if (this.#comparing) return
    this.#comparing = true
    try {
      await this.#compare(this.#kept())
    } catch {
      // Neither the other nodes nor the store are there: nobody knows what is missed.
      if (!this.host.busIsUp) this.#suspectAll()
    } finally {
      this.#comparing = false
    }
  }

  close (): void {
    clearInterval(this.#timer)
    for (const { log } of this.#logs.values()) log.close()
  }

  /** The logs of topics that are kept, or may be: a publication may say so itself. */
  #kept (): TopicLog[] {
    return [...this.#logs.values()].map(({ log }) => log).filter(({ history, position }) => history !== false || position !== null)
  }

  #suspectAll (): void {
    for (const { log } of this.#logs.values()) log.suspect()
  }

  async #compare (logs: TopicLog[]): Promise<void> {
    for (let at = 0; at < logs.length; at += MAX_HEADS) {
      const some = logs.slice(at, at + MAX_HEADS)
      const heads = await this.#calls.ask(() => this.#store.heads(some.map(({ topic }) => topic)))
      for (const [index, log] of some.entries()) log.compare(heads[index] ?? null)
    }
  }

  async #publish (topic: string, text: string, history: HistoryOptions | false | undefined, id: PublicationId | undefined): Promise<Published> {
    if (!history) {
      const frame = this.#frame(topic, text, null)
      if (id !== undefined && await this.#claim(topic, id) === 'repeated') return {}
      this.stats.published++
      this.host.send(topic, frame, null)
      this.#logs.get(topic)?.log.receive(frame, null)
      return {}
    }
    // Before it is kept: what nobody can be sent must not stand in the way of what follows.
    this.host.checkSize(this.host.frame(JSON.stringify(topic) + text), SPARE)
    const { position, claimed } = await this.#ask(() => this.#store.append(topic, text, { ...history, id }))
    if (claimed === 'conflict') throw new WSA_TOPICS_ERR_CONFLICT()
    // The first one was not kept: the topic had no history then.
    if (position.offset === 0) return {}
    if (claimed === 'new') this.stats.published++
    const held = this.#logs.get(topic)
    if (held !== undefined || this.host.hasBus) {
      const frame = this.host.frame(messageText(topic, text, position))
      // Also one that was there: who has appended it may have died before it could tell the others.
      this.host.send(topic, frame, position)
      held?.log.receive(frame, position)
    }
    return { position }
  }

  #frame (topic: string, text: string, position: TopicPosition | null): TopicFrame {
    const frame = this.host.frame(messageText(topic, text, position))
    this.host.checkSize(frame, 0)
    return frame
  }

  async #claim (topic: string, id: PublicationId): Promise<'new' | 'repeated'> {
    const claimed = await this.#ask(() => this.#store.claim(topic, id))
    if (claimed === 'conflict') throw new WSA_TOPICS_ERR_CONFLICT()
    return claimed
  }

  async #ask<T> (call: () => T | PromiseLike<T>): Promise<T> {
    try {
      return await this.#calls.ask(call)
    } catch (cause) {
      throw new WSA_TOPICS_ERR_UNAVAILABLE({ cause })
    }
  }

  /** @returns `null` where there is no answer */
  async #mayPublish (identity: TopicIdentity, topic: string, id: string, data: unknown): Promise<boolean | null> {
    if (this.#claims?.grants(identity, topic, 'write') === true) return true
    const { authorizePublish } = this.#settings
    if (authorizePublish === DENY) this.#parts.explain(NO_ANSWER, 'A client wants to publish, and there is no authorizePublish, so every publication is denied: give wsTopics one')
    try {
      const answer: unknown = await this.#hooks.ask<unknown>(() => authorizePublish(identity, topic, { data, id }))
      return this.#parts.misuse.isGranted(AUTHORIZES, answer)
    } catch (err) {
      logError(this.log, err, 'a publication could not be authorized', { topic })
      return null
    }
  }

  /** Two clients, or two sessions of one, never share an id. */
  #idOf (name: unknown[], topic: string, text: string): PublicationId {
    const hash = (content: string): string => createHash('sha256').update(content).digest('base64url')
    return { key: hash(JSON.stringify(name)), digest: hash(text), window: this.#settings.publishWindow }
  }
}

/** The session of a socket for which the extension is on. */
function sessionOn (socket: WebSocket): TopicSession | undefined {
  return takersOf(socket).find(taker => taker instanceof TopicSession)
}

function toJson (data: unknown): string {
  let json: string | undefined
  try {
    json = JSON.stringify(data)
  } catch (cause) {
    throw new WSA_TOPICS_ERR_INVALID_DATA({ cause })
  }
  if (json === undefined) throw new WSA_TOPICS_ERR_INVALID_DATA()
  return json
}
