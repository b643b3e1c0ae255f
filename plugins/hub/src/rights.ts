import { inSlices, isThenable, logError, type MayRead, Sweep, unwatchIdentity, watchIdentity } from '@fastify-airlock/core'
import type { FastifyBaseLogger } from 'fastify'
import { auditNoTopic, type TopicRefusal } from './audit.js'
import { add, each, has, remove } from './compact-set.js'
import { type Connection, OPEN } from './connection.js'
import type { HubOwner, TopicLeftReason } from './events.js'
import type { FanOut } from './fan-out.js'
import type { Frame } from './frame.js'
import { Grants as GrantsOf, JoinRequest } from './grants.js'
import type { Memberships } from './memberships.js'
import type { HubSettings } from './options.js'
import type { Registry } from './registry.js'
import type { TopicCheck } from './topic-check.js'
import { overlap, type Topic, type TopicName } from './topics.js'
import type { Reauthorized, SendOptions } from './types.js'
import type { Waits } from './waits.js'

type Grants = GrantsOf<Connection>

/** Whose rights an order concerns: those of a subject, those to a topic, or those of a subject to a topic. */
export interface RightsSelection {
  subject?: string | undefined
  topic?: TopicName | undefined
}

/** Settings of {@link Rights}. */
export interface RightsSettings extends Pick<HubSettings, 'authorizeTimeout' | 'topicLease' | 'onTopicLeft'> {
  owner: HubOwner
  check: TopicCheck
  memberships: Memberships
  registry: Registry
  fanOut: FanOut
  waits: Waits
  log: Pick<FastifyBaseLogger, 'error'>
  /**
   * A monotonic clock, in milliseconds.
   * @default performance.now
   */
  now?: (() => number) | undefined
  /**
   * The time of day, in milliseconds since the epoch.
   * @default Date.now
   */
  wall?: (() => number) | undefined
}

/**
 * Takes rights to topics back while their connections live: it asks `authorizeTopic` again, and has those leave who may
 * not stay. While an answer is awaited, the messages of the topic wait as well.
 */
export class Rights {
  readonly #settings: RightsSettings
  readonly #now: () => number
  readonly #wall: () => number
  readonly #leases: Sweep<Grants>
  /** Connections that wait to join a topic. */
  readonly #joining = new Set<Grants>()

  constructor (settings: RightsSettings) {
    this.#settings = settings
    this.#now = settings.now ?? (() => performance.now())
    this.#wall = settings.wall ?? Date.now
    this.#leases = new Sweep(grants => this.#askAll(grants), { now: this.#now })
  }

  /** Joins a topic that a client asks for. */
  async requestJoin (connection: Connection, name: string, wildcard: boolean): Promise<'joined' | TopicRefusal> {
    const { check, authorizeTimeout, waits } = this.#settings
    if (waits.over) return this.#refuse(connection, name, wildcard, 'closed')
    const grants = this.#grantsOf(connection)
    const request = new JoinRequest(name, wildcard)
    grants.joining.add(request)
    this.#joining.add(grants)
    const since = this.#now()
    let answer: MayRead
    do {
      const asked = check.ask(connection.identity, name, wildcard)
      // What the hook itself has changed so far, its answer comes after.
      request.stale = false
      answer = isThenable(asked) ? await Promise.race([asked, request.over]) : asked
      // Changes that are announced again and again must not put the answer off.
      if (request.stale && this.#now() - since > authorizeTimeout) request.deny()
    } while (request.stale && !request.denied)
    // The request ends in the turn in which the connection joins: what takes the topic away finds one or the other.
    const problem = request.denied ? 'denied' : answer
    const joined = problem === 'allowed' ? this.#join(grants, request) : this.#refuse(connection, name, wildcard, problem)
    grants.joining.delete(request)
    if (grants.joining.size === 0) this.#joining.delete(grants)
    this.#tidy(grants)
    return joined
  }

  /** Takes a topic for one that the application has joined: nobody is asked about it any more. */
  own ({ grants }: Connection, topic: Topic<Connection>): void {
    if (grants === null || !has(grants.topics, topic)) return
    this.#settle(grants, topic, 'allowed')
    grants.topics = remove(grants.topics, topic)
    this.#tidy(grants)
  }

  /** Forgets what is known of a topic that a connection has left. */
  forget ({ grants }: Connection, topic: Topic<Connection>): void {
    if (grants === null || !has(grants.topics, topic)) return
    const doubt = grants.doubts.get(topic)
    if (doubt !== undefined) {
      doubt.resolve(false)
      grants.doubts.delete(topic)
      grants.drop(doubt)
    }
    grants.topics = remove(grants.topics, topic)
    this.#tidy(grants)
  }

  /** Whether a connection may read a topic now: what the application has joined is its own affair. */
  mayRead ({ identity, topics, grants }: Connection, name: string): MayRead | Promise<MayRead> {
    const topic = this.#settings.memberships.find(name)
    if (topic !== undefined && has(topics, topic) && !(grants !== null && has(grants.topics, topic))) return 'allowed'
    return this.#settings.check.ask(identity, name, false)
  }

  /** Ends what a connection that has closed still asks for. */
  abandon ({ grants }: Connection): void {
    for (const request of grants?.joining ?? []) request.deny()
  }

  /** {@link abandon} for all connections. */
  abandonAll (): void {
    for (const { connection } of this.#joining) this.abandon(connection)
  }

  /** Asks again about the selected topics of this node, in slices. */
  async reauthorize (selection: RightsSelection): Promise<Reauthorized> {
    for (const { connection, joining } of this.#joining) {
      for (const request of joining) request.stale ||= isSelected(selection, connection, request)
    }
    const result: Reauthorized = { kept: 0, left: 0 }
    await this.#settings.waits.until(this.#askSelected(selection, kept => { result[kept ? 'kept' : 'left']++ }))
    return { ...result }
  }

  /**
   * Takes a topic away from the connections of a subject, and every pattern that would bring its messages. Connections
   * that began later are spared: the order may come late.
   *
   * @param given when the order was given, in milliseconds of `performance.now()`
   * @returns how many connections of this node have left
   */
  evict (subject: string, topic: TopicName, given: number): number {
    for (const { connection, joining } of this.#joining) {
      if (connection.since > given) continue
      for (const request of joining) if (isSelected({ subject, topic }, connection, request)) request.deny()
    }
    let count = 0
    for (const connection of [...this.#settings.registry.of(subject)]) {
      if (connection.since > given) continue
      const left = [...each(connection.topics)].filter(joined => overlap(joined, topic))
      for (const joined of left) this.#expel(connection, joined, 'evicted')
      if (left.length > 0) count++
    }
    return count
  }

  /** Keeps a message for the members of whom it is not known whether they may have it. */
  hold (name: string, frame: Frame, options: SendOptions = {}): void {
    const { memberships, fanOut } = this.#settings
    const reached = memberships.members(name)
    const through = new Map<Connection, Array<Topic<Connection>>>()
    for (const topic of memberships.reached(name)) {
      for (const connection of each(topic.doubted)) {
        // It has the message already by another topic, which nobody doubts.
        if (has(reached, connection)) continue
        const topics = through.get(connection)
        if (topics === undefined) through.set(connection, [topic])
        else topics.push(topic)
      }
    }
    for (const [connection, topics] of through) {
      const grants = connection.grants as Grants
      if (!fanOut.isMeant(connection, options)) continue
      if (fanOut.hasRoom(connection, frame, grants.heldBytes)) grants.hold(frame, topics)
    }
  }

  /**
   * Keeps a message of a topic for those of whom it is not known whether they may have it.
   *
   * @returns the others
   */
  holdFor (name: string, connections: Iterable<Connection>, frame: Frame): Iterable<Connection> {
    const { memberships, fanOut } = this.#settings
    const topic = memberships.find(name)
    if (topic === undefined || topic.doubted === null) return connections
    const others: Connection[] = []
    for (const connection of connections) {
      if (!has(topic.doubted, connection)) others.push(connection)
      else {
        const grants = connection.grants as Grants
        if (fanOut.hasRoom(connection, frame, grants.heldBytes, true)) grants.hold(frame, [topic])
      }
    }
    return others
  }

  /** Has a connection leave a topic that it has asked for. What the application has joined stays. */
  relinquish (connection: Connection, name: string): void {
    const { memberships } = this.#settings
    const topic = memberships.find(name)
    if (topic !== undefined && connection.grants !== null && has(connection.grants.topics, topic)) memberships.leave(connection, name, false)
  }

  /** Acts on every lease that has ended. The timer does so as well. */
  tick (): void {
    this.#leases.tick()
  }

  #join (grants: Grants, { name, wildcard }: JoinRequest): 'joined' | TopicRefusal {
    const { memberships, registry } = this.#settings
    const { connection } = grants
    // It may have closed meanwhile, or have joined other topics.
    if (registry.get(connection.socket) !== connection || connection.socket.readyState !== OPEN) {
      return this.#refuse(connection, name, wildcard, 'closed')
    }
    // What the application has joined is the application's.
    if (memberships.has(connection, name, wildcard)) return 'joined'
    if (memberships.isFull(connection)) return this.#refuse(connection, name, wildcard, 'too many topics')
    const topic = memberships.join(connection, name, wildcard)
    grants.topics = add(grants.topics, topic)
    if (grants.due === 0) this.#startLease(grants)
    return 'joined'
  }

  #refuse (connection: Connection, name: string, wildcard: boolean, reason: TopicRefusal): TopicRefusal {
    const why = connection.socket.readyState === OPEN ? reason : 'closed'
    auditNoTopic(this.#settings.owner, connection, name, wildcard, why)
    return why
  }

  * #select (selection: RightsSelection): Generator<[Grants, Topic<Connection>], void, undefined> {
    const { registry, memberships } = this.#settings
    if (selection.subject !== undefined) {
      for (const connection of [...registry.of(selection.subject)]) {
        const { grants } = connection
        if (grants === null) continue
        for (const topic of [...each(grants.topics)]) {
          if (isSelected(selection, connection, topic)) yield [grants, topic]
        }
      }
      return
    }
    for (const topic of [...memberships.all()]) {
      if (!overlap(topic, selection.topic as TopicName)) continue
      for (const { grants } of [...each(topic.members), ...each(topic.doubted)]) {
        if (grants !== null && has(grants.topics, topic)) yield [grants, topic]
      }
    }
  }

  /** @param count called with each outcome: whether the connection has stayed */
  async #askSelected (selection: RightsSelection, count: (kept: boolean) => void): Promise<void> {
    const later: Array<Promise<void>> = []
    await inSlices(this.#select(selection), ([grants, topic]) => {
      const kept = this.#ask(grants, topic)
      if (isThenable(kept)) later.push(kept.then(count))
      else count(kept)
    })
    await Promise.all(later)
  }

  #onChange (grants: Grants): void {
    for (const request of grants.joining) request.stale = true
    this.#askAll(grants)
  }

  #askAll (grants: Grants): void {
    inSlices([...each(grants.topics)], topic => { this.#ask(grants, topic) })
    this.#startLease(grants)
  }

  /** @returns whether the connection has stayed */
  #ask (grants: Grants, topic: Topic<Connection>): boolean | Promise<boolean> {
    const { check, memberships, authorizeTimeout } = this.#settings
    // It has left since, or the application has joined it.
    if (!has(grants.topics, topic)) return has(grants.connection.topics, topic)
    let doubt = grants.doubts.get(topic)
    // Changes that are announced again and again must not put the answer off.
    const answer = doubt !== undefined && this.#now() - doubt.since > authorizeTimeout
      ? 'late'
      : check.ask(grants.connection.identity, topic.name, topic.wildcard)
    if (!isThenable(answer)) return this.#settle(grants, topic, answer)
    // The hook itself may have had it leave.
    if (!has(grants.topics, topic)) return false
    doubt = grants.doubts.get(topic)
    if (doubt === undefined) {
      let resolve!: (kept: boolean) => void
      const outcome = new Promise<boolean>(_resolve => { resolve = _resolve })
      doubt = { question: 0, since: this.#now(), outcome, resolve, held: [] }
      grants.doubts.set(topic, doubt)
      memberships.doubt(grants.connection, topic)
    }
    const asked = doubt
    const question = ++asked.question
    answer.then(answer => {
      if (grants.doubts.get(topic) === asked && asked.question === question) this.#settle(grants, topic, answer)
    })
    return asked.outcome
  }

  #settle (grants: Grants, topic: Topic<Connection>, answer: MayRead): boolean {
    const { connection, doubts } = grants
    if (!has(grants.topics, topic)) return false
    if (answer !== 'allowed') {
      this.#expel(connection, topic, answer)
      return false
    }
    const doubt = doubts.get(topic)
    if (doubt === undefined) return true
    doubts.delete(topic)
    this.#settings.memberships.settle(connection, topic)
    for (const frame of grants.release(doubt)) this.#settings.fanOut.distribute([connection], frame)
    doubt.resolve(true)
    return true
  }

  #expel (connection: Connection, { name, wildcard }: Topic<Connection>, reason: TopicLeftReason): void {
    const { memberships, onTopicLeft, log } = this.#settings
    memberships.leave(connection, name, wildcard, reason)
    const { socket, subject } = connection
    const failed = (err: unknown): void => { logError(log, err, 'onTopicLeft failed') }
    try {
      const done: unknown = onTopicLeft(socket, { subject, topic: name, wildcard, reason })
      if (isThenable(done)) done.then(undefined, failed)
    } catch (error) {
      failed(error)
    }
  }

  #startLease (grants: Grants): void {
    const { topicLease = Infinity } = this.#settings
    const { expiresAt } = grants.connection.identity
    const life = typeof expiresAt === 'number' ? expiresAt - this.#wall() : Infinity
    const delay = life > 0 ? Math.min(life, topicLease) : topicLease
    if (grants.topics === null || delay === Infinity) this.#leases.clear(grants)
    else this.#leases.set(grants, delay)
  }

  #grantsOf (connection: Connection): Grants {
    if (connection.grants !== null) return connection.grants
    const grants = connection.grants = new GrantsOf<Connection>(connection, grants => this.#onChange(grants))
    watchIdentity(connection.identity, grants)
    return grants
  }

  #tidy (grants: Grants): void {
    const { connection } = grants
    if (grants.topics === null) this.#leases.clear(grants)
    if (!grants.isEmpty || connection.grants !== grants) return
    connection.grants = null
    unwatchIdentity(connection.identity, grants)
  }
}

function isSelected ({ subject, topic }: RightsSelection, connection: Connection, name: TopicName): boolean {
  return (subject === undefined || subject === connection.subject) && (topic === undefined || overlap(topic, name))
}
