import { isTopic, logError, type MessageTaker, type Metered, type RateLimit, type TopicHost, type TopicMember } from '@fastify-airlock/core'
import { CloseCode, type TopicsOffer } from '@fastify-airlock/protocol'
import type { FastifyBaseLogger } from 'fastify'
import type { TopicLog } from './log.js'
import {
  type ClientTopicMessage, leftText, publishedText, readMessage, readWanted, type RefusalCode, refusedText, subscribedText, topicIn, type Wanted
} from './messages.js'
import type { TopicPosition } from './store.js'
import { Subscription } from './subscription.js'
import type { Published, TopicsStats } from './types.js'

/** Publications of one client that may wait for those before them. */
const MAX_WAITING = 200

/** Topics that a client may name in one message when it was not told how many: as many as a server allows by default. */
const UNTOLD_MAX = 100

/** The reason of `topic:left`, by what the hub says. */
const REASONS: Record<string, string> = { evicted: 'evicted', denied: 'unauthorized', failed: 'unavailable', late: 'unavailable' }

type Publication = Extract<ClientTopicMessage, { type: 'topic:publish' }>

/** What the sessions of a node share. */
export interface SessionContext {
  readonly offer: TopicsOffer
  readonly host: TopicHost
  readonly stats: TopicsStats
  readonly log: Pick<FastifyBaseLogger, 'error'>
  readonly subscribeLimit: RateLimit
  readonly publishLimit: RateLimit
  /** The log of a topic, for one subscription more. */
  hold (topic: string): TopicLog
  /** Ends {@link hold} of one subscription. */
  release (topic: string): void
  /** Sends a member what is no content of a topic. */
  sendTo (member: TopicMember, text: string): void
  /** Publishes for a client; never rejects. */
  publishFor (member: TopicMember, topic: string, id: string, data: unknown): Promise<Published | RefusalCode>
}

/** A connection for which the extension is on. */
export class TopicSession implements MessageTaker {
  readonly #topics: SessionContext
  readonly #member: TopicMember
  readonly #subscriptions = new Map<string, Subscription>()
  readonly #asking: Metered = { paidUntil: null }
  readonly #publishing: Metered = { paidUntil: null }
  #last: Promise<void> = Promise.resolve()
  #waiting = 0

  constructor (topics: SessionContext, member: TopicMember) {
    this.#topics = topics
    this.#member = member
  }

  takes (text: Buffer): boolean {
    const message = readMessage(text)
    if (message === null) return false
    // `ws` goes on emitting what the peer sends until the peer answers the close frame.
    if (this.#isOpen) this.#topics.host.meter(this.#member.socket)
    if (this.#isOpen) this.#handle(message)
    return true
  }

  /** The connection has left a topic, or has closed. */
  left (topic: string, reason: string | undefined): void {
    const subscription = this.#subscriptions.get(topic)
    if (subscription === undefined) return
    this.#end(subscription)
    if (!this.#isOpen) return
    const { expiresAt } = this.#member.identity
    const expired = reason === 'denied' && typeof expiresAt === 'number' && expiresAt <= Date.now()
    this.#send(leftText(topic, expired ? 'expired' : REASONS[reason ?? ''] ?? 'left'))
  }

  get #isOpen (): boolean {
    const { socket } = this.#member
    return socket.readyState === socket.OPEN
  }

  #handle (message: ClientTopicMessage): void {
    switch (message.type) {
      case 'topic:subscribe':
        if (this.#isTooLong(message.topics)) return this.#malformed()
        for (const value of message.topics) {
          const wanted = readWanted(value)
          if (wanted !== null) this.#ask(wanted)
          else if (!this.#refuseUnread(topicIn(value), undefined)) return
        }
        return
      case 'topic:unsubscribe':
        if (this.#isTooLong(message.topics)) return this.#malformed()
        for (const topic of message.topics) {
          if (isTopic(topic)) this.#unsubscribe(topic)
          else if (!this.#refuseUnread(topicIn(topic), undefined)) return
        }
        return
      case 'topic:publish':
        return this.#enqueue(message)
      case 'invalid':
        this.#refuseUnread(message.topic, message.id)
    }
  }

  /** Without a second door, no client is told of the limit. */
  #isTooLong ({ length }: unknown[]): boolean {
    return length > Math.max(this.#topics.offer.max, UNTOLD_MAX)
  }

  #malformed (): void {
    this.#topics.host.close(this.#member.socket, CloseCode.BAD_REQUEST, 'malformed topic message')
  }

  /** @returns whether the connection goes on: it does where the answer can say what it is about */
  #refuseUnread (topic: string | undefined, id: string | undefined): boolean {
    if (topic === undefined && id === undefined) {
      this.#malformed()
      return false
    }
    if (topic !== undefined && id === undefined) this.#unsubscribe(topic)
    this.#refuse(topic?.slice(0, 256), id?.slice(0, 64), 'invalid')
    return true
  }

  #ask ({ topic, since }: Wanted): void {
    const { subscribeLimit } = this.#topics
    const now = performance.now()
    if (!subscribeLimit.take(this.#asking, now)) {
      this.#unsubscribe(topic)
      return this.#refuse(topic, undefined, 'rate', Math.ceil(subscribeLimit.wait(this.#asking, now)))
    }
    const before = this.#subscriptions.get(topic)
    if (before !== undefined) this.#end(before)
    else if (this.#subscriptions.size >= this.#topics.offer.max) return this.#refuse(topic, undefined, 'too_many')
    const subscription = new Subscription(this.#member, topic)
    this.#subscriptions.set(topic, subscription)
    this.#topics.stats.subscriptions++
    this.#subscribe(subscription, since).catch(err => {
      logError(this.#topics.log, err, 'a subscription has failed', { topic })
      this.#giveUp(subscription, 'unavailable')
    })
  }

  async #subscribe (subscription: Subscription, since: TopicPosition | undefined): Promise<void> {
    const { host } = this.#topics
    const { topic } = subscription
    const answer = await host.request(this.#member, topic)
    if (subscription.over) {
      // A later subscription has asked as well.
      if (!this.#subscriptions.has(topic)) host.relinquish(this.#member, topic)
      return
    }
    if (answer === 'closed') return this.#end(subscription)
    if (answer !== 'joined') return this.#giveUp(subscription, answer === 'denied' ? 'forbidden' : answer === 'too many topics' ? 'too_many' : 'unavailable')
    const log = subscription.log = this.#topics.hold(topic)
    try {
      await log.start()
    } catch {
      // Where it is not said that the topic is kept, it may be one that is not.
      if (log.history !== undefined || since !== undefined) return this.#giveUp(subscription, 'unavailable')
    }
    if (subscription.over) return
    const { position } = log
    const tell = (recovered: boolean | undefined): void => {
      this.#send(subscribedText(topic, { position: log.position, recovered, messages: [], more: false }))
    }
    if (position === null || since === undefined) {
      if (since !== undefined) this.#topics.stats.resumed.gap++
      tell(since === undefined ? undefined : false)
      log.join(this.#member)
    } else if (since.epoch === position.epoch && since.offset === position.offset) {
      this.#topics.stats.resumed.recovered++
      tell(true)
      log.join(this.#member)
    } else {
      await log.resume(subscription, since, frame => {
        if (frame === null) tell(false)
        else host.deliver(topic, [this.#member], frame)
      })
    }
  }

  #unsubscribe (topic: string): void {
    const subscription = this.#subscriptions.get(topic)
    if (subscription === undefined) return
    this.#end(subscription)
    this.#topics.host.relinquish(this.#member, topic)
  }

  #giveUp (subscription: Subscription, code: RefusalCode): void {
    if (subscription.over) return
    this.#end(subscription)
    // It may have had the topic before.
    this.#topics.host.relinquish(this.#member, subscription.topic)
    this.#refuse(subscription.topic, undefined, code)
  }

  #end (subscription: Subscription): void {
    const { topic, log } = subscription
    subscription.over = true
    this.#subscriptions.delete(topic)
    this.#topics.stats.subscriptions--
    if (log === null) return
    log.leave(this.#member)
    this.#topics.release(topic)
  }

  #enqueue (publication: Publication): void {
    const { publishLimit } = this.#topics
    const { topic, id } = publication
    const now = performance.now()
    if (this.#waiting >= MAX_WAITING || !publishLimit.take(this.#publishing, now)) {
      return this.#refuse(topic, id, 'rate', Math.max(Math.ceil(publishLimit.wait(this.#publishing, now)), 1))
    }
    this.#waiting++
    this.#last = this.#last.then(() => this.#publish(publication))
      // A store may answer what cannot be told.
      .catch(err => {
        logError(this.#topics.log, err, 'a publication of a client could not be answered', { topic })
        this.#refuse(topic, id, 'unavailable')
      })
      .finally(() => { this.#waiting-- })
  }

  async #publish ({ topic, id, data }: Publication): Promise<void> {
    // What is not acknowledged is sent again, by who may.
    if (!this.#isOpen) return
    const answer = await this.#topics.publishFor(this.#member, topic, id, data)
    if (typeof answer === 'string') this.#refuse(topic, id, answer)
    else this.#send(publishedText(id, answer.position))
  }

  #refuse (topic: string | undefined, id: string | undefined, code: RefusalCode, retryAfter?: number): void {
    this.#topics.stats.refused[code]++
    this.#send(refusedText(topic, id, code, retryAfter))
  }

  /** Behind what the hub sends. */
  #send (text: string): void {
    this.#topics.sendTo(this.#member, text)
  }
}
