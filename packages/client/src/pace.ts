import type { MessageRate } from '@fastify-airlock/protocol'
import { now } from './clock.js'
import { BURST_SHARE, RATE_SHARE } from './limits.js'

/**
 * Counts messages against a server's limit (PROTOCOL.md, section 6.2): half of `burst` at once, then nine tenths of `perSecond`.
 *
 * @param rate without one, nothing has to wait
 * @returns takes a message into account and returns 0, or returns the milliseconds after which it may be sent
 */
export function createPace (rate?: MessageRate): () => number {
  const { perSecond, burst } = Object(rate) as MessageRate
  // Nonsense is no limit.
  const interval = perSecond > 0 && burst >= 1 ? 1_000 / perSecond : 0
  let paidUntil = 0
  return () => {
    const time = now()
    paidUntil = Math.max(paidUntil, time)
    const wait = paidUntil - time - (burst - 1) * BURST_SHARE * interval
    if (wait > 0) return wait
    paidUntil += interval / RATE_SHARE
    return 0
  }
}
