import type { HubCluster } from '@fastify-airlock/hub'
import { isAttempt, type Refusal } from './refusals.js'

/** Names of the cluster messages: who has it, and here it is. */
const ASK = 'demo/refusal/ask'
const FOUND = 'demo/refusal/found'

/** How long other nodes may take, in milliseconds. */
const PATIENCE_MS = 3_000

/** Attempts that are looked for at a time: anybody may ask. */
const MAX_SEARCHES = 1_000

/** Options of {@link RefusalSearch}. */
export interface RefusalSearchOptions {
  cluster: Pick<HubCluster, 'tell' | 'on'>
  /** What this node has kept. */
  find: (attempt: string) => Refusal | null
  /**
   * How long other nodes may take, in milliseconds.
   * @default 3000
   */
  patience?: number
}

interface Search {
  answer: Promise<Refusal | null>
  end: (refusal: Refusal | null) => void
}

/** Looks for the answer to a refused upgrade on the other nodes: behind a proxy, the page's question may come to another one. */
export class RefusalSearch {
  readonly #cluster: RefusalSearchOptions['cluster']
  readonly #patience: number
  readonly #searches = new Map<string, Search>()

  constructor ({ cluster, find, patience = PATIENCE_MS }: RefusalSearchOptions) {
    this.#cluster = cluster
    this.#patience = patience
    cluster.on(ASK, (attempt: unknown, { node, own }) => {
      const refusal = own || typeof attempt !== 'string' ? null : find(attempt)
      if (refusal !== null) cluster.tell(FOUND, { attempt, refusal }, { to: node })
    })
    cluster.on(FOUND, (data: unknown) => {
      const { attempt, refusal } = Object(data) as { attempt: string, refusal: unknown }
      if (isRefusal(refusal)) this.#searches.get(attempt)?.end(refusal)
    })
  }

  /** The answer to an attempt that another node has kept; `null` if none says so in time. */
  async find (attempt: string): Promise<Refusal | null> {
    const running = this.#searches.get(attempt)
    if (running !== undefined) return await running.answer
    if (!isAttempt(attempt) || this.#searches.size >= MAX_SEARCHES) return null
    const { promise, resolve } = withResolvers<Refusal | null>()
    const timer = setTimeout(() => end(null), this.#patience)
    const end = (refusal: Refusal | null) => {
      clearTimeout(timer)
      this.#searches.delete(attempt)
      resolve(refusal)
    }
    this.#searches.set(attempt, { answer: promise, end })
    this.#cluster.tell(ASK, attempt, { to: 'others' })
    return await promise
  }

  /** Ends all searches. */
  close (): void {
    for (const { end } of this.#searches.values()) end(null)
  }
}

function isRefusal (value: unknown): value is Refusal {
  const { statusCode, code, message } = Object(value) as Record<keyof Refusal, unknown>
  return Number.isInteger(statusCode) && typeof code === 'string' && typeof message === 'string'
}

/** `Promise.withResolvers`, which Node 20 does not have. */
function withResolvers<T> () {
  let resolve!: (value: T) => void
  const promise = new Promise<T>(_resolve => { resolve = _resolve })
  return { promise, resolve }
}
