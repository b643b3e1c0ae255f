import type { PresenceStats } from './types.js'

/** Counters that stand at 0. */
export function createStats (): PresenceStats {
  return {
    watches: 0,
    subjects: 0,
    nodes: 0,
    changes: 0,
    bus: { sent: 0, received: 0, asked: 0, invalid: 0 },
    refused: { forbidden: 0, invalid: 0, too_many: 0, rate: 0, unavailable: 0 }
  }
}
