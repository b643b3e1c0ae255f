import { equals } from './client.js'

/** A user of the authority. */
export interface AuthorityUser {
  sub: string
  name: string
  role: 'user' | 'admin'
  /** What the user's tokens permit, separated by spaces. */
  scope: string
}

/** All users, with passwords that are public. */
export const demoUsers: ReadonlyArray<AuthorityUser & { password: string }> = [
  { sub: 'alice', name: 'Alice', role: 'user', scope: 'chat', password: 'wonderland' },
  { sub: 'bob', name: 'Bob', role: 'user', scope: 'chat', password: 'builder' },
  { sub: 'admin', name: 'Admin', role: 'admin', scope: 'chat admin', password: 'admin' }
]

/** Finds a user, without the password; `null` if there is none. */
export function findUser (sub: string): AuthorityUser | null {
  const user = demoUsers.find(user => user.sub === sub)
  if (user === undefined) return null
  const { password, ...rest } = user
  return rest
}

/** Finds a user by name and password; `null` if they do not match. */
export function login (username: string, password: string): AuthorityUser | null {
  const user = demoUsers.find(({ sub }) => sub === username)
  // Compared even if the user is unknown, so that the response time does not reveal who exists.
  return equals(password, user?.password ?? '') && user !== undefined ? findUser(username) : null
}
