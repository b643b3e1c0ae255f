import type { AttemptContext, TokenContext } from '@fastify-airlock/client'
import { send } from '../session/api.js'
import { session } from '../session/session.js'

/** For the client: asks for a ticket, in the name of who is logged in. */
export async function getTicket ({ signal }: Pick<AttemptContext, 'signal'>): Promise<Response> {
  const token = await session.token()
  // What the server would say, without asking it.
  if (token === null) throw Object.assign(new Error('Nobody is logged in'), { status: 401 })
  return send('POST', '/ws/ticket', { token, signal })
}

/** For the client: the JWT at hand where it will do, else a new one. */
export async function getToken ({ reason }: Pick<TokenContext, 'reason'>): Promise<string | null> {
  if (reason === 'connect') return session.token()
  return (await session.renew())?.token ?? null
}
