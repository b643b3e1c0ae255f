import { grants, isThenable, logError, type MayRead, type Misuse, Sweep, type Sweepable, type TopicHost, type TopicMember } from '@fastify-airlock/core'
import type { FastifyBaseLogger } from 'fastify'
import type { PresenceIdentity } from './identity.js'
import type { PresenceSettings } from './options.js'

const AUTHORIZES = grants('authorizePresence')

/** Settings of a {@link PresenceCheck}. */
export interface PresenceCheckSettings extends Pick<PresenceSettings, 'authorizePresence' | 'authorizeTimeout'> {
  host: Pick<TopicHost, 'mayRead'>
  misuse: Misuse
  log: Pick<FastifyBaseLogger, 'error'>
  /** A monotonic clock, in milliseconds. */
  now: () => number
}

interface Waiting extends Sweepable {
  readonly expire: () => void
}

/** Finds out whether a client may see who is there. */
export class PresenceCheck {
  readonly #settings: PresenceCheckSettings
  readonly #sweep: Sweep<Waiting>

  constructor (settings: PresenceCheckSettings) {
    this.#settings = settings
    this.#sweep = new Sweep(waiting => waiting.expire(), { now: settings.now })
  }

  /** Answers at once if the application does; never throws or rejects. */
  ask (member: TopicMember, topic: string): MayRead | Promise<MayRead> {
    const { authorizePresence, host } = this.#settings
    if (authorizePresence === undefined) return topic === '' ? 'denied' : host.mayRead(member, topic)
    try {
      const answer: unknown = authorizePresence(member.identity as PresenceIdentity, topic)
      return isThenable(answer) ? this.#await(answer) : this.#read(answer)
    } catch (error) {
      return this.#fail(error)
    }
  }

  /** Acts on every answer that is late. The timer does so as well. */
  tick (): void {
    this.#sweep.tick()
  }

  close (): void {
    this.#sweep.close()
  }

  #await (answer: PromiseLike<unknown>): Promise<MayRead> {
    const { authorizeTimeout, misuse } = this.#settings
    return new Promise(resolve => {
      const waiting: Waiting = {
        due: 0,
        expire: () => {
          misuse.late(AUTHORIZES, 'authorizeTimeout')
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

  #read (answer: unknown): MayRead {
    return this.#settings.misuse.isGranted(AUTHORIZES, answer) ? 'allowed' : 'denied'
  }

  #fail (err: unknown): MayRead {
    logError(this.#settings.log, err, 'it could not be found out whether a client may see who is there')
    return 'failed'
  }
}
