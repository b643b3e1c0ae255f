import type { FastifyInstance } from 'fastify'
import * as v from 'valibot'
import { nonEmptyString } from './options.js'

/** What a plugin looks at when all plugins are loaded; it throws, rejects or calls {@link SetUp.warn}. */
export type SetUpCheck = () => void | Promise<void>

/** The schema of the option `ignoreWarnings`: codes of warnings that are not logged. */
export const ignoreWarnings = v.optional(v.array(nonEmptyString), [])

// Registered, since an application may hold several copies of this package.
const kSetUp = Symbol.for('airlock.setUp')

interface WithSetUp {
  [kSetUp]?: SetUp
}

/** Looks, once for each server, for what is allowed but unsafe, and says so in one line for each at the start. */
export class SetUp {
  readonly #fastify: FastifyInstance
  readonly #checks: SetUpCheck[] = []
  #isRunning = false
  readonly #ignored = new Set<string>()
  readonly #warned = new Set<string>()

  private constructor (fastify: FastifyInstance) {
    this.#fastify = fastify
    fastify.addHook('onReady', async () => {
      for (const check of this.#checks) await check()
      this.#isRunning = true
      this.#checks.length = 0
    })
  }

  /** The one of this server. */
  static of (fastify: FastifyInstance): SetUp {
    const server = fastify.server as WithSetUp
    server[kSetUp] ??= new SetUp(fastify)
    return server[kSetUp]
  }

  /** Leaves out warnings with these codes, whichever plugin would give them. */
  ignore (codes: readonly string[]): void {
    for (const code of codes) this.#ignored.add(code)
  }

  /** Whether warnings with this code are left out. */
  isIgnored (code: string): boolean {
    return this.#ignored.has(code)
  }

  /** Adds a check that is made when all plugins and routes are there; one that comes later is not made. */
  check (check: SetUpCheck): void {
    if (!this.#isRunning) this.#checks.push(check)
  }

  /**
   * Logs a warning, unless one with this code was logged or is ignored.
   *
   * @param message what is wrong, and the cure
   */
  warn (code: string, message: string): void {
    if (this.#ignored.has(code) || this.#warned.has(code)) return
    this.#warned.add(code)
    this.#fastify.log.warn({ code }, `${message} (or ignoreWarnings: ['${code}'])`)
  }

  /**
   * Logs a warning, unless one for this reason was logged or the code is ignored.
   *
   * @param reason one of few, whatever clients do: each is remembered
   * @param details members of the line
   */
  warnOf (code: string, reason: string, message: string, details: object): void {
    if (this.#ignored.has(code) || this.#warned.has(reason)) return
    this.#warned.add(reason)
    this.#fastify.log.warn({ code, ...details }, message)
  }
}

/**
 * Decorates an instance with a function that knows from which instance it was taken: `const { wsGuard } = scope` works,
 * and finds the decorators of the scope.
 *
 * @param make makes the function for an instance; called once for each
 */
export function decorateBound<T extends object> (fastify: FastifyInstance, name: string, make: (instance: FastifyInstance) => T): void {
  const made = new WeakMap<FastifyInstance, T>()
  fastify.decorate<unknown>(name, {
    getter (this: FastifyInstance) {
      let bound = made.get(this)
      if (bound === undefined) made.set(this, bound = make(this))
      return bound
    }
  })
}

const kBound = Symbol.for('airlock.bound')

/**
 * Binds the methods of an object to it, so that `const { issue } = app.wsTickets` works.
 *
 * @see isReplaced
 */
export function bindMethods (object: object): void {
  const prototype: object = Object.getPrototypeOf(object)
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    if (typeof value !== 'function' || name === 'constructor') continue
    const bound = Object.assign(value.bind(object), { [kBound]: true })
    Object.defineProperty(object, name, { value: bound, writable: true, configurable: true })
  }
}

/** Whether somebody has given an object a method in place of that of its class. */
export function isReplaced (object: object, name: string): boolean {
  return Object.hasOwn(object, name) && (object as Record<string, { [kBound]?: true }>)[name]?.[kBound] !== true
}
