import { inTime, PATIENCE } from './real-time.js'
import { WSA_TESTING_ERR_TIMEOUT } from './errors.js'

/** Options of a {@link Trouble}. */
export interface TroubleOptions {
  /**
   * The methods that it may trouble. The others answer as ever.
   * @default all but `has` and `close`
   */
  methods?: string[]
}

/** A call of something that may be in trouble. */
export interface Call {
  /** The name of the method; empty for a function. */
  method: string
  args: unknown[]
}

type Kind = 'refuse' | 'late' | 'answer late' | 'lose' | 'lose answer'

interface Plan {
  kind: Kind
  error: Error
  only: string[] | null
  times: number
}

/** Whom a trouble concerns. */
export interface Concerned {
  /**
   * The methods.
   * @default all that it may trouble
   */
  only?: string[]
  /**
   * How many calls.
   * @default Infinity
   */
  times?: number
}

/** Answers that nobody has to wait for by themselves. */
const NEVER_TROUBLED = ['has', 'close']

/**
 * Has stores, buses, keys and other people's services fail on demand. What `of` returns does what the original does, until
 * the test says otherwise.
 *
 * @example
 * const trouble = new Trouble()
 * await app.register(airlock, { jwt, ticket: { store: trouble.of(new MemoryStore()) } })
 * trouble.refuse({ only: ['take'] })
 */
export class Trouble {
  /** Every call so far, those that were troubled included. */
  readonly calls: Call[] = []
  readonly #methods: string[] | null
  readonly #held: Array<() => void> = []
  readonly #watchers = new Set<(call: Call) => void>()
  #plan: Plan | null = null

  constructor ({ methods }: TroubleOptions = {}) {
    this.#methods = methods ?? null
  }

  /** The same object or function, which may fail from now on. */
  of<T extends object> (target: T): T {
    if (typeof target === 'function') {
      const act = target as unknown as (...args: unknown[]) => unknown
      return ((...args: unknown[]) => this.#call({ method: '', args }, () => act(...args))) as unknown as T
    }
    return new Proxy(target, {
      get: (_, name) => {
        // Private members are those of the original, and so is `this`.
        const value = Reflect.get(target, name, target) as unknown
        if (typeof value !== 'function') return value
        const act = (...args: unknown[]): unknown => Reflect.apply(value, target, args)
        if (typeof name === 'symbol' || !this.#mayTrouble(name)) return act
        return (...args: unknown[]) => this.#call({ method: name, args }, () => act(...args))
      }
    })
  }

  /** Calls are not carried out, and reject. */
  refuse ({ error = new Error('The test has it refuse'), ...concerned }: Concerned & { error?: Error } = {}): void {
    this.#set('refuse', concerned, error)
  }

  /** Calls wait for {@link Trouble.release}, and are carried out then. */
  late (concerned: Concerned = {}): void {
    this.#set('late', concerned)
  }

  /** Calls are carried out at once, and their answers wait for {@link Trouble.release}: when that is after a deadline, it was done all the same. */
  answerLate (concerned: Concerned = {}): void {
    this.#set('answer late', concerned)
  }

  /** Calls are not carried out, and have no answer: they were lost on the way. */
  lose (concerned: Concerned = {}): void {
    this.#set('lose', concerned)
  }

  /** Calls are carried out, and have no answer: it was lost on the way. */
  loseAnswer (concerned: Concerned = {}): void {
    this.#set('lose answer', concerned)
  }

  /** Lets go what waits. Later calls wait as before. */
  release (): void {
    for (const go of this.#held.splice(0)) go()
  }

  /** Ends the trouble, and lets go what waits. */
  heal (): void {
    this.#plan = null
    this.release()
  }

  /** Calls, or their answers, that wait to be released. */
  get waiting (): number {
    return this.#held.length
  }

  /**
   * Waits for the next call.
   *
   * @param method of this one
   * @default method any
   * @param timeout how long, in milliseconds of real time
   * @default timeout 30000
   * @throws {@link WSA_TESTING_ERR_TIMEOUT} when there is none
   */
  async nextCall (method?: string, timeout = PATIENCE): Promise<Call> {
    return await new Promise((resolve, reject) => {
      const callOff = inTime(timeout, () => {
        this.#watchers.delete(watcher)
        reject(new WSA_TESTING_ERR_TIMEOUT(`A call of ${method ?? 'any method'}`, timeout, `What has come: ${this.calls.map(({ method }) => method).join(', ')}`))
      })
      const watcher = (call: Call): void => {
        if (method !== undefined && call.method !== method) return
        callOff()
        this.#watchers.delete(watcher)
        resolve(call)
      }
      this.#watchers.add(watcher)
    })
  }

  #set (kind: Kind, { only, times = Infinity }: Concerned, error = new Error()): void {
    this.#plan = { kind, error, only: only ?? null, times }
  }

  #mayTrouble (method: string): boolean {
    return this.#methods === null ? !NEVER_TROUBLED.includes(method) : this.#methods.includes(method)
  }

  #call (call: Call, act: () => unknown): unknown {
    this.calls.push(call)
    for (const watcher of this.#watchers) watcher(call)
    const plan = this.#plan
    if (plan === null || plan.times <= 0 || (plan.only !== null && !plan.only.includes(call.method))) return act()
    plan.times--
    switch (plan.kind) {
      case 'refuse': return Promise.reject(plan.error)
      case 'lose': return new Promise(() => {})
      case 'lose answer': return answered(act).then(() => new Promise(() => {}))
      case 'late': return this.#hold().then(act)
      case 'answer late': {
        const answer = answered(act)
        // It is awaited later.
        answer.catch(() => {})
        return this.#hold().then(() => answer)
      }
    }
  }

  async #hold (): Promise<void> {
    await new Promise<void>(resolve => this.#held.push(resolve))
  }
}

/** What throws rejects. */
async function answered (act: () => unknown): Promise<unknown> {
  return await act()
}
