import { Sweep, type Sweepable } from '@fastify-airlock/core'
import type { Entry, NodeEntry } from './entry.js'
import { type BusMessage, stateOf, type Tuple, type Users } from './wire.js'

/** Changes that wait for one before them. Beyond that everything is asked for anyway. */
const MAX_WAITING = 256

/** Shortest time between two requests for everything to one node, in milliseconds. */
const ASK_INTERVAL = 1_000

/** What a message says of the users of a node. */
type Said = Extract<BusMessage, { version: number }>

type Change = Extract<BusMessage, { kind: 'change' }>
type Page = Extract<BusMessage, { kind: 'page' }>

/** What is known of another node. */
class Picture implements Sweepable {
  /** The end of the grace, for one that has shut down. */
  due = 0
  life = -Infinity
  version = 0
  topics = new Map<string, Map<string, Entry>>()
  /** Changes of the newest life that wait for one before them, by version. */
  waiting = new Map<number, Change>()
  waitingLife = -Infinity
  /** The parts of everything that are here. */
  pages = new Map<number, Page>()
  askedAt = -Infinity
  /** It is shutting down. */
  isLeaving = false
  /** It has shut down: its users have no connections, and may come back elsewhere within the grace. */
  hasLeft = false
  readonly node: string

  constructor (node: string) {
    this.node = node
  }
}

/** Settings of {@link Pictures}. */
export interface PicturesSettings {
  /** How long the users of a node that has shut down are still there, in milliseconds. */
  grace: number
  /** Called with each user and topic of which a node now says something else. */
  onChange: (topic: string, subject: string) => void
  /** Asks a node for everything. `life` is the one it has, as far as is known. */
  ask: (node: string, life: number) => void
  /** Whether a state is small enough. */
  isState: (value: unknown) => boolean
  /** Called with the time of each state. */
  saw: (at: number) => void
  /** A monotonic clock, in milliseconds. */
  now: () => number
}

/**
 * What the other nodes say of the users of their connections. Each node is the only one that changes what it says, and counts its
 * changes: whatever is lost, doubled or comes in another order, a later version replaces an earlier one.
 */
export class Pictures {
  readonly #settings: PicturesSettings
  readonly #now: () => number
  readonly #nodes = new Map<string, Picture>()
  readonly #graces: Sweep<Picture>

  constructor (settings: PicturesSettings) {
    this.#settings = settings
    this.#now = settings.now
    this.#graces = new Sweep(picture => this.#drop(picture), { now: this.#now })
  }

  /** Other nodes of which something is known. */
  get size (): number {
    return this.#nodes.size
  }

  /** What each node says of a user. */
  * entries (topic: string, subject: string): Generator<NodeEntry, void, undefined> {
    for (const { node, topics, hasLeft } of this.#nodes.values()) {
      const entry = topics.get(topic)?.get(subject)
      if (entry !== undefined) yield { node, connections: hasLeft ? 0 : entry.connections, state: entry.state }
    }
  }

  /** The users of a topic, those of several nodes several times. */
  * subjects (topic: string): Generator<string, void, undefined> {
    for (const { topics } of this.#nodes.values()) yield * topics.get(topic)?.keys() ?? []
  }

  /** Takes what a node says of its users. */
  receive (node: string, message: Said): void {
    const picture = this.#nodes.get(node)
    // One that is not here is asked when it is. What comes late from one that is gone must not bring its users back: nobody would take them away again.
    if (picture === undefined || picture.hasLeft) return
    const { kind, life, version } = message
    // The node has set its clock back and started anew: it takes a later life when it hears of this one.
    if (life < picture.life) return kind === 'version' ? this.#ask(picture) : undefined
    if (kind === 'page') this.#collect(picture, message)
    else if (kind === 'change') this.#line(picture, message)
    else if (version === 0 && life > picture.life) this.#replace(picture, life, 0, [])
    if (kind !== 'page' && (life > picture.life || version > picture.version)) this.#ask(picture)
  }

  /** A node is here, for the first time or again. */
  here (node: string): void {
    const before = this.#nodes.get(node)
    if (before?.hasLeft === true) this.#drop(before)
    const picture = this.#nodes.get(node) ?? new Picture(node)
    this.#nodes.set(node, picture)
    this.#ask(picture)
  }

  /** Asks those of which nothing is known: the bus did not take it before. */
  askUnknown (): void {
    for (const picture of this.#nodes.values()) {
      if (picture.life > -Infinity) continue
      picture.askedAt = -Infinity
      this.#ask(picture)
    }
  }

  /**
   * A node has died, or is not reached: so are its users. Those of one that has shut down come back elsewhere, if they do, within the
   * grace.
   */
  gone (node: string): void {
    const picture = this.#nodes.get(node)
    if (picture === undefined || picture.hasLeft) return
    const { grace } = this.#settings
    if (!picture.isLeaving || grace === 0) return this.#drop(picture)
    picture.hasLeft = true
    this.#graces.set(picture, grace)
    this.#announce(picture)
  }

  /** A user of a node that has shut down is not meant to come back to some topics. */
  end (subject: string, concerns: (topic: string) => boolean): void {
    for (const { topics, hasLeft } of this.#nodes.values()) {
      if (!hasLeft) continue
      for (const [topic, users] of topics) if (concerns(topic) && users.delete(subject)) this.#settings.onChange(topic, subject)
    }
  }

  /** A node begins to shut down. */
  bye (node: string): void {
    const picture = this.#nodes.get(node)
    if (picture !== undefined) picture.isLeaving = true
  }

  /** Acts on every grace that has ended. The timer does so as well. */
  tick (): void {
    this.#graces.tick()
  }

  close (): void {
    this.#graces.close()
  }

  #drop (picture: Picture): void {
    this.#graces.clear(picture)
    this.#nodes.delete(picture.node)
    this.#announce(picture)
  }

  #announce ({ topics }: Picture): void {
    for (const [topic, users] of topics) for (const subject of users.keys()) this.#settings.onChange(topic, subject)
  }

  #ask (picture: Picture): void {
    const now = this.#now()
    if (now - picture.askedAt < ASK_INTERVAL) return
    picture.askedAt = now
    this.#settings.ask(picture.node, picture.life)
  }

  /** Applies a change in its turn, and those that waited for it. */
  #line (picture: Picture, change: Change): void {
    const { life, version } = change
    if (life > picture.waitingLife) {
      picture.waitingLife = life
      picture.waiting.clear()
    }
    // A life begins with nobody.
    if (life > picture.life && version === 1) this.#replace(picture, life, 0, [])
    if (life === picture.waitingLife && (life > picture.life || version > picture.version) && picture.waiting.size < MAX_WAITING) {
      picture.waiting.set(version, change)
    }
    this.#catchUp(picture)
  }

  #catchUp (picture: Picture): void {
    const { waiting } = picture
    if (picture.waitingLife !== picture.life) return
    for (const version of waiting.keys()) if (version <= picture.version) waiting.delete(version)
    for (let next = waiting.get(picture.version + 1); next !== undefined; next = waiting.get(picture.version + 1)) {
      waiting.delete(next.version)
      picture.version = next.version
      for (const [topic, users] of next.users) {
        for (const user of users) this.#put(picture, topic, user)
      }
    }
  }

  /** Keeps a part of everything, until all are there. */
  #collect (picture: Picture, page: Page): void {
    const { life, version, pages } = page
    if (life === picture.life && version <= picture.version) return
    const [other] = picture.pages.values()
    if (other !== undefined && (other.life !== life || other.version !== version || other.pages !== pages)) {
      if (other.life > life || (other.life === life && other.version > version)) return
      picture.pages.clear()
    }
    picture.pages.set(page.page, page)
    if (picture.pages.size < pages) return
    const users = [...picture.pages.values()].flatMap(({ users }) => users)
    this.#replace(picture, life, version, users)
    this.#catchUp(picture)
  }

  #replace (picture: Picture, life: number, version: number, users: Users): void {
    const before = picture.topics
    picture.topics = new Map()
    picture.life = life
    picture.version = version
    picture.pages.clear()
    for (const [topic, all] of users) for (const user of all) this.#put(picture, topic, user)
    for (const [topic, all] of before) for (const subject of all.keys()) this.#settings.onChange(topic, subject)
  }

  #put ({ topics }: Picture, topic: string, user: Tuple): void {
    const { isState, onChange, saw } = this.#settings
    const [subject, connections] = user
    let users = topics.get(topic)
    if (connections === undefined) {
      users?.delete(subject)
      if (users?.size === 0) topics.delete(topic)
    } else {
      if (users === undefined) topics.set(topic, users = new Map())
      const state = stateOf(user)
      if (state !== undefined) saw(state.at)
      users.set(subject, { connections, state: state !== undefined && isState(state.value) ? state : undefined })
    }
    onChange(topic, subject)
  }
}
