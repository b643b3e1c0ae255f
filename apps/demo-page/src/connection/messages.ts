/** What the demo sends after `auth_ok`. */
export type Incoming =
  | { type: 'tick', n: number }
  | { type: 'echo', data: unknown }
  | { type: 'broadcast', data: unknown }
  | { type: 'reset' }
  | { type: 'hello' | 'whoami', userInfo: { name: string, scope: string } }
  | { type: 'error', message: string }

/** What the demo answers. */
export type Outgoing = { type: 'echo', data: unknown } | { type: 'whoami' }
