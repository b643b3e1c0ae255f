import type { FastifyInstance } from 'fastify'
import { isThenable } from './next.js'
import { SetUp } from './set-up.js'

/** The part of a logger that hears of misuse. */
export interface MisuseLog {
  warn (details: object, message: string): void
}

/**
 * What an application's function has to return. Every function that decides about a client follows one rule: there is one
 * answer that lets in, and everything else refuses.
 */
export interface Rule {
  /** The name of the function, as the options call it. */
  readonly hook: string
  /** What it has to return, as the log line says it. */
  readonly expected: string
  /** What to do, as the log line says it. */
  readonly cure: string
  /** The code of the warning, where it is not that of the {@link Misuse}. */
  readonly code?: string
}

const BOOLEAN = 'true or false'

/** The rule of a hook that grants something: only `true` lets in. */
export function grants (hook: string): Rule {
  return { hook, expected: BOOLEAN, cure: 'return a boolean, true to let in' }
}

/** The rule of a hook that asks whether something was taken back: only `false` lets in. */
export function revokes (hook: string): Rule {
  return { hook, expected: BOOLEAN, cure: 'return a boolean, false for a token that is not revoked' }
}

/** Of each server, by code. */
const servers = new WeakMap<SetUp, Map<string, Misuse>>()

/** Logs what the functions of an application return by mistake: each kind of mistake of each function once. */
export class Misuse {
  readonly #log: MisuseLog
  readonly #code: string
  readonly #isIgnored: (code: string) => boolean
  readonly #logged = new Set<string>()

  /**
   * @param code the code of the warnings
   * @param isIgnored whether warnings with a code are not logged
   */
  constructor (log: MisuseLog, code: string, isIgnored = (_code: string): boolean => false) {
    this.#log = log
    this.#code = code
    this.#isIgnored = isIgnored
  }

  /** The one that logs to a server, for all its routes, unless its `ignoreWarnings` has the code. */
  static of (fastify: FastifyInstance, code: string): Misuse {
    const setUp = SetUp.of(fastify)
    let ofServer = servers.get(setUp)
    if (ofServer === undefined) servers.set(setUp, ofServer = new Map())
    let misuse = ofServer.get(code)
    if (misuse === undefined) ofServer.set(code, misuse = new Misuse(fastify.log, code, code => setUp.isIgnored(code)))
    return misuse
  }

  /** Logs an answer that is none. The line says of what kind the answer is and never shows it, since it may be secret. */
  answer ({ hook, expected, cure, code }: Rule, answer: unknown): void {
    this.#once(hook, `${hook} returned ${kindOf(answer)} in place of ${expected}, which refuses`, cure, code)
  }

  /**
   * Logs that a function had no answer in time.
   *
   * @param option the option that limits the time
   */
  late ({ hook }: Pick<Rule, 'hook'>, option: string): void {
    this.#once(hook, `${hook} had no answer within ${option}, which refuses`, 'let every promise settle, and give what it waits for a time limit')
  }

  /** Whether the answer of a {@link grants} hook lets in. */
  isGranted (rule: Rule, answer: unknown): boolean {
    if (answer === true) return true
    if (answer !== false) this.answer(rule, answer)
    return false
  }

  /** Whether the answer of a {@link grants} hook that has to be synchronous lets in. */
  isGrantedNow (rule: Rule, answer: unknown): boolean {
    // Nobody awaits it, and a rejection would end the process.
    if (isThenable(answer)) Promise.resolve(answer).catch(() => {})
    return this.isGranted(rule, answer)
  }

  /** Whether the answer of a {@link revokes} hook refuses. */
  isRevoked (rule: Rule, answer: unknown): boolean {
    if (answer === false) return false
    if (answer !== true) this.answer(rule, answer)
    return true
  }

  #once (hook: string, what: string, cure: string, code = this.#code): void {
    if (this.#isIgnored(code) || this.#logged.has(what)) return
    this.#logged.add(what)
    this.#log.warn({ code, hook }, `${what}: ${cure} (or ignoreWarnings: ['${code}'])`)
  }
}

function kindOf (value: unknown): string {
  if (value === null) return 'null'
  return isThenable(value) ? 'a promise' : Array.isArray(value) ? 'an array' : typeof value
}
