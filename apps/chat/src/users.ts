import { randomBytes, scryptSync, timingSafeEqual } from 'node:crypto'

/** A user of the chat. */
export interface User {
  name: string
  role: 'admin' | 'user'
}

/** Who may log in. In an application, your database. */
export class Users {
  readonly #users = new Map<string, { user: User, salt: Buffer, hash: Buffer }>()
  // A name that nobody has takes as long as a wrong password.
  readonly #nobody = { user: null, salt: randomBytes(16), hash: randomBytes(32) }

  add (name: string, password: string, role: User['role'] = 'user'): void {
    const salt = randomBytes(16)
    this.#users.set(name, { user: { name, role }, salt, hash: scryptSync(password, salt, 32) })
  }

  get (name: string): User | null {
    return this.#users.get(name)?.user ?? null
  }

  check (name: string, password: string): User | null {
    const { user, salt, hash } = this.#users.get(name) ?? this.#nobody
    return timingSafeEqual(hash, scryptSync(password, salt, 32)) ? user : null
  }
}
