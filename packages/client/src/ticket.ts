import { SUBPROTOCOL, TICKET_PROTOCOL_PREFIX } from '@fastify-airlock/protocol'
import type { Settings } from './options.js'
import type { TicketSource } from './types.js'
import { judgeAnswer, unreachable } from './verdict.js'

// Means the same in a subprotocol, a query and a cookie; has no place for the dots of a JWT.
const TICKET = /^[\w~-]+$/

/** Seconds that a cookie lives whose page is gone before its attempt ends: those of a ticket. */
const COOKIE_AGE = 30

/** A ticket, and the subprotocol that the server names with it. */
export interface Ticket {
  ticket: string
  protocol?: string | undefined
}

/** Where a WebSocket is to be opened. */
export interface Target {
  url: string
  /** The real subprotocols: one of them has to be selected. */
  protocols: readonly string[]
  /** All that is offered: those, and the carrier. */
  offer: string[]
  /** Takes the cookie away, where there is one. */
  clear: (() => void) | undefined
}

/**
 * Reads what `getTicket` gave.
 *
 * @throws a `Verdict`: by the status of a response, else that a later one may be better
 */
export async function readTicket (source: TicketSource): Promise<Ticket> {
  let reply: unknown = source
  if (typeof (source as Response | null)?.json === 'function') {
    const response = source as Response
    if (!response.ok) throw judgeAnswer(response)
    // Not JSON: a page of something in between, such as the login of a network.
    reply = await response.json().catch(() => null)
  }
  const { ticket, protocol } = (typeof reply === 'string' ? { ticket: reply } : Object(reply)) as Partial<Ticket>
  if (typeof ticket !== 'string' || !TICKET.test(ticket)) throw unreachable('getTicket gave no ticket')
  return { ticket, protocol }
}

/** Puts a ticket, where there is one, into its carrier. */
export function aim ({ url, carrier, ticketName, protocols: wanted }: Settings, ticket: Ticket | undefined): Target {
  const protocols = wanted ?? [ticket?.protocol ?? SUBPROTOCOL]
  const offer = [...protocols]
  const target = new URL(url)
  let clear: (() => void) | undefined
  if (ticket !== undefined) {
    if (carrier === 'subprotocol') {
      offer.push(TICKET_PROTOCOL_PREFIX + ticket.ticket)
    } else if (carrier === 'query') {
      target.searchParams.set(ticketName, ticket.ticket)
    } else {
      const set = (value: string, age: number): void => {
        const secure = url.protocol === 'wss:' ? '; Secure' : ''
        document.cookie = `${ticketName}=${value}; Path=${url.pathname}; Max-Age=${age}; SameSite=Strict${secure}`
      }
      set(ticket.ticket, COOKIE_AGE)
      clear = () => { set('', 0) }
    }
  }
  return { url: target.href, protocols, offer, clear }
}
