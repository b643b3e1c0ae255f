import { Sweep, type Sweepable } from '@fastify-airlock/core'

/** One token that was logged out. */
export interface Revocation {
  /** Names the token. */
  key: string
  /** When the token expires, in milliseconds since the epoch. */
  until: number
}

interface Entry extends Revocation, Sweepable {}

/** The claims of a JWT that the denylist looks at. */
export interface RevocableClaims {
  /** In seconds since the epoch. */
  exp: number
  jti?: unknown
}

/**
 * JWTs that were logged out before their time. Each is forgotten when it expires, since from then on its `exp` alone
 * keeps it out. In memory; {@link shareDenylist} tells other processes.
 */
export class Denylist {
  readonly #revoked = new Map<string, Entry>()
  readonly #sweep = new Sweep<Entry>(({ key }) => { this.#revoked.delete(key) }, { resolution: 1_000 })

  /** Tokens that are revoked and not yet expired. */
  get size (): number {
    return this.#revoked.size
  }

  /** Those tokens. */
  get revocations (): Revocation[] {
    return Array.from(this.#revoked.values(), ({ key, until }) => ({ key, until }))
  }

  /** Revokes the token that these claims came from. */
  add (claims: RevocableClaims): Revocation {
    const revocation = { key: keyOf(claims), until: claims.exp * 1000 }
    this.merge(revocation)
    return revocation
  }

  /** Takes over what was revoked elsewhere; once or several times makes no difference. */
  merge ({ key, until }: Revocation): void {
    if (this.#revoked.has(key)) return
    const entry: Entry = { key, until, due: 0 }
    this.#revoked.set(key, entry)
    this.#sweep.set(entry, until - Date.now())
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
function keyOf (claims: { jti?: unknown }): string {
  return typeof claims.jti === 'string' ? claims.jti : JSON.stringify(claims)
}
