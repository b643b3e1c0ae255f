import { TICKET_PROTOCOL_PREFIX } from '@fastify-airlock/protocol'
import { fault } from './errors.js'
import type { Settings } from './options.js'
import type { TicketSource } from './types.js'
import { judgeAnswer } from './verdict.js'

// Means the same in a subprotocol, a query and a cookie; has no place for the dots of a JWT.
const TICKET = /^[\w~-]+$/

/** A ticket, and the subprotocol that the server names with it. */
export interface Ticket {
  ticket: string
  protocol?: string | undefined
}

/**
 * Reads what `getTicket` gave.
 *
 * @throws by the status of a response, else that a later one may be better
 */
export async function readTicket (source: TicketSource): Promise<Ticket> {
  let reply: any = source
  if (reply?.json) {
    if (!reply.ok) throw judgeAnswer(reply)
    // Not JSON: a page of something in between, such as the login of a network.
    reply = await reply.json().catch(() => {})
  }
  const { ticket = reply, protocol } = Object(reply) as Ticket
  if (typeof ticket !== 'string' || !TICKET.test(ticket)) throw fault('UNREACHABLE', 'ticket')
  return { ticket, protocol }
}

/**
 * Puts a ticket, where there is one, into its carrier.
 *
 * @param url of the attempt's own
 * @param offer the subprotocols
 * @returns what takes the cookie away, where there is one
 */
export function carry ({ carrier, ticketName }: Settings, ticket: string, url: URL, offer: string[]): (() => void) | undefined {
  if (carrier === 'query') {
    url.searchParams.set(ticketName, ticket)
  } else if (carrier === 'cookie') {
    const attributes = `Path=${url.pathname}; SameSite=Strict${url.protocol === 'wss:' ? '; Secure' : ''}; Max-Age=`
    // The seconds that a ticket lives, for when the page is gone before the attempt ends.
    document.cookie = `${ticketName}=${ticket}; ${attributes}30`
    return () => { document.cookie = `${ticketName}=; ${attributes}0` }
  } else {
    offer.push(TICKET_PROTOCOL_PREFIX + ticket)
  }
}
