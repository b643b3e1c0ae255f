import {
  beganAt, findTrail, isReplaced, markRoutePart, next, nonEmptyString, noteEarlierBegin, optionsObject, parseOptions, type Trail, trailKey
} from '@fastify-airlock/core'
import { TICKET_PARAMETER, TICKET_PROTOCOL_PREFIX } from '@fastify-airlock/protocol'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import * as v from 'valibot'
import type { Authenticated, CredentialCheckFactory } from './authenticator.js'
import { cookieCarrier, queryCarrier, toCarriers } from './carriers.js'
import { WSA_GUARD_ERR_OPTION } from './errors.js'
import { authenticatorMaker } from './route-part.js'

/** Options of {@link ticket}. */
export interface TicketAuthenticatorOptions {
  /**
   * The audience that a ticket must have been issued for.
   * @default the ticket plugin's default audience
   */
  audience?: string
  /**
   * Whether `Sec-WebSocket-Protocol: …, ticket.<ticket>` is read.
   * @default true
   */
  subprotocol?: boolean
  /**
   * Name of the cookie that carries a ticket, or `false`.
   * @default 'ticket'
   */
  cookie?: string | false
  /**
   * Name of the query parameter that carries a ticket, or `false`. URLs are logged, but a redeemed ticket is worthless.
   * @default 'ticket'
   */
  query?: string | false
}

const ticketOptions = optionsObject({
  audience: v.optional(nonEmptyString),
  subprotocol: v.optional(v.boolean(), true),
  cookie: v.optional(cookieCarrier, TICKET_PARAMETER),
  query: v.optional(queryCarrier, TICKET_PARAMETER)
})

/** The part of `fastify.wsTickets` that the guard needs. */
interface Tickets {
  redeem (ticket: string, context: TicketContext): Promise<Redeemed | null>
  /** Like `redeem`, but may return synchronously. */
  redeemNow? (ticket: string, context: TicketContext): Redeemed | null | Promise<Redeemed | null>
  isUnknown? (ticket: string): boolean
}

interface TicketContext {
  audience?: string | undefined
  origin?: string | undefined
  readonly ip?: string | undefined
  /** The trail of the upgrade, which then says why a ticket is refused. */
  readonly [trailKey]?: Trail | undefined
}

type Redeemed = Required<Omit<Authenticated, 'expiresAt'>>

/**
 * Accepts a ticket of `@fastify-airlock/ticket`, or of another plugin that decorates `fastify.wsTickets` with the same
 * `redeem`.
 *
 * @throws {@link WSA_GUARD_ERR_OPTION} when an option is wrong
 *
 * @example
 * app.wsGuard({ authenticate: ticket({ audience: '/ws/chat', query: false }) })
 */
export function ticket (options: TicketAuthenticatorOptions = {}): CredentialCheckFactory {
  const { audience, subprotocol, cookie, query } = parseOptions(ticketOptions, options, WSA_GUARD_ERR_OPTION)
  return {
    prepare (fastify) {
      const { wsTickets } = fastify as FastifyInstance & { wsTickets?: Tickets }
      if (wsTickets === undefined) {
        throw new WSA_GUARD_ERR_OPTION('authenticate: register @fastify-airlock/ticket before the route, or give another authenticator')
      }
      return {
        carriers: toCarriers(subprotocol && TICKET_PROTOCOL_PREFIX, cookie, query, false),
        isUnknown: value => wsTickets.isUnknown?.(value) === true,
        authenticate (value, request) {
          return next(redeem(wsTickets, value, audience, request), redeemed => identify(redeemed, request))
        }
      }
    }
  }
}

markRoutePart(ticket, authenticatorMaker('ticket'))

/** Redeems synchronously if possible, unless the application has replaced `redeem`. */
function redeem (tickets: Tickets, ticket: string, audience: string | undefined, request: FastifyRequest): Redeemed | null | Promise<Redeemed | null> {
  const replaced = isReplaced(tickets, 'redeem') && !isReplaced(tickets, 'redeemNow')
  return tickets.redeemNow === undefined || replaced
    ? tickets.redeem(ticket, { audience, origin: request.headers.origin, ip: request.ip, [trailKey]: findTrail(request.raw) })
    : tickets.redeemNow(ticket, new UpgradeContext(audience, request))
}

/** The address takes a system call. Only tickets that are bound to an address read it. */
class UpgradeContext implements TicketContext {
  readonly audience: string | undefined
  readonly origin: string | undefined
  readonly #request: FastifyRequest

  constructor (audience: string | undefined, request: FastifyRequest) {
    this.audience = audience
    this.origin = request.headers.origin
    this.#request = request
  }

  get ip (): string | undefined {
    return this.#request.ip
  }

  get [trailKey] (): Trail | undefined {
    return findTrail(this.#request.raw)
  }
}

/**
 * Leaves out when the ticket expires, which says nothing about the connection. When it was asked for does: an order to
 * disconnect that was given since then, and may still be on its way to this node, means the connection.
 */
function identify (redeemed: Redeemed | null, request: FastifyRequest): Authenticated | null {
  // The guard checks what another plugin's tickets return.
  if (typeof redeemed !== 'object' || redeemed === null) return redeemed
  const began = beganAt(redeemed)
  if (began !== undefined) noteEarlierBegin(request.raw, began)
  return { subject: redeemed.subject, claims: redeemed.claims }
}
