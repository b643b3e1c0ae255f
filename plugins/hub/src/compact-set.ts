/**
 * A set of objects in the order in which they came, as small as can be: `null` for none, the object itself for one, an
 * array for a few, a `Set` for many. Most users have one connection and most connections one or two topics: a `Set` for
 * each would be most of what an idle connection costs here. Arrays never change, so none has room to spare, and items
 * may be added and removed while one is being read.
 */
export type CompactSet<T extends object> = T | readonly T[] | Set<T> | null

/** Longest array. Searching it is no slower than a lookup in a `Set`. */
const MAX_ARRAY = 8

/** @returns what to keep in place of `set`, which does not have the item yet */
export function add<T extends object> (set: CompactSet<T>, item: T): CompactSet<T> {
  if (set === null) return item
  if (set instanceof Set) return set.add(item)
  const items = each(set) as readonly T[]
  return items.length < MAX_ARRAY ? items.concat(item) : new Set(items).add(item)
}

/** @returns what to keep in place of `set`, which has the item */
export function remove<T extends object> (set: CompactSet<T>, item: T): CompactSet<T> {
  if (set instanceof Set) {
    set.delete(item)
    return set.size > MAX_ARRAY ? set : [...set]
  }
  const rest = (each(set) as readonly T[]).filter(other => other !== item)
  return rest.length > 1 ? rest : rest[0] ?? null
}

/** Whether the set has the item. */
export function has<T extends object> (set: CompactSet<T>, item: T): boolean {
  if (set instanceof Set) return set.has(item)
  return Array.isArray(set) ? set.includes(item) : set === item
}

/** How many items the set has. */
export function size<T extends object> (set: CompactSet<T>): number {
  if (set instanceof Set) return set.size
  if (set === null) return 0
  return Array.isArray(set) ? set.length : 1
}

/** All items, oldest first. */
export function each<T extends object> (set: CompactSet<T>): Iterable<T> {
  if (set === null) return []
  return set instanceof Set || Array.isArray(set) ? set : [set as T]
}
