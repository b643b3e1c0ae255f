/**
 * None, one or many of something. Most users have one connection and most connections one topic or none; a `Set` for
 * each would be most of what an idle connection costs here.
 */
export type Few<T extends object> = T | Set<T> | null

/** @returns what is to be kept in place of `few` */
export function add<T extends object> (few: Few<T>, item: T): Few<T> {
  if (few === null || few === item) return item
  return few instanceof Set ? few.add(item) : new Set([few, item])
}

/** @returns what is to be kept in place of `few` */
export function remove<T extends object> (few: Few<T>, item: T): Few<T> {
  if (few === item) return null
  if (!(few instanceof Set)) return few
  few.delete(item)
  return few.size === 1 ? few.values().next().value as T : few
}

/** Whether `item` is among them. */
export function has<T extends object> (few: Few<T>, item: T): boolean {
  return few === item || (few instanceof Set && few.has(item))
}

/** How many there are. */
export function size<T extends object> (few: Few<T>): number {
  if (few === null) return 0
  return few instanceof Set ? few.size : 1
}

/** All of them, in the order in which they came. Adding and removing others meanwhile does no harm. */
export function each<T extends object> (few: Few<T>): Iterable<T> {
  if (few === null) return []
  return few instanceof Set ? few : [few]
}
