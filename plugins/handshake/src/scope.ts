/** Claims of a token, by name. */
export type Claims = Readonly<Record<string, unknown>>

/**
 * Whether `next` grants anything that `current` does not, by the values of the given claims. A missing claim grants
 * nothing. Only `scope` (RFC 8693, section 4.2) and `scp` (Microsoft Entra) are lists in a string: a role may have a space
 * in its name.
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

/** How many sets of scopes are shared at most. */
const MAX_SHARED = 1_000

/**
 * Keeps what tokens grant, to compare the next token with. Most users of a route have one of a few sets of scopes, so
 * all users with the same set share one frozen object.
 */
export class Scopes {
  readonly #names: readonly string[]
  readonly #shared = new Map<string, Claims>()

  /** @param names the claims that grant something */
  constructor (names: readonly string[]) {
    this.#names = names
  }

  /** Copies the claims that grant something, as they are now. */
  of (claims: Claims): Claims {
    if (!this.#grantsAny(claims)) return NOTHING
    const key = JSON.stringify(this.#names.map(name => claims[name]))
    const known = this.#shared.get(key)
    if (known !== undefined) return known
    const values = JSON.parse(key) as unknown[]
    const granted = Object.freeze(Object.fromEntries(this.#names.map((name, index) => [name, values[index]])))
    if (this.#shared.size < MAX_SHARED) this.#shared.set(key, granted)
    return granted
  }

  /** A token has few claims, and most have none of these. */
  #grantsAny (claims: Claims): boolean {
    for (const name in claims) {
      if (this.#names.includes(name)) return true
    }
    return false
  }
}

/** Values as JSON, so that structured values, such as the complex groups of SCIM, compare by content. */
function valuesOf (name: string, claim: unknown): string[] {
  if (claim === undefined || claim === null) return []
  return listOf(name, claim).map(value => JSON.stringify(value))
}

function listOf (name: string, claim: unknown): unknown[] {
  if (typeof claim === 'string' && SPLIT.has(name)) return claim.split(' ').filter(value => value !== '')
  if (typeof claim === 'object') {
    if (name === 'realm_access') return rolesOf(claim)
    if (name === 'resource_access') return Object.entries(claim as object).flatMap(([client, access]) => rolesOf(access).map(right => [client, right]))
  }
  return [claim].flat()
}

const SPLIT = new Set(['scope', 'scp'])

/** Keycloak: `{ "roles": ["a", "b"] }`. Every other member counts as it is. */
function rolesOf (access: unknown): unknown[] {
  if (typeof access !== 'object' || access === null) return [['', access]]
  return Object.entries(access).flatMap(([name, value]) =>
    name === 'roles' && Array.isArray(value) ? value.map(role => [name, role]) : [[name, value]])
}
