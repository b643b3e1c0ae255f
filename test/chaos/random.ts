/** A source of random numbers from 0 up to, but not including, 1: the same ones for the same seed. (Mulberry32, by Tommy Ettinger.) */
export function seeded (seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6D2B79F5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** One of a list. */
export function pick<T> (list: readonly T[], random: () => number): T {
  return list[Math.floor(random() * list.length)] as T
}

/** A list in another order. */
export function shuffled<T> (list: readonly T[], random: () => number): T[] {
  const rest = [...list]
  const result: T[] = []
  while (rest.length > 0) result.push(...rest.splice(Math.floor(random() * rest.length), 1))
  return result
}
