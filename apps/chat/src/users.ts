import { randomBytes, scryptSync, timingSafeEqual } from 'node:crypto'

/** A user of the chat. */
export interface User {
  name: string
  role: 'admin' | 'user'
}

/** Who may log in. In an application, your database. */
export class Users {
  readonly #users = new Map<string, { user: User, salt: Buffer, hash: Buffer }>()

  add (name: string, password: string, role: User['role'] = 'user'): void {
    const salt = randomBytes(16)
    this.#users.set(name, { user: { name, role }, salt, hash: scryptSync(password, salt, 32) })
  }

  check (name: string, password: string): User | null {
    const found = this.#users.get(name)
    return found !== undefined && timingSafeEqual(found.hash, scryptSync(password, found.salt, 32)) ? found.user : null
  }
}
