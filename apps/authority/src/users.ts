import { same } from './client.js'

/** A user whom the authority knows. */
export interface AuthorityUser {
  sub: string
  name: string
  role: 'user' | 'admin'
  /** What the user's tokens allow, separated by spaces. */
  scope: string
}

/** The users there are, with passwords that everybody may know. */
export const demoUsers: ReadonlyArray<AuthorityUser & { password: string }> = [
  { sub: 'alice', name: 'Alice', role: 'user', scope: 'chat', password: 'wonderland' },
  { sub: 'bob', name: 'Bob', role: 'user', scope: 'chat', password: 'builder' },
  { sub: 'admin', name: 'Admin', role: 'admin', scope: 'chat admin', password: 'admin' }
]

/** The user of that name, without the password; `null` where there is none. */
export function findUser (sub: string): AuthorityUser | null {
  const user = demoUsers.find(user => user.sub === sub)
  if (user === undefined) return null
  const { password, ...rest } = user
  return rest
}

/** Looks a user up by name and password; `null` where they do not belong together. */
export function login (username: string, password: string): AuthorityUser | null {
  const user = demoUsers.find(({ sub }) => sub === username)
  // Compared in any case, so that the time does not tell who is known.
  return same(password, user?.password ?? '') && user !== undefined ? findUser(username) : null
}
