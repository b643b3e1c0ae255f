import { isThenable } from './next.js'

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
  /** What it has to return, and what lets in: one sentence, which becomes part of the log line. */
  readonly cure: string
}

/** The rule of a hook that grants something: only `true` lets in. */
export function grants (hook: string): Rule {
  return { hook, cure: 'only `true` lets in: return a boolean' }
}

/** The rule of a hook that asks whether something was taken back: only `false` lets in. */
export function revokes (hook: string): Rule {
  return { hook, cure: 'only `false` means "not revoked": return a boolean' }
}

/** Logs what the functions of an application return by mistake: each kind of mistake of each function once. */
export class Misuse {
  readonly #log: MisuseLog
  readonly #logged = new Set<string>()

  constructor (log: MisuseLog) {
    this.#log = log
  }

  /** Logs an answer that is none. The line says of what kind the answer is and never shows it, since it may be secret. */
  answer ({ hook, cure }: Rule, answer: unknown): void {
    this.#once(hook, `\`${hook}\` returned ${kindOf(answer)}, which refuses`, cure)
  }

  /**
   * Logs that a function had no answer in time.
   *
   * @param option the option that limits the time
   */
  late ({ hook }: Pick<Rule, 'hook'>, option: string): void {
    this.#once(hook, `\`${hook}\` had no answer within \`${option}\`, which refuses`, 'let every promise settle, and give what it waits for a time limit')
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

  #once (hook: string, what: string, cure: string): void {
    if (this.#logged.has(what)) return
    this.#logged.add(what)
    this.#log.warn({ hook }, `${what}: ${cure}`)
  }
}

function kindOf (value: unknown): string {
  if (value === undefined) return 'undefined (does it lack a `return`?)'
  if (value === null) return 'null'
  if (isThenable(value)) return 'a promise, which is not awaited here'
  if (Array.isArray(value)) return 'an array'
  return `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`
}
