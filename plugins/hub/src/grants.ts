import type { IdentityWatcher, Sweepable } from '@fastify-airlock/core'
import type { CompactSet } from './compact-set.js'
import type { Frame } from './frame.js'
import type { Topic, TopicName } from './topics.js'

/** A message that waits for answers. */
interface Held {
  /** `null` once it is sent or dropped. */
  frame: Frame | null
  /** How many topics in doubt it came through that the connection has not left since. */
  topics: number
}

/** A topic of which it is being asked again whether a connection may stay. */
export interface Doubt {
  /** Number of the latest question: the answers to earlier ones are outdated. */
  question: number
  /** When the first question was asked, on the monotonic clock, in milliseconds. */
  readonly since: number
  /** Whether the connection has stayed, once that is settled. */
  readonly outcome: Promise<boolean>
  readonly resolve: (kept: boolean) => void
  /** The messages that came through it, in their order. */
  readonly held: Held[]
}

/** A request to join a topic that is under way: from the question until the connection has joined, or may not. */
export class JoinRequest implements TopicName {
  readonly name: string
  readonly wildcard: boolean
  /** Something has changed since the question: it has to be asked again. */
  stale = false
  /** Settles when the request is denied before there is an answer. */
  readonly over: Promise<'denied'>
  #deny!: (answer: 'denied') => void
  #denied = false

  constructor (name: string, wildcard: boolean) {
    this.name = name
    this.wildcard = wildcard
    this.over = new Promise(resolve => { this.#deny = resolve })
  }

  /** Whether it is denied, whatever the answer is. */
  get denied (): boolean {
    return this.#denied
  }

  /** Its topic was taken away, or nobody waits for it any more. */
  deny (): void {
    this.#denied = true
    this.#deny('denied')
  }
}

/** What one connection has by the word of `authorizeTopic`. Only connections that have asked for a topic have one. */
export class Grants<Member extends object> implements Sweepable, IdentityWatcher {
  /** The lease. */
  due = 0
  readonly connection: Member
  /** The topics that it has asked for and joined. */
  topics: CompactSet<Topic<Member>> = null
  readonly doubts = new Map<Topic<Member>, Doubt>()
  readonly joining = new Set<JoinRequest>()
  /** Bytes of the messages that wait for an answer. */
  heldBytes = 0
  readonly #onChange: (grants: Grants<Member>) => void

  constructor (connection: Member, onChange: (grants: Grants<Member>) => void) {
    this.connection = connection
    this.#onChange = onChange
  }

  identityChanged (): void {
    this.#onChange(this)
  }

  /** Whether there is nothing to remember. */
  get isEmpty (): boolean {
    return this.topics === null && this.joining.size === 0
  }

  /** Keeps a message until it is known whether the connection may have it. */
  hold (frame: Frame, through: Topic<Member>[]): void {
    const held: Held = { frame, topics: through.length }
    for (const topic of through) (this.doubts.get(topic) as Doubt).held.push(held)
    this.heldBytes += frame.bytes.length
  }

  /** Takes out the messages that came through a topic, in their order: the connection may have them. */
  release (doubt: Doubt): Frame[] {
    return this.#take(doubt, () => true)
  }

  /** Drops the messages that came through this topic alone. */
  drop (doubt: Doubt): void {
    this.#take(doubt, held => --held.topics === 0)
  }

  #take ({ held: all }: Doubt, isOver: (held: Held) => boolean): Frame[] {
    const frames: Frame[] = []
    for (const held of all) {
      const { frame } = held
      if (frame === null || !isOver(held)) continue
      held.frame = null
      this.heldBytes -= frame.bytes.length
      frames.push(frame)
    }
    return frames
  }
}
