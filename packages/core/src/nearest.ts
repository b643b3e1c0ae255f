import { distance } from 'fastest-levenshtein'

/** Share of a name that has to be right before it counts as misspelled. */
const SPELLING = 0.5

/** Share of the words of two names that they have to have in common. */
const WORDS = 0.5

/**
 * Finds the name that was probably meant: one that is spelled alike (`alowedOrigins`), or that has words in common
 * (`origins`, `max_payload`). Case and plural do not count.
 *
 * @returns the first of the most similar names; `undefined` if none is similar
 */
export function nearestName (name: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined
  let best = 0
  for (const candidate of known) {
    const found = similarity(name, candidate)
    if (found > best) {
      best = found
      nearest = candidate
    }
  }
  return nearest
}

/** From 0 to 1; 0 where two names have too little in common. */
function similarity (a: string, b: string): number {
  const [left, right] = [a, b].map(name => name.toLowerCase()) as [string, string]
  // Letters that have changed places count as one mistake.
  const mistakes = sorted(left) === sorted(right) ? Math.min(1, distance(left, right)) : distance(left, right)
  const spelling = 1 - mistakes / Math.max(left.length, right.length)
  const words = sharedWords(wordsOf(a), wordsOf(b))
  return Math.max(spelling < SPELLING ? 0 : spelling, words < WORDS ? 0 : words)
}

function sorted (name: string): string {
  return [...name].sort().join('')
}

function sharedWords (a: Set<string>, b: Set<string>): number {
  const shared = [...a].filter(word => b.has(word)).length
  return shared / (a.size + b.size - shared)
}

/** The words of a name in camel case, snake case or with hyphens. */
function wordsOf (name: string): Set<string> {
  const words = name.replace(/([a-z\d])([A-Z])/g, '$1 $2').toLowerCase().split(/[^a-z\d]+/)
  return new Set(words.filter(word => word !== '').map(word => word.replace(/s$/, '')))
}
