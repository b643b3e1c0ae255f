import { rotate } from './statistics.js'

/** What one round of one peer has brought, by name. */
export type Sample = Record<string, number>

/** The rounds of every peer. */
export interface Samples {
  /** By the peer's label, one sample a round. */
  of: Map<string, Sample[]>
  /** Why peers are missing. */
  notes: string[]
}

/** How many rounds there are. */
export interface Rounds {
  rounds: number
  /** Rounds before those that count: code is optimised only after some thousand connections. */
  warmUp: number
}

/**
 * Measures peers by turns, starting with another one each round. A peer that fails is left out, with a note.
 *
 * @param before called once a round
 */
export async function interleave<T extends { label: string }> (
  peers: readonly T[], { rounds, warmUp }: Rounds, measure: (peer: T) => Promise<Sample>, before?: () => Promise<unknown>
): Promise<Samples> {
  const of = new Map(peers.map(({ label }) => [label, [] as Sample[]]))
  const notes: string[] = []
  for (let round = -warmUp; round < rounds; round++) {
    await before?.()
    for (const peer of rotate(peers, round + warmUp)) {
      const samples = of.get(peer.label)
      if (samples === undefined) continue
      try {
        const sample = await measure(peer)
        if (round >= 0) samples.push(sample)
      } catch (error) {
        of.delete(peer.label)
        notes.push(`${peer.label}: ${(error as Error).message}`)
      }
    }
  }
  return { of, notes }
}
