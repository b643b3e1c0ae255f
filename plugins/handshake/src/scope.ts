/** Claims of a token, by name. */
export type Claims = Readonly<Record<string, unknown>>

/**
 * Whether `next` grants anything that `current` does not, by the values of the given claims. A missing claim grants
 * nothing. Only `scope` is a list in a string (RFC 8693, section 4.2): a role may have a space in its name.
 */
export function isWider (current: Claims, next: Claims, names: readonly string[]): boolean {
  return names.some(name => {
    const wanted = valuesOf(name, next[name])
    if (wanted.length === 0) return false
    const granted = new Set(valuesOf(name, current[name]))
    return !wanted.every(value => granted.has(value))
  })
}

const NOTHING: Claims = Object.freeze({})

/** The given claims alone: what has to be kept of a token to compare the next one with. */
export function pickScopes (claims: Claims, names: readonly string[]): Claims {
  let picked: Record<string, unknown> | null = null
  for (const name of names) {
    if (!Object.hasOwn(claims, name)) continue
    picked ??= {}
    picked[name] = claims[name]
  }
  return picked ?? NOTHING
}

/** Values as JSON, so that structured ones (the complex groups of SCIM, say) compare by what they say. */
function valuesOf (name: string, claim: unknown): string[] {
  if (claim === undefined || claim === null) return []
  const list = name === 'scope' && typeof claim === 'string' ? claim.split(' ').filter(value => value !== '') : [claim].flat()
  return list.map(value => JSON.stringify(value))
}
