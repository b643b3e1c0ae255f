import { WSA_TESTING_ERR_KILLED } from './errors.js'

/** What ends an object that several nodes share. */
const ENDS: ReadonlyArray<string | symbol> = ['close', Symbol.dispose, Symbol.asyncDispose]

interface Closable {
  close? (): unknown
}

/** What nodes share: each gets the same object, which none of them can close. */
export class Shared {
  readonly #targets = new Set<object>()
  readonly #killed = new Set<number>()

  /** The object as one node has it. */
  of<T extends object> (target: T, node: number): T {
    this.#targets.add(target)
    return new Proxy(target, {
      get: (_, name) => {
        // Private members are those of the original, and so is `this`.
        const value = Reflect.get(target, name, target) as unknown
        if (typeof value !== 'function') return value
        if (ENDS.includes(name)) return end
        return (...args: unknown[]) => this.#killed.has(node) && name !== 'has' ? refuse(node) : Reflect.apply(value, target, args)
      }
    })
  }

  /** From now on nothing of this node reaches what is shared. */
  kill (node: number): void {
    this.#killed.add(node)
  }

  /** Closes what is shared: no node is left. */
  async close (): Promise<void> {
    await Promise.all([...this.#targets].map(async target => { await (target as Closable).close?.() }))
  }
}

/** In place of the end of what others still have. A bus calls back. */
async function end (...args: unknown[]): Promise<void> {
  const last = args.at(-1)
  if (typeof last === 'function') last()
}

/** Nobody has to handle it: a node that was killed has no one left. */
function refuse (node: number): Promise<never> {
  const answer = Promise.reject(new WSA_TESTING_ERR_KILLED(`Node ${node}`))
  answer.catch(() => {})
  return answer
}
