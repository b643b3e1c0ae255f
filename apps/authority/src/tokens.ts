import { Sweep, type Sweepable } from '@fastify-airlock/core'
import { hash, randomBytes } from 'node:crypto'

/** What the authority knows about a token. */
export interface TokenRecord {
  /** The user's id. */
  sub: string
  /** What the token permits, separated by spaces. */
  scope: string
  /** When it was issued, in seconds since the epoch. */
  iat: number
  /** When it expires, in seconds since the epoch. */
  exp: number
}

interface Stored extends Sweepable {
  key: string
  record: TokenRecord
}

/** Keeps tokens in memory, by their SHA-256 only: nobody who reads the memory learns a token. */
export class TokenStore {
  readonly #tokens = new Map<string, Stored>()
  readonly #expiry = new Sweep<Stored>(({ key }) => this.#tokens.delete(key), { resolution: 1_000 })

  /** Number of valid tokens. */
  get size (): number {
    return this.#tokens.size
  }

  /**
   * Issues a token: 256 bits of the CSPRNG in base64url.
   *
   * @param seconds its lifetime
   */
  issue (sub: string, scope: string, seconds: number): { token: string, record: TokenRecord } {
    const token = randomBytes(32).toString('base64url')
    const iat = Math.floor(Date.now() / 1000)
    const stored = { key: keyOf(token), record: { sub, scope, iat, exp: iat + seconds }, due: 0 }
    this.#tokens.set(stored.key, stored)
    this.#expiry.set(stored, seconds * 1000)
    return { token, record: stored.record }
  }

  /** Finds the record of a token; `null` if the token is unknown, revoked or expired. */
  find (token: string): TokenRecord | null {
    const record = this.#tokens.get(keyOf(token))?.record
    return record === undefined || record.exp * 1000 <= Date.now() ? null : record
  }

  /** Revokes a token; an unknown one is ignored. */
  revoke (token: string): void {
    const stored = this.#tokens.get(keyOf(token))
    if (stored === undefined) return
    this.#expiry.clear(stored)
    this.#tokens.delete(stored.key)
  }
}

function keyOf (token: string): string {
  return hash('sha256', token, 'base64url')
}
