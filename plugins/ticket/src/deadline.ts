import { Deadline, type Misuse, Sweep, type Sweepable } from '@fastify-airlock/core'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { WSA_TICKET_ERR_UNAVAILABLE } from './errors.js'

/** The hooks of a request, which have a deadline together. */
interface Authenticating extends Sweepable {
  readonly reply: FastifyReply
  isOver: boolean
}

const kAuthenticating = Symbol('airlock.ticket.authenticating')

// Not in a WeakMap: one with an entry for each request is dear to collect.
interface WithHooks {
  [kAuthenticating]?: Authenticating
}

/** Limits the time of the application's own functions. */
export class HookDeadline {
  readonly #timeout: number
  readonly #deadline: Deadline
  readonly #misuse: Misuse
  readonly #sweep = new Sweep<Authenticating>(({ reply }) => {
    if (reply.sent) return
    const error = this.#late('route.authenticate', new Error(`No answer within ${this.#timeout} ms`))
    reply.code(503).send(error)
  })

  /** Those that began in this turn of the event loop. Most are over before the next, and need no deadline. */
  #begun: Authenticating[] = []

  /** @param timeout in milliseconds */
  constructor (timeout: number, misuse: Misuse) {
    this.#timeout = timeout
    this.#deadline = new Deadline(timeout)
    this.#misuse = misuse
  }

  /** A hook that begins the time of those behind it. */
  readonly begin = (_request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    const hooks = { due: 0, reply, isOver: false }
    ;(reply as WithHooks)[kAuthenticating] = hooks
    if (this.#begun.push(hooks) === 1) setImmediate(this.#watch)
    done()
  }

  /** A hook that ends the time of those before it. */
  readonly end = (_request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    const hooks = (reply as WithHooks)[kAuthenticating]
    if (hooks !== undefined) {
      hooks.isOver = true
      this.#sweep.clear(hooks)
    }
    done()
  }

  readonly #watch = (): void => {
    for (const hooks of this.#begun) if (!hooks.isOver) this.#sweep.set(hooks, this.#timeout)
    this.#begun = []
  }

  /**
   * Settles like `answer`.
   *
   * @param hook the name of the function, for the log
   * @throws {@link WSA_TICKET_ERR_UNAVAILABLE} when there is no answer in time
   */
  race<T> (hook: string, answer: PromiseLike<T>): Promise<T> {
    return this.#deadline.race(answer, error => this.#late(hook, error))
  }

  #late (hook: string, cause: Error): Error {
    this.#misuse.late({ hook }, 'route.hookTimeout')
    return new WSA_TICKET_ERR_UNAVAILABLE({ cause })
  }
}
