import {
  concernsTopic, type IdentityWatcher, isThenable, type MayRead, type MessageTaker, type Metered, type RateLimit, type Sweep, type Sweepable, type TopicFrame,
  type TopicHost, type TopicMember, type TopicRights, unwatchIdentity, watchIdentity
} from '@fastify-airlock/core'
import { CloseCode, type PresenceOffer } from '@fastify-airlock/protocol'
import { type ClientPresenceMessage, isPlace, type LeftReason, leftText, readMessage, type RefusalCode, refusedText } from './messages.js'
import type { PresenceStats } from './types.js'
import type { Watcher } from './watched.js'

/** Longest topic that a refusal quotes, in characters. */
const MAX_QUOTED = 256

/** The reason of `presence:left`, by what was answered. */
const REASONS: Record<Exclude<MayRead, 'allowed'>, LeftReason> = { denied: 'unauthorized', failed: 'unavailable', late: 'unavailable' }

/** What the sessions of a node share. */
export interface SessionContext {
  readonly offer: PresenceOffer
  readonly host: Pick<TopicHost, 'close' | 'deliver' | 'frame' | 'meter' | 'topicLease'>
  readonly stats: PresenceStats
  readonly watchLimit: RateLimit
  readonly stateLimit: RateLimit
  readonly leases: Sweep<PresenceSession>
  /** Those that watch something. */
  readonly watching: Set<PresenceSession>
  /** A monotonic clock, in milliseconds. */
  now (): number
  /** The time of day, in milliseconds since the epoch. */
  wall (): number
  /** Whether the presence of a topic is kept. */
  keeps (topic: string): boolean
  /** Whether a client may see who is there in a topic. */
  mayWatch (member: TopicMember, topic: string): MayRead | Promise<MayRead>
  /** Sends a client who is there, and what changes from now on. */
  follow (watch: Watch): void
  /** Ends {@link follow}. */
  unfollow (watch: Watch): void
  /** Sets a state for a client. */
  setFor (member: TopicMember, topic: string, state: unknown): 'invalid' | 'too_many' | undefined
}

/** One topic that a client watches, or asks to watch. */
export class Watch implements Watcher {
  readonly member: TopicMember
  readonly topic: string
  isAllowed = false
  isBehind = false
  rest: TopicFrame[] = []
  /** Whether it has been allowed once. */
  hasBegun = false
  /** Number of the latest question: answers to earlier ones are outdated. */
  question = 0

  constructor (member: TopicMember, topic: string) {
    this.member = member
    this.topic = topic
  }
}

/** A connection for which the extension is on. */
export class PresenceSession implements MessageTaker, IdentityWatcher, Sweepable {
  /** When rights are asked about again. */
  due = 0
  readonly #context: SessionContext
  readonly #member: TopicMember
  readonly #watches = new Map<string, Watch>()
  readonly #watching: Metered = { paidUntil: null }
  readonly #setting: Metered = { paidUntil: null }

  constructor (context: SessionContext, member: TopicMember) {
    this.#context = context
    this.#member = member
  }

  takes (text: Buffer): boolean {
    const message = readMessage(text)
    if (message === null) return false
    // `ws` goes on emitting what the peer sends until the peer answers the close frame.
    if (this.#isOpen) this.#context.host.meter(this.#member.socket)
    if (this.#isOpen) this.#handle(message)
    return true
  }

  identityChanged (): void {
    this.askAll()
  }

  /** Asks again about everything that it watches. */
  askAll (): void {
    for (const watch of [...this.#watches.values()]) this.#ask(watch)
    this.#startLease()
  }

  /** The connection has left a topic, by which it might watch it. */
  left (topic: string): void {
    const watch = this.#watches.get(topic)
    if (watch !== undefined) this.#ask(watch)
  }

  /** Rights have changed. */
  rights (kind: 'reauthorize' | 'evict', rights: TopicRights, given: number): void {
    const { subject, since } = this.#member
    if (rights.subject !== undefined && rights.subject !== subject) return
    if (kind === 'evict' && since > given) return
    for (const watch of [...this.#watches.values()]) {
      if (watch.topic === '' ? rights.topic !== undefined : !concernsTopic(rights, watch.topic)) continue
      if (kind === 'reauthorize') this.#ask(watch)
      else this.#expel(watch, 'evicted')
    }
  }

  /** The connection has closed. */
  end (): void {
    for (const watch of [...this.#watches.values()]) this.#end(watch)
  }

  get #isOpen (): boolean {
    const { socket } = this.#member
    return socket.readyState === socket.OPEN
  }

  #handle (message: ClientPresenceMessage): void {
    if (message.type === 'presence:set') return this.#set(message.topic, message.state)
    if (message.type === 'invalid') return message.topic === undefined ? this.#malformed() : this.#refuse(message.topic, 'invalid')
    if (message.topics.length > this.#context.offer.max) return this.#malformed()
    for (const topic of message.topics) {
      // A hook may have had it close.
      if (!this.#isOpen) return
      if (typeof topic !== 'string') return this.#malformed()
      if (message.type === 'presence:watch') this.#watch(topic)
      else this.#unwatch(topic)
    }
  }

  #malformed (): void {
    this.#context.host.close(this.#member.socket, CloseCode.BAD_REQUEST, 'malformed presence message')
  }

  #set (topic: string, state: unknown): void {
    const { stateLimit, now, setFor } = this.#context
    if (!stateLimit.take(this.#setting, now())) return this.#refuse(topic, 'rate', true, Math.ceil(stateLimit.wait(this.#setting, now())))
    const problem = setFor(this.#member, topic, state)
    if (problem !== undefined) this.#refuse(topic, problem, true)
  }

  #watch (topic: string): void {
    const { watchLimit, now, offer, keeps, stats } = this.#context
    if (!isPlace(topic) || !keeps(topic)) return this.#refuse(topic, 'invalid')
    // The answer to this one counts, whatever it is.
    this.#unwatch(topic)
    if (!watchLimit.take(this.#watching, now())) return this.#refuse(topic, 'rate', undefined, Math.ceil(watchLimit.wait(this.#watching, now())))
    if (this.#watches.size >= offer.max) return this.#refuse(topic, 'too_many')
    const watch = new Watch(this.#member, topic)
    this.#watches.set(topic, watch)
    stats.watches++
    if (this.#watches.size === 1) {
      this.#context.watching.add(this)
      watchIdentity(this.#member.identity, this)
      this.#startLease()
    }
    this.#ask(watch)
  }

  #unwatch (topic: string): void {
    const watch = this.#watches.get(topic)
    if (watch !== undefined) this.#end(watch)
  }

  #ask (watch: Watch): void {
    const question = ++watch.question
    const answer = this.#context.mayWatch(watch.member, watch.topic)
    if (!isThenable(answer)) return this.#settle(watch, answer)
    watch.isAllowed = false
    answer.then(answer => { if (watch.question === question) this.#settle(watch, answer) })
  }

  #settle (watch: Watch, answer: MayRead): void {
    // The hook itself may have had it end.
    if (this.#watches.get(watch.topic) !== watch) return
    if (answer !== 'allowed') {
      if (watch.hasBegun) return this.#expel(watch, this.#isExpired(answer) ? 'expired' : REASONS[answer])
      this.#end(watch)
      return this.#refuse(watch.topic, answer === 'denied' ? 'forbidden' : 'unavailable')
    }
    watch.isAllowed = true
    if (watch.hasBegun && !watch.isBehind && watch.rest.length === 0) return
    watch.hasBegun = true
    this.#context.follow(watch)
  }

  #isExpired (answer: MayRead): boolean {
    const { expiresAt } = this.#member.identity
    return answer === 'denied' && typeof expiresAt === 'number' && expiresAt <= this.#context.wall()
  }

  #expel (watch: Watch, reason: LeftReason): void {
    const { hasBegun } = watch
    this.#end(watch)
    if (hasBegun) this.#send(leftText(watch.topic, reason))
    else this.#refuse(watch.topic, 'forbidden')
  }

  #end (watch: Watch): void {
    watch.question++
    watch.isAllowed = false
    this.#watches.delete(watch.topic)
    this.#context.stats.watches--
    this.#context.unfollow(watch)
    if (this.#watches.size > 0) return
    this.#context.watching.delete(this)
    unwatchIdentity(this.#member.identity, this)
    this.#context.leases.clear(this)
  }

  #startLease (): void {
    const { leases, host, wall } = this.#context
    const { expiresAt } = this.#member.identity
    const life = typeof expiresAt === 'number' ? expiresAt - wall() : Infinity
    const delay = life > 0 ? Math.min(life, host.topicLease) : host.topicLease
    if (this.#watches.size === 0 || delay === Infinity) leases.clear(this)
    else leases.set(this, delay)
  }

  #refuse (topic: string, code: RefusalCode, state?: true, retryAfter?: number): void {
    this.#context.stats.refused[code]++
    this.#send(refusedText(topic.slice(0, MAX_QUOTED), code, state, retryAfter))
  }

  /** Behind what the hub sends. */
  #send (text: string): void {
    const { host } = this.#context
    host.deliver('', [this.#member], host.frame(text))
  }
}
