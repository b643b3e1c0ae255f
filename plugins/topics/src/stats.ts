import type { TopicsStats } from './types.js'

/** Counters that stand at 0. */
export function createStats (): TopicsStats {
  return {
    subscriptions: 0,
    topics: 0,
    published: 0,
    resumed: { recovered: 0, gap: 0 },
    gaps: 0,
    fetches: 0,
    refused: { forbidden: 0, invalid: 0, too_many: 0, rate: 0, unavailable: 0, conflict: 0 }
  }
}
