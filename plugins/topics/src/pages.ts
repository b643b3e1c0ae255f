import type { TopicFrame } from '@fastify-airlock/core'
import { messagesText, subscribedText } from './messages.js'
import type { StoredMessage, TopicPosition, TopicRead } from './store.js'

/** Most bytes in one message of a catch-up, unless it has a single publication. */
const PAGE_BYTES = 64 * 1024

/** Bytes beside the data of a publication and its epoch. */
const BESIDE = 60

/** Bytes of a message beside its publications, its topic and the epoch. */
const HEAD = 140

/** What was read of a topic after a position, framed once for all who stand there. */
export class Pages {
  /** Whether nothing is missing after the position. */
  readonly complete: boolean
  /** The last publication of the topic. */
  readonly head: TopicPosition | null
  /** The last of those that were read; where it began if there is none. */
  readonly end: TopicPosition
  /** Whether there is more to read. */
  readonly more: boolean
  readonly #topic: string
  readonly #frame: (text: string) => TopicFrame
  readonly #pages: StoredMessage[][]
  readonly #answers: TopicFrame[] = []
  readonly #frames: TopicFrame[] = []

  /**
   * @param since the position after which it was read
   * @param maxBytes most bytes of a frame
   */
  constructor (topic: string, since: TopicPosition, { position, messages, complete }: TopicRead, frame: (text: string) => TopicFrame, maxBytes: number) {
    this.#topic = topic
    this.#frame = frame
    const epochBytes = Buffer.byteLength(JSON.stringify(since.epoch))
    const head = Buffer.byteLength(JSON.stringify(topic)) + epochBytes + HEAD
    const sizes = messages.map(({ data }) => Buffer.byteLength(data) + epochBytes + BESIDE)
    // What no connection can take is lost to all of them.
    this.complete = complete && sizes.every(size => size + head <= maxBytes)
    this.head = position
    const last = messages.at(-1)
    this.end = last === undefined ? since : { epoch: since.epoch, offset: last.offset }
    this.more = this.complete && position !== null && this.end.offset < position.offset
    this.#pages = split(messages, sizes, Math.min(PAGE_BYTES, maxBytes / 4))
  }

  /** How many frames there are: at least one for an answer. */
  count (isAnswer: boolean): number {
    return isAnswer ? Math.max(this.#pages.length, 1) : this.#pages.length
  }

  /** The frame with this number, the first of them as an answer to a subscription. */
  at (index: number, isAnswer: boolean): TopicFrame {
    const frames = isAnswer ? this.#answers : this.#frames
    frames[index] ??= this.#frame(this.#textOf(index, isAnswer))
    return frames[index]
  }

  #textOf (index: number, isAnswer: boolean): string {
    const messages = this.#pages[index] ?? []
    const more = this.more || index < this.#pages.length - 1
    const { epoch } = this.end
    return isAnswer
      ? subscribedText(this.#topic, { position: { epoch, offset: messages.at(-1)?.offset ?? this.end.offset }, recovered: true, messages, more })
      : messagesText(this.#topic, messages, epoch, more)
  }
}

function split (messages: readonly StoredMessage[], sizes: readonly number[], maxBytes: number): StoredMessage[][] {
  const pages: StoredMessage[][] = []
  let page: StoredMessage[] = []
  let bytes = 0
  for (const [index, message] of messages.entries()) {
    const more = sizes[index] as number
    if (page.length > 0 && bytes + more > maxBytes) {
      pages.push(page)
      page = []
      bytes = 0
    }
    page.push(message)
    bytes += more
  }
  if (page.length > 0) pages.push(page)
  return pages
}
