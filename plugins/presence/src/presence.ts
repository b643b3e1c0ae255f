import {
  bindMethods, concernsTopic, fitsTopic, type MayRead, type MemberWatcher, type Misuse, RateLimit, Sweep, tapMessages, type TopicHost, type TopicMember,
  type TopicRights
} from '@fastify-airlock/core'
import type { PresenceOffer } from '@fastify-airlock/protocol'
import type { FastifyBaseLogger } from 'fastify'
import type { WebSocket } from 'ws'
import { PresenceCheck } from './check.js'
import type { Cluster } from './cluster.js'
import { combine, type NodeEntry, type State } from './entry.js'
import { WSA_PRESENCE_ERR_INVALID_TOPIC, WSA_PRESENCE_ERR_REGISTERED_TWICE, WSA_PRESENCE_ERR_TOO_MANY_STATES, WSA_PRESENCE_ERR_UNKNOWN_SOCKET } from './errors.js'
import { isPlace } from './messages.js'
import type { PresenceSettings } from './options.js'
import { Own } from './own.js'
import { Peers } from './peers.js'
import { PresenceSession, type SessionContext, type Watch } from './session.js'
import { Reports } from './reports.js'
import { isState, toState } from './state.js'
import { createStats } from './stats.js'
import type { PresenceChange, PresenceUser, WsPresence } from './types.js'

/** Topics of which it is remembered whether they are kept. */
const MAX_KNOWN = 10_000

/** A connection of the hub. */
interface Seat {
  readonly member: TopicMember
  /** Those of its topics whose presence is kept. */
  readonly topics: Set<string>
  /** What it has set, by topic, whether it is there or not. */
  states: Map<string, State> | null
  session: PresenceSession | null
}

/** The clocks of {@link Presence}. */
export interface PresenceClock {
  /**
   * A monotonic clock, in milliseconds.
   * @default performance.now
   */
  now?: () => number
  /**
   * The time of day, in milliseconds since the epoch.
   * @default Date.now
   */
  wall?: () => number
}

/** Settings of {@link Presence}. */
export interface PresenceParts {
  settings: PresenceSettings
  host: TopicHost
  cluster: Cluster
  misuse: Misuse
  log: Pick<FastifyBaseLogger, 'error'>
  clock?: PresenceClock
}

/** {@link WsPresence} as a plain class. */
export class Presence implements WsPresence, MemberWatcher, SessionContext {
  readonly offer: PresenceOffer
  readonly stats = createStats()
  readonly host: TopicHost
  readonly watchLimit: RateLimit
  readonly stateLimit: RateLimit
  readonly leases: Sweep<PresenceSession>
  readonly watching = new Set<PresenceSession>()
  readonly now: () => number
  readonly wall: () => number
  readonly #parts: PresenceParts
  readonly #check: PresenceCheck
  readonly #own: Own
  /** `null` without a bus. */
  readonly #peers: Peers | null
  readonly #seats = new Map<TopicMember, Seat>()
  readonly #reports: Reports
  readonly #kept = new Map<string, boolean>()
  #lastState = 0
  #closed = false

  constructor (parts: PresenceParts) {
    const { settings, host, cluster, misuse, log, clock: { now = () => performance.now(), wall = Date.now } = {} } = parts
    const { grace } = settings
    if (!host.watch(this)) throw new WSA_PRESENCE_ERR_REGISTERED_TWICE()
    this.#parts = parts
    this.host = host
    this.now = now
    this.wall = wall
    this.offer = { max: settings.maxTopics }
    this.watchLimit = new RateLimit(settings.watchRate)
    this.stateLimit = new RateLimit(settings.stateRate)
    this.leases = new Sweep(session => session.askAll(), { now })
    this.#reports = new Reports({
      ...settings,
      host,
      log,
      now,
      stats: this.stats,
      subjects: topic => this.#subjects(topic),
      find: (topic, subject) => this.#find(topic, subject),
      onReport: () => { this.#peers?.flush() }
    })
    this.#check = new PresenceCheck({ ...settings, host, misuse, log, now })
    this.#own = new Own({
      grace,
      now,
      onChange: (topic, subject) => {
        this.stats.subjects = this.#own.size
        this.#peers?.mark(topic, subject)
        if (this.#reports.mark(topic, subject) || this.#peers !== null) this.#reports.schedule()
      }
    })
    this.#peers = host.hasBus
      ? new Peers({
        grace,
        syncInterval: settings.syncInterval,
        now,
        startedAt: wall() + Math.random(),
        cluster,
        stats: this.stats,
        log,
        own: this.#own.topics,
        isState: value => isState(value, settings.maxStateBytes),
        saw: at => { this.#lastState = Math.max(this.#lastState, at) },
        onChange: (topic, subject) => {
          if (this.#reports.mark(topic, subject)) this.#reports.schedule()
        }
      })
      : null
    bindMethods(this)
  }

  accept (socket: WebSocket): void {
    const seat = this.#seatOf(socket)
    if (seat === undefined || seat.session !== null) return
    seat.session = new PresenceSession(this, seat.member)
    tapMessages(socket, seat.session)
  }

  of (topic = ''): PresenceUser[] {
    this.#requireKept(topic)
    return Array.from(new Set(this.#subjects(topic)), subject => this.#find(topic, subject) as PresenceUser)
  }

  watch (topic: string, listener: (change: PresenceChange) => unknown): () => void {
    this.#requireKept(topic)
    return this.#reports.listen(topic, listener)
  }

  set (socket: WebSocket, topic: string, state: unknown): void {
    this.#requireKept(topic)
    const seat = this.#seatOf(socket)
    const value = toState(state, this.#parts.settings.maxStateBytes)
    if (seat === undefined) return
    if (!this.#set(seat, topic, value)) throw new WSA_PRESENCE_ERR_TOO_MANY_STATES()
  }

  setFor (member: TopicMember, topic: string, state: unknown): 'invalid' | 'too_many' | undefined {
    if (!this.keeps(topic) || !isState(state, this.#parts.settings.maxStateBytes)) return 'invalid'
    return this.#set(this.#seats.get(member) as Seat, topic, state) ? undefined : 'too_many'
  }

  keeps (topic: string): boolean {
    const { topics, everyone } = this.#parts.settings
    if (topic === '') return everyone
    let kept = this.#kept.get(topic)
    if (kept === undefined) {
      kept = topics.some(pattern => fitsTopic(pattern, topic))
      if (this.#kept.size >= MAX_KNOWN) this.#kept.clear()
      this.#kept.set(topic, kept)
    }
    return kept
  }

  mayWatch (member: TopicMember, topic: string): MayRead | Promise<MayRead> {
    return this.#check.ask(member, topic)
  }

  follow (watch: Watch): void {
    this.#reports.follow(watch.topic, watch)
  }

  unfollow (watch: Watch): void {
    this.#reports.unfollow(watch.topic, watch)
  }

  came (member: TopicMember): void {
    if (this.#closed || this.#seats.has(member)) return
    const seat: Seat = { member, topics: new Set(), states: null, session: null }
    this.#seats.set(member, seat)
    if (this.keeps('')) this.#join(seat, '')
  }

  went (member: TopicMember, isOver: boolean): void {
    const seat = this.#seats.get(member)
    if (seat === undefined) return
    this.#seats.delete(member)
    seat.session?.end()
    for (const topic of seat.topics) this.#own.leave(member, topic, member.subject, !isOver)
  }

  disconnected (isMeant: (member: TopicMember) => boolean, subject: string | undefined): void {
    this.#own.end(isMeant)
    if (subject !== undefined) this.#peers?.end(subject)
  }

  joined (member: TopicMember, topic: string): void {
    const seat = this.#seats.get(member)
    if (seat !== undefined && this.keeps(topic)) this.#join(seat, topic)
  }

  left (member: TopicMember, topic: string): void {
    const seat = this.#seats.get(member)
    if (seat === undefined) return
    if (seat.topics.delete(topic)) this.#own.leave(member, topic, member.subject, false)
    seat.session?.left(topic)
  }

  rights (kind: 'reauthorize' | 'evict', rights: TopicRights, given: number): void {
    for (const session of [...this.watching]) session.rights(kind, rights, given)
    const { subject } = rights
    if (kind === 'reauthorize' || subject === undefined) return
    const concerns = (topic: string): boolean => topic !== '' && concernsTopic(rights, topic)
    this.#own.end((member, topic) => member.subject === subject && member.since <= given && concerns(topic))
    this.#peers?.end(subject, concerns)
  }

  bus (state: 'up' | 'down'): void {
    if (state === 'down') return
    this.host.ready().then(ready => {
      if (ready && !this.#closed) this.#peers?.up()
    })
  }

  closing (): void {
    // Who has gone for good by now is not among those who may come back.
    this.#peers?.flush()
    this.#peers?.leave()
  }

  /** Reports what has changed, to the other nodes and to who watches. The timer does so as well. */
  flush (): void {
    this.#reports.flush()
  }

  /** Acts on all that is due. The timers do so as well. */
  tick (): void {
    this.#own.tick()
    this.#peers?.tick()
    this.leases.tick()
    this.#check.tick()
    this.#reports.tick()
  }

  /** Tells the other nodes where this one stands. The timer does so as well. */
  beat (): void {
    this.#peers?.beat()
  }

  close (): void {
    this.#closed = true
    this.#peers?.close()
    for (const session of [...this.watching]) session.end()
    this.#seats.clear()
    for (const part of [this.#own, this.leases, this.#check, this.#reports]) part.close()
  }

  /** @throws {@link WSA_PRESENCE_ERR_UNKNOWN_SOCKET} */
  #seatOf (socket: WebSocket): Seat | undefined {
    const member = this.host.member(socket)
    const seat = member && this.#seats.get(member)
    // A socket may close at any moment: the caller has made no mistake.
    if (seat === undefined && !this.#closed && socket.readyState === socket.OPEN) throw new WSA_PRESENCE_ERR_UNKNOWN_SOCKET()
    return seat
  }

  #requireKept (topic: string): void {
    if (!isPlace(topic) || !this.keeps(topic)) throw new WSA_PRESENCE_ERR_INVALID_TOPIC()
  }

  #join ({ member, topics, states }: Seat, topic: string): void {
    topics.add(topic)
    this.#own.join(member, topic, member.subject, states?.get(topic))
  }

  /** @returns whether there was room for it */
  #set (seat: Seat, topic: string, value: unknown): boolean {
    const { member, topics } = seat
    const states = seat.states ??= new Map()
    let state: State | undefined
    if (value === null) states.delete(topic)
    else if (!states.has(topic) && states.size >= this.offer.max) return false
    else {
      // Later than all that is known, whatever the clocks of other nodes say.
      this.#lastState = Math.min(Math.max(Math.floor(this.wall()), this.#lastState + 1), Number.MAX_SAFE_INTEGER)
      states.set(topic, state = { at: this.#lastState, value })
    }
    if (topics.has(topic)) this.#own.set(member, topic, member.subject, state)
    return true
  }

  * #subjects (topic: string): Generator<string, void, undefined> {
    yield * this.#own.topics.get(topic)?.keys() ?? []
    if (this.#peers !== null) yield * this.#peers.subjects(topic)
  }

  #find (topic: string, subject: string): PresenceUser | undefined {
    return combine(subject, this.#entries(topic, subject))
  }

  * #entries (topic: string, subject: string): Generator<NodeEntry, void, undefined> {
    const own = this.#own.find(topic, subject)
    if (own !== undefined) yield { node: this.#parts.cluster.node, connections: own.connections, state: own.state }
    if (this.#peers !== null) yield * this.#peers.entries(topic, subject)
  }
}
