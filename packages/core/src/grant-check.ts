import type { FastifyBaseLogger } from 'fastify'
import { Deadline } from './deadline.js'
import { grants, type Misuse, type Rule } from './decision.js'
import { logError } from './log-error.js'
import { isThenable } from './next.js'
import type { MayRead } from './topic-host.js'

/** What a {@link GrantCheck} asks, and what it says of a hook that does not answer. */
export interface GrantCheckSettings {
  /** The name of the hook, as the options call it. */
  hook: string
  /** Time that the hook has for an answer, in milliseconds: the option `authorizeTimeout`. */
  authorizeTimeout: number
  /** What is logged of an error. */
  failure: string
  misuse: Misuse
  log: Pick<FastifyBaseLogger, 'error'>
  /**
   * A monotonic clock, in milliseconds.
   * @default performance.now
   */
  now?: (() => number) | undefined
}

/** Asks a hook of the application whether a client may do something, and reads its answer. */
export class GrantCheck {
  readonly #settings: GrantCheckSettings
  readonly #rule: Rule
  readonly #deadline: Deadline

  constructor (settings: GrantCheckSettings) {
    this.#settings = settings
    this.#rule = grants(settings.hook)
    this.#deadline = new Deadline(settings.authorizeTimeout, settings.now)
  }

  /**
   * Answers at once if the application does; never throws or rejects.
   *
   * @param call calls the hook
   */
  ask (call: () => unknown): MayRead | Promise<MayRead> {
    try {
      const answer = call()
      return isThenable(answer) ? this.#await(answer) : this.#read(answer)
    } catch (error) {
      return this.#fail(error)
    }
  }

  /** Acts on every answer that is late. The timer does so as well. */
  tick (): void {
    this.#deadline.tick()
  }

  /** Waits for nothing any more. */
  close (): void {
    this.#deadline.close()
  }

  async #await (answer: PromiseLike<unknown>): Promise<MayRead> {
    let isLate = false
    try {
      const given = await this.#deadline.race(answer, () => { isLate = true })
      return this.#read(given)
    } catch (error) {
      if (!isLate) return this.#fail(error)
      this.#settings.misuse.late(this.#rule, 'authorizeTimeout')
      return 'late'
    }
  }

  #read (answer: unknown): MayRead {
    return this.#settings.misuse.isGranted(this.#rule, answer) ? 'allowed' : 'denied'
  }

  #fail (error: unknown): MayRead {
    logError(this.#settings.log, error, this.#settings.failure)
    return 'failed'
  }
}
