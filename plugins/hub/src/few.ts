/**
 * None, one or more of something, in the order in which they came. Most users have one connection and most connections
 * one or two topics: a `Set` for each would be most of what an idle connection costs here. Lists never change, so that
 * none has room to spare, and whoever reads one may add and remove meanwhile.
 */
export type Few<T extends object> = T | readonly T[] | Set<T> | null

/** Longest list. To look through it is no slower than to look into a `Set`. */
const MAX_LISTED = 8

/** @returns what is to be kept in place of `few`, which does not have the item */
export function add<T extends object> (few: Few<T>, item: T): Few<T> {
  if (few === null) return item
  if (few instanceof Set) return few.add(item)
  const list = each(few) as readonly T[]
  return list.length < MAX_LISTED ? list.concat(item) : new Set(list).add(item)
}

/** @returns what is to be kept in place of `few`, which has the item */
export function remove<T extends object> (few: Few<T>, item: T): Few<T> {
  if (few instanceof Set) {
    few.delete(item)
    return few.size > MAX_LISTED ? few : [...few]
  }
  const rest = (each(few) as readonly T[]).filter(other => other !== item)
  return rest.length > 1 ? rest : rest[0] ?? null
}

/** Whether `item` is among them. */
export function has<T extends object> (few: Few<T>, item: T): boolean {
  if (few instanceof Set) return few.has(item)
  return Array.isArray(few) ? few.includes(item) : few === item
}

/** How many there are. */
export function size<T extends object> (few: Few<T>): number {
  if (few instanceof Set) return few.size
  if (few === null) return 0
  return Array.isArray(few) ? few.length : 1
}

/** All of them. */
export function each<T extends object> (few: Few<T>): Iterable<T> {
  if (few === null) return []
  return few instanceof Set || Array.isArray(few) ? few : [few as T]
}
