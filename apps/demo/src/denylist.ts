import { Sweep, type Sweepable } from '@fastify-airlock/core'

/** One session, or one token, that was logged out. */
export interface Revocation {
  /** Names it. */
  key: string
  /** When nothing of it is valid any more, in milliseconds since the epoch. */
  until: number
}

interface Entry extends Revocation, Sweepable {}

/**
 * Sessions that were logged out before their time: every JWT with the same `sid`, or the one with the same `jti` where
 * there is no `sid`. Each is forgotten when nothing of it is valid any more, since from then on `exp` alone keeps it
 * out. In memory; {@link SharedDenylist} tells other processes.
 */
export class Denylist {
  readonly #revoked = new Map<string, Entry>()
  readonly #sweep = new Sweep<Entry>(({ key }) => { this.#revoked.delete(key) }, { resolution: 1_000 })

  /** What is revoked and not yet forgotten. */
  get size (): number {
    return this.#revoked.size
  }

  /** All of that. */
  get revocations (): Revocation[] {
    return Array.from(this.#revoked.values(), ({ key, until }) => ({ key, until }))
  }

  /**
   * Revokes the session that these claims came from.
   *
   * @param until when the last of its tokens has expired, in milliseconds since the epoch
   */
  add (claims: object, until: number): Revocation {
    const revocation = { key: keyOf(claims), until }
    this.merge(revocation)
    return revocation
  }

  /** Takes over what was revoked elsewhere. Once or several times makes no difference, and the later end counts. */
  merge ({ key, until }: Revocation): void {
    const known = this.#revoked.get(key)
    if (known !== undefined && known.until >= until) return
    const entry = known ?? { key, until, due: 0 }
    entry.until = until
    this.#revoked.set(key, entry)
    this.#sweep.set(entry, until - Date.now())
  }

  /** Whether the session that these claims came from was revoked. */
  has (claims: object): boolean {
    return this.#revoked.has(keyOf(claims))
  }

  /** Forgets everything. */
  close (): void {
    this.#revoked.clear()
    this.#sweep.close()
  }
}

// Without either the claims themselves name the token: another one with the very same claims is the same permission.
function keyOf (claims: { sid?: unknown, jti?: unknown }): string {
  const { sid, jti } = claims
  if (typeof sid === 'string') return `sid:${sid}`
  return typeof jti === 'string' ? jti : JSON.stringify(claims)
}
