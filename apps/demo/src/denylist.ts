import { Sweep, type Sweepable } from '@fastify-airlock/core'
import { beganAt } from './session-claims.js'

/** A session, a single token, or all sessions of a user until then, that was ended. */
export interface Revocation {
  /** Identifies the session, the token, or the user and the time. */
  key: string
  /** When its last token expires, in milliseconds since the epoch. */
  until: number
}

interface Entry extends Revocation, Sweepable {}

/**
 * Sessions that were logged out before they expired: every JWT with the same `sid`, or, without a `sid`, the JWT with
 * the same `jti`. An entry is removed when its last token has expired: from then on, `exp` alone refuses it. Kept in
 * memory; {@link SharedDenylist} tells other nodes.
 */
export class Denylist {
  readonly #revoked = new Map<string, Entry>()
  /** By user: sessions that began until then are ended. */
  readonly #users = new Map<string, number>()
  readonly #sweep = new Sweep<Entry>(({ key }) => { this.#forget(key) }, { resolution: 1_000 })

  /** Number of revocations that are still needed. */
  get size (): number {
    return this.#revoked.size
  }

  /** The revocations that are still needed. */
  get revocations (): Revocation[] {
    return Array.from(this.#revoked.values(), ({ key, until }) => ({ key, until }))
  }

  /**
   * Revokes the session that these claims came from.
   *
   * @param until when its last token expires, in milliseconds since the epoch
   */
  add (claims: object, until: number): Revocation {
    const revocation = { key: keyOf(claims), until }
    this.merge(revocation)
    return revocation
  }

  /**
   * Revokes every session of a user that has begun until now. A login after that counts.
   *
   * @param until when the last of their tokens expires, in milliseconds since the epoch
   */
  addUser (subject: string, until: number, now = Date.now()): Revocation {
    const revocation = { key: `user:${now}:${subject}`, until }
    this.merge(revocation)
    return revocation
  }

  /** Adds a revocation of another node. Repeating it makes no difference; of two ends, the later one counts. */
  merge ({ key, until }: Revocation): void {
    const known = this.#revoked.get(key)
    if (known !== undefined && known.until >= until) return
    const entry = known ?? { key, until, due: 0 }
    entry.until = until
    this.#revoked.set(key, entry)
    this.#sweep.set(entry, until - Date.now())
    const [, time, user] = OF_USER.exec(key) ?? []
    if (user !== undefined) this.#users.set(user, Math.max(Number(time), this.#users.get(user) ?? 0))
  }

  /** Whether the session that these claims came from is revoked. */
  has (claims: object): boolean {
    const time = this.#users.get((claims as { sub: string }).sub)
    return this.#revoked.has(keyOf(claims)) || (time !== undefined && beganAt(claims) <= time)
  }

  /** Removes everything. */
  close (): void {
    this.#revoked.clear()
    this.#users.clear()
    this.#sweep.close()
  }

  #forget (key: string): void {
    this.#revoked.delete(key)
    const [, time, user] = OF_USER.exec(key) ?? []
    if (user !== undefined && this.#users.get(user) === Number(time)) this.#users.delete(user)
  }
}

/** The key of all sessions of a user until a time. */
const OF_USER = /^user:(\d+):([^]*)$/

// Without `sid` and `jti`, all claims together identify the token: another token with the same claims permits the same.
function keyOf (claims: { sid?: unknown, jti?: unknown }): string {
  const { sid, jti } = claims
  if (typeof sid === 'string') return `sid:${sid}`
  return typeof jti === 'string' ? jti : JSON.stringify(claims)
}
