/** The name of the orders to re-check, between the nodes of a hub. */
export const RECHECK_ORDER = 'introspect/recheck'

/** The part of `fastify.wsHub` that brings orders to every node. */
export interface OrderHub {
  onOrder (name: string, carryOut: (detail: string) => Promise<string>): void
  giveOrder (name: string, detail: string, options: { timeout?: number | undefined }): Promise<{ answers: string[], nodes: number }>
}

/** The outcome of one check of a connection. */
export type Outcome = 'kept' | 'closed' | 'unknown'

/** The outcomes of a re-check, on one node or on several. */
export type Outcomes = Record<Outcome, number>

/** What is known of an instance that may have a hub. */
interface WithHub {
  wsHub?: Partial<OrderHub>
}

/** Finds the hub of an instance; `null` where there is none, or none that brings orders to other nodes. */
export function findOrderHub (fastify: object): OrderHub | null {
  const { wsHub } = fastify as WithHub
  return typeof wsHub?.onOrder === 'function' && typeof wsHub.giveOrder === 'function' ? wsHub as OrderHub : null
}

/** Adds up what nodes have answered; what is malformed counts for nothing. */
export function sumUp (answers: string[]): Outcomes {
  const sum = { kept: 0, closed: 0, unknown: 0 }
  for (const answer of answers) {
    const outcomes = parse(answer)
    for (const outcome of ['kept', 'closed', 'unknown'] as const) {
      const count = outcomes?.[outcome]
      if (Number.isSafeInteger(count) && count as number > 0) sum[outcome] += count as number
    }
  }
  return sum
}

function parse (text: string): Partial<Record<Outcome, unknown>> | null {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
