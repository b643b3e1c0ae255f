import { grants, isThenable, logError, type Misuse, Sweep, type Sweepable } from '@fastify-airlock/core'
import type { FastifyBaseLogger } from 'fastify'
import { DENY, type HubSettings } from './options.js'
import type { HubIdentity } from './types.js'

/** The code of the warning about topics that no client gets. Given at the first one. */
export const NO_ANSWER = 'WSA_HUB_WARN_AUTHORIZE_TOPIC'

const AUTHORIZES_TOPIC = grants('authorizeTopic')

/** What `authorizeTopic` has answered. Only `allowed` lets in; `failed` is an error, `late` no answer in time. */
export type TopicAnswer = 'allowed' | 'denied' | 'failed' | 'late'

/** Settings of a {@link TopicCheck}. */
export interface TopicCheckSettings extends Pick<HubSettings, 'authorizeTopic' | 'authorizeTimeout'> {
  log: Pick<FastifyBaseLogger, 'error' | 'warn'>
  misuse: Misuse
  /**
   * A monotonic clock, in milliseconds.
   * @default performance.now
   */
  now?: (() => number) | undefined
}

interface Waiting extends Sweepable {
  readonly expire: () => void
}

/** Asks `authorizeTopic`, and reads its answer. */
export class TopicCheck {
  readonly #settings: TopicCheckSettings
  readonly #sweep: Sweep<Waiting>
  #warned = false
  /** Answers in place of `authorizeTopic` where it says yes; `null` where nothing does. */
  granted: ((identity: HubIdentity, topic: string) => boolean) | null = null

  constructor (settings: TopicCheckSettings) {
    this.#settings = settings
    this.#sweep = new Sweep(waiting => waiting.expire(), settings.now && { now: settings.now })
  }

  /** Answers at once if the application does; never throws or rejects. */
  ask (identity: HubIdentity, topic: string, wildcard: boolean): TopicAnswer | Promise<TopicAnswer> {
    try {
      if (!wildcard && this.granted?.(identity, topic) === true) return 'allowed'
      if (this.#settings.authorizeTopic === DENY) this.#explain()
      const answer: unknown = this.#settings.authorizeTopic(identity, topic, { wildcard })
      return isThenable(answer) ? this.#await(answer) : this.#read(answer)
    } catch (error) {
      return this.#fail(error)
    }
  }

  /** Acts on every deadline that has passed. The timer does so as well. */
  tick (): void {
    this.#sweep.tick()
  }

  #await (answer: PromiseLike<unknown>): Promise<TopicAnswer> {
    const { authorizeTimeout, misuse } = this.#settings
    return new Promise(resolve => {
      const waiting: Waiting = {
        due: 0,
        expire: () => {
          misuse.late(AUTHORIZES_TOPIC, 'authorizeTimeout')
          resolve('late')
        }
      }
      this.#sweep.set(waiting, authorizeTimeout)
      Promise.resolve(answer)
        .then(answer => this.#read(answer), (error: unknown) => this.#fail(error))
        .then(answer => {
          this.#sweep.clear(waiting)
          resolve(answer)
        })
    })
  }

  /** There is no hook, so every topic is denied. */
  #explain (): void {
    if (this.#warned) return
    this.#warned = true
    this.#settings.log.warn({ code: NO_ANSWER }, 'A client asked for a topic, and there is no authorizeTopic, so every topic is denied: give wsHub one')
  }

  #read (answer: unknown): TopicAnswer {
    return this.#settings.misuse.isGranted(AUTHORIZES_TOPIC, answer) ? 'allowed' : 'denied'
  }

  #fail (err: unknown): TopicAnswer {
    logError(this.#settings.log, err, 'a topic could not be authorized')
    return 'failed'
  }
}
