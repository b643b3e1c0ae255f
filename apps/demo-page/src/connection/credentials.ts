import type { AttemptContext, TokenContext } from '@fastify-airlock/client'
import { send } from '../session/api.js'
import { session } from '../session/session.js'

/** For the client: requests a ticket for the user who is logged in. */
export async function getTicket ({ signal }: Pick<AttemptContext, 'signal'>): Promise<Response> {
  const token = await session.token()
  // The server would answer the same.
  if (token === null) throw Object.assign(new Error('You are not logged in'), { status: 401 })
  return send('POST', '/ws/ticket', { token, signal })
}

/** For the client: returns the current JWT if it will do, otherwise a new one. */
export async function getToken ({ reason }: Pick<TokenContext, 'reason'>): Promise<string | null> {
  if (reason === 'connect') return session.token()
  return (await session.renew())?.token ?? null
}
