import { type TICKET_PROTOCOL_PREFIX, TICKET_TTL_S } from '@fastify-airlock/protocol'
import { askApplication } from './application.js'
import { fault } from './errors.js'
import type { AttemptContext, ConnectSettings } from './options.js'
import { judgeAnswer } from './verdict.js'

// These characters mean the same in a subprotocol, a query and a cookie. A JWT, with its dots, does not match.
const TICKET = /^[\w~-]+$/

/** A ticket, and the subprotocol that the server names with it. */
export interface Ticket {
  ticket: string
  protocol?: string | undefined
}

/**
 * Asks the application for a ticket.
 *
 * @throws AirlockError by the status of a response; otherwise one that says to try later
 */
export async function askTicket (getTicket: NonNullable<ConnectSettings['getTicket']>, context: AttemptContext): Promise<Ticket> {
  let reply: any = await askApplication(getTicket, context)
  if (reply?.json) {
    if (!reply.ok) throw judgeAnswer(reply)
    // Not JSON means a page from something in between, such as the login page of a network.
    reply = await reply.json().catch(() => {})
  }
  const { ticket = reply, protocol } = Object(reply) as Ticket
  if (typeof ticket !== 'string' || !TICKET.test(ticket)) throw fault('UNREACHABLE', 'ticket')
  return { ticket, protocol }
}

/**
 * Puts a ticket into its carrier.
 *
 * @param url the attempt's own copy; `query` changes it
 * @param offer the subprotocols; `subprotocol` adds to them
 * @returns a function that removes the cookie, if there is one
 */
export function carry ({ carrier, ticketName }: ConnectSettings, ticket: string, url: URL, offer: string[]): (() => void) | undefined {
  if (carrier === 'query') {
    url.searchParams.set(ticketName, ticket)
  } else if (carrier === 'cookie') {
    const attributes = `Path=${url.pathname}; SameSite=Strict${url.protocol === 'wss:' ? '; Secure' : ''}; Max-Age=`
    // It lives as long as a ticket, in case the page is gone before the attempt ends.
    document.cookie = `${ticketName}=${ticket}; ${attributes}${TICKET_TTL_S}`
    return () => { document.cookie = `${ticketName}=; ${attributes}0` }
  } else {
    offer.push(('ticket.' satisfies typeof TICKET_PROTOCOL_PREFIX) + ticket)
  }
}
