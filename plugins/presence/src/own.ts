import { Sweep, type Sweepable, type TopicMember } from '@fastify-airlock/core'
import type { Entry, State } from './entry.js'

/** A user in a topic, as the connections of this node make it. */
class Place implements Sweepable, Entry {
  /** The end of the grace. */
  due = 0
  connections = 0
  /** Of the connections that have one. */
  readonly states = new Map<TopicMember, State>()
  /** That of a connection which may come back. */
  kept: State | undefined
  /** The connection that has left last, while there is none. */
  last: TopicMember | undefined
  readonly topic: string
  readonly subject: string

  constructor (topic: string, subject: string) {
    this.topic = topic
    this.subject = subject
  }

  get state (): State | undefined {
    let latest: State | undefined
    // One that joins may have set its state long before.
    for (const state of this.states.values()) if (latest === undefined || state.at >= latest.at) latest = state
    return latest ?? this.kept
  }
}

/** Settings of {@link Own}. */
export interface OwnSettings {
  /** How long one who has lost the last connection is still there, in milliseconds. */
  grace: number
  /** Called with each user and topic whose entry has changed. */
  onChange: (topic: string, subject: string) => void
  /** A monotonic clock, in milliseconds. */
  now: () => number
}

/** Who is there through the connections of this node. Nobody but this node changes it. */
export class Own {
  readonly topics = new Map<string, Map<string, Place>>()
  readonly #settings: OwnSettings
  readonly #graces: Sweep<Place>
  #size = 0

  constructor (settings: OwnSettings) {
    this.#settings = settings
    this.#graces = new Sweep(place => this.#endGrace(place), { now: settings.now })
  }

  /** Users, one for each topic. */
  get size (): number {
    return this.#size
  }

  find (topic: string, subject: string): Place | undefined {
    return this.topics.get(topic)?.get(subject)
  }

  /** A connection is in a topic now. */
  join (key: TopicMember, topic: string, subject: string, state: State | undefined): void {
    let users = this.topics.get(topic)
    if (users === undefined) this.topics.set(topic, users = new Map())
    let place = users.get(subject)
    if (place === undefined) {
      users.set(subject, place = new Place(topic, subject))
      this.#size++
    }
    place.connections++
    place.last = undefined
    if (state !== undefined) this.#put(place, key, state)
    this.#settings.onChange(topic, subject)
  }

  /** @param mayReturn whether the user is still there for the grace if this was the last connection */
  leave (key: TopicMember, topic: string, subject: string, mayReturn: boolean): void {
    const place = this.find(topic, subject) as Place
    const { grace, onChange } = this.#settings
    const { state } = place
    place.states.delete(key)
    if (--place.connections === 0) {
      if (!mayReturn || grace === 0) return this.#remove(place)
      place.kept = state
      place.last = key
      this.#graces.set(place, grace)
    }
    onChange(topic, subject)
  }

  /** Ends the grace of those whose last connection is one that is not meant to come back. */
  end (isOver: (last: TopicMember, topic: string) => boolean): void {
    for (const place of [...this.#graces]) if (place.last !== undefined && isOver(place.last, place.topic)) this.#remove(place)
  }

  /** Sets the state of a connection that is in the topic. */
  set (key: TopicMember, topic: string, subject: string, state: State | undefined): void {
    const place = this.find(topic, subject) as Place
    place.kept = undefined
    if (state === undefined) place.states.delete(key)
    else this.#put(place, key, state)
    this.#settings.onChange(topic, subject)
  }

  /** Acts on every grace that has ended. The timer does so as well. */
  tick (): void {
    this.#graces.tick()
  }

  close (): void {
    this.#graces.close()
  }

  #put (place: Place, key: TopicMember, state: State): void {
    place.states.delete(key)
    place.states.set(key, state)
    place.kept = undefined
  }

  #endGrace (place: Place): void {
    if (place.connections === 0) return this.#remove(place)
    if (place.kept === undefined) return
    place.kept = undefined
    this.#settings.onChange(place.topic, place.subject)
  }

  #remove (place: Place): void {
    const { topic, subject } = place
    const users = this.topics.get(topic) as Map<string, Place>
    this.#graces.clear(place)
    users.delete(subject)
    if (users.size === 0) this.topics.delete(topic)
    this.#size--
    this.#settings.onChange(topic, subject)
  }
}
