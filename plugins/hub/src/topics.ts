/// <reference path="./qlobber.d.ts" />
import { Qlobber } from 'qlobber'
import { type CompactSet, each } from './compact-set.js'

/** A topic, or a pattern of topics, that at least one connection has joined. */
export interface Topic<Member extends object> {
  readonly name: string
  /** Whether `+` and `#` in the name are wildcards. */
  readonly wildcard: boolean
  members: CompactSet<Member>
  /** Members of whom it is being asked again whether they may stay. Nothing is delivered to them meanwhile. */
  doubted: CompactSet<Member>
}

/** Finds the members of topics and patterns. */
export class Topics<Member extends object> {
  readonly #exact = new Map<string, Topic<Member>>()
  readonly #patterns = new Map<string, Topic<Member>>()
  // As mqemitter sets it up, so that a pattern means the same here and on the bus.
  readonly #matcher = new Qlobber<Topic<Member>>({
    separator: '/', wildcard_one: '+', wildcard_some: '#', match_empty_levels: true
  })

  /** The topic or pattern with exactly this name, if a connection has joined it. */
  get (name: string, wildcard: boolean): Topic<Member> | undefined {
    return this.#index(wildcard).get(name)
  }

  /** Makes a new topic. The caller adds the first member. */
  create (name: string, wildcard: boolean): Topic<Member> {
    const topic: Topic<Member> = { name, wildcard, members: null, doubted: null }
    this.#index(wildcard).set(name, topic)
    if (wildcard) this.#matcher.add(name, topic)
    return topic
  }

  /** Removes a topic without members. */
  delete (topic: Topic<Member>): void {
    this.#index(topic.wildcard).delete(topic.name)
    if (topic.wildcard) this.#matcher.remove(topic.name, topic)
  }

  /** The members that a publication reaches: each once, even if it has joined in several ways. */
  members (name: string): CompactSet<Member> {
    const found = this.reached(name)
    if (found.length === 1) return (found[0] as Topic<Member>).members
    const all = new Set<Member>()
    for (const { members } of found) {
      for (const member of each(members)) all.add(member)
    }
    return all
  }

  /** The topic and the patterns that a publication reaches. */
  reached (name: string): Array<Topic<Member>> {
    const exact = this.#exact.get(name)
    const found = this.#patterns.size === 0 ? [] : this.#matcher.match(name)
    if (exact !== undefined) found.unshift(exact)
    return found
  }

  /** All topics and patterns. */
  * all (): Generator<Topic<Member>, void, undefined> {
    yield * this.#exact.values()
    yield * this.#patterns.values()
  }

  /** The names of all topics, or of all patterns. */
  names (wildcard: boolean): string[] {
    return [...this.#index(wildcard).keys()]
  }

  #index (wildcard: boolean): Map<string, Topic<Member>> {
    return wildcard ? this.#patterns : this.#exact
  }
}

/** A topic, or a pattern of topics. */
export interface TopicName {
  readonly name: string
  /** Whether `+` and `#` in the name are wildcards. */
  readonly wildcard: boolean
}

/** Whether a message can reach the members of both: two topics with the same name, a pattern and what it matches. */
export function overlap (one: TopicName, other: TopicName): boolean {
  const [a, b] = [levelsOf(one), levelsOf(other)]
  for (let level = 0; level < Math.max(a.length, b.length); level++) {
    const [x, y] = [a[level], b[level]]
    if (x === ALL || y === ALL) return true
    if (x !== y && (x === undefined || y === undefined || (x !== ONE && y !== ONE))) return false
  }
  return true
}

const ONE = Symbol('any one level')
const ALL = Symbol('any number of levels')

function levelsOf ({ name, wildcard }: TopicName): Array<string | symbol> {
  const levels = name.split('/')
  return wildcard ? levels.map(level => level === '+' ? ONE : level === '#' ? ALL : level) : levels
}
