import { createHash, randomBytes } from 'node:crypto'
import { MemorySets, type Sets } from './sets.js'

/** What the cookie of a login is good for: {@link Logins.find}. */
export interface Login {
  user: string
  /** The name of this login, the claim `sid` of its JWTs. It proves nothing. */
  sid: string
}

/** Who is logged in, on each device. Kept is the hash of what the device has. */
export class Logins {
  readonly #sets: Sets

  constructor (sets: Sets = new MemorySets()) {
    this.#sets = sets
  }

  /** One more device, and the cookie that it gets. */
  async begin (user: string): Promise<{ cookie: string, sid: string }> {
    const secret = randomBytes(32).toString('base64url')
    await this.#sets.add(`logins of ${user}`, hash(secret))
    return { cookie: `${secret}.${user}`, sid: hash(secret) }
  }

  /** Whose cookie this is; `null` for none, and after the logout. */
  async find (cookie = ''): Promise<Login | null> {
    const [secret = '', ...name] = cookie.split('.')
    const login = { user: name.join('.'), sid: hash(secret) }
    return await this.has(login.user, login.sid) ? login : null
  }

  async has (user: string, sid: string): Promise<boolean> {
    return await this.#sets.has(`logins of ${user}`, sid)
  }

  /** Ends one login of a user; without its name, all of them. */
  async end (user: string, sid?: string): Promise<void> {
    await this.#sets.remove(`logins of ${user}`, sid)
  }
}

function hash (secret: string): string {
  return createHash('sha256').update(secret).digest('base64url')
}
