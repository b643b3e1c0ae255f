import { Sweep, type Sweepable } from '@fastify-airlock/core'

interface Entry extends Sweepable {
  key: unknown
}

/** The claims of a JWT that the denylist looks at. */
export interface RevocableClaims {
  /** In seconds since the epoch. */
  exp: number
  jti?: unknown
}

/**
 * JWTs that were logged out before their time. Each is forgotten when it expires, since from then on its `exp` alone
 * keeps it out. In memory: several processes would have to share theirs.
 */
export class Denylist {
  readonly #revoked = new Set<unknown>()
  readonly #sweep = new Sweep<Entry>(({ key }) => { this.#revoked.delete(key) }, { resolution: 1_000 })

  /** Tokens that are revoked and not yet expired. */
  get size (): number {
    return this.#revoked.size
  }

  /** Revokes the token that these claims came from. */
  add (claims: RevocableClaims): void {
    const key = keyOf(claims)
    this.#revoked.add(key)
    this.#sweep.set({ key, due: 0 }, claims.exp * 1000 - Date.now())
  }

  /** Whether the token that these claims came from was revoked. */
  has (claims: object): boolean {
    return this.#revoked.has(keyOf(claims))
  }

  /** Forgets everything. */
  close (): void {
    this.#revoked.clear()
    this.#sweep.close()
  }
}

// Without a `jti` the claims themselves name the token: another one with the very same claims is the same permission.
function keyOf (claims: { jti?: unknown }): unknown {
  return claims.jti ?? JSON.stringify(claims)
}
