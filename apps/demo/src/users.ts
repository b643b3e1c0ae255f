import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

/** The permissions of a user. */
export type Role = 'user' | 'admin'

/** A user, without secrets. */
export interface User {
  id: string
  name: string
  role: Role
}

/** A user of the demo, with a password that is public. */
export interface DemoUser extends User {
  password: string
}

/** The users that the demo starts with. */
export const demoUsers: readonly DemoUser[] = [
  { id: 'alice', name: 'Alice', role: 'user', password: 'wonderland' },
  { id: 'bob', name: 'Bob', role: 'user', password: 'builder' },
  { id: 'admin', name: 'Admin', role: 'admin', password: 'admin' }
]

/** Looks a user up by name and password. */
export interface UserDirectory {
  /** @returns the user, or `null` if name and password do not match */
  login (name: string, password: string): Promise<User | null>
}

/**
 * Creates a directory that keeps only salted scrypt hashes (RFC 7914). An unknown name takes as long as a wrong
 * password, so the response time does not reveal who has an account.
 */
export async function createUserDirectory (users: readonly DemoUser[]): Promise<UserDirectory> {
  const accounts = new Map(await Promise.all(users.map(async ({ password, ...user }) =>
    [user.id, { user, ...await hash(password) }] as const
  )))
  const nobody = { user: null, ...await hash(randomBytes(16).toString('base64')) }

  return {
    async login (name, password) {
      const { user, salt, key } = accounts.get(name) ?? nobody
      const candidate = await derive(password, salt)
      return timingSafeEqual(candidate, key) ? user : null
    }
  }
}

/** The user of a JWT. A token from another issuer with the same secret may have only a subject. */
export function userOf (claims: object): User {
  const { sub, name, role } = claims as { sub: string, name?: unknown, role?: unknown }
  return { id: sub, name: typeof name === 'string' ? name : sub, role: role === 'admin' ? 'admin' : 'user' }
}

const derive = promisify<string, Buffer, Buffer>((password, salt, done) => scrypt(password, salt, 32, done))

async function hash (password: string): Promise<{ salt: Buffer, key: Buffer }> {
  const salt = randomBytes(16)
  return { salt, key: await derive(password, salt) }
}
