import type { TopicMember } from '@fastify-airlock/core'
import type { Resuming, TopicLog } from './log.js'

/** One connection's subscription to one topic. */
export class Subscription implements Resuming {
  readonly member: TopicMember
  readonly topic: string
  /** `null` until it is allowed. */
  log: TopicLog | null = null
  over = false

  constructor (member: TopicMember, topic: string) {
    this.member = member
    this.topic = topic
  }
}
