import { GrantCheck, type GrantCheckSettings, type MayRead } from '@fastify-airlock/core'
import type { FastifyBaseLogger } from 'fastify'
import { DENY, type HubSettings } from './options.js'
import type { HubIdentity } from './types.js'

/** The code of the warning about topics that no client gets. Given at the first one. */
export const NO_ANSWER = 'WSA_HUB_WARN_AUTHORIZE_TOPIC'

/** Settings of a {@link TopicCheck}. */
export interface TopicCheckSettings extends Pick<HubSettings, 'authorizeTopic'>, Omit<GrantCheckSettings, 'hook' | 'failure'> {
  log: Pick<FastifyBaseLogger, 'error' | 'warn'>
}

/** Asks `authorizeTopic`, and reads its answer. */
export class TopicCheck {
  readonly #settings: TopicCheckSettings
  readonly #check: GrantCheck
  #warned = false
  /** Answers in place of `authorizeTopic` where it says yes; `null` where nothing does. */
  granted: ((identity: HubIdentity, topic: string) => boolean) | null = null

  constructor (settings: TopicCheckSettings) {
    this.#settings = settings
    this.#check = new GrantCheck({ ...settings, hook: 'authorizeTopic', failure: 'a topic could not be authorized' })
  }

  /** Answers at once if the application does; never throws or rejects. */
  ask (identity: HubIdentity, topic: string, wildcard: boolean): MayRead | Promise<MayRead> {
    const { authorizeTopic } = this.#settings
    return this.#check.ask(() => {
      if (!wildcard && this.granted?.(identity, topic) === true) return true
      if (authorizeTopic === DENY) this.#explain()
      return authorizeTopic(identity, topic, { wildcard })
    })
  }

  /** Acts on every answer that is late. The timer does so as well. */
  tick (): void {
    this.#check.tick()
  }

  /** There is no hook, so every topic is denied. */
  #explain (): void {
    if (this.#warned) return
    this.#warned = true
    this.#settings.log.warn({ code: NO_ANSWER }, 'A client asked for a topic, and there is no authorizeTopic, so every topic is denied: give wsHub one')
  }
}
