import { callback, createJwtVerifier, jwtOptions, type JwtOptions, next, nonEmptyString, parseOptions, type VerifiedToken } from '@fastify-airlock/core'
import { BEARER_PROTOCOL_PREFIX, TICKET_PARAMETER, TICKET_PROTOCOL_PREFIX } from '@fastify-airlock/protocol'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import * as v from 'valibot'
import type { Carriers } from './credentials.js'
import { WSA_GUARD_ERR_OPTION } from './errors.js'
import type { Authenticated, AuthenticatorFactory } from './types.js'

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
   * Name of the query parameter that carries a ticket, or `false`. URLs are logged; a ticket there is worthless once
   * it is redeemed.
   * @default 'ticket'
   */
  query?: string | false
}

const cookieOrQuery = v.union([nonEmptyString, v.literal(false)])

const ticketOptions = v.strictObject({
  audience: v.optional(nonEmptyString),
  subprotocol: v.optional(v.boolean(), true),
  cookie: v.optional(cookieOrQuery, TICKET_PARAMETER),
  query: v.optional(cookieOrQuery, TICKET_PARAMETER)
})

/** What the guard needs of `fastify.wsTickets`. */
interface Tickets {
  redeem (ticket: string, context: TicketContext): Promise<Redeemed | null>
  /** As `redeem`, but may answer at once. */
  redeemNow? (ticket: string, context: TicketContext): Redeemed | null | Promise<Redeemed | null>
  isUnknown? (ticket: string): boolean
}

interface TicketContext {
  audience?: string | undefined
  origin?: string | undefined
  readonly ip?: string | undefined
}

type Redeemed = Required<Omit<Authenticated, 'expiresAt'>>

/**
 * Takes a ticket of `@fastify-airlock/ticket`, or of anything that is decorated as `fastify.wsTickets` with the same
 * `redeem`.
 *
 * @throws WSA_GUARD_ERR_OPTION
 *
 * @example
 * app.wsGuard({ authenticate: ticket({ audience: '/ws/chat', query: false }) })
 */
export function ticket (options: TicketAuthenticatorOptions = {}): AuthenticatorFactory {
  const { audience, subprotocol, cookie, query } = parseOptions(ticketOptions, options, WSA_GUARD_ERR_OPTION)
  return {
    prepare (fastify) {
      const { wsTickets } = fastify as FastifyInstance & { wsTickets?: Tickets }
      if (wsTickets === undefined) {
        throw new WSA_GUARD_ERR_OPTION('authenticate: register @fastify-airlock/ticket before the route, or name another authenticator')
      }
      return {
        carriers: carriers(subprotocol && TICKET_PROTOCOL_PREFIX, cookie, query, false),
        isUnknown: value => wsTickets.isUnknown?.(value) === true,
        authenticate (value, request) {
          return next(redeem(wsTickets, value, audience, request), identify)
        }
      }
    }
  }
}

/** At once where that can be had, unless an application has put its own `redeem` in front of the plugin's. */
function redeem (tickets: Tickets, ticket: string, audience: string | undefined, request: FastifyRequest): Redeemed | null | Promise<Redeemed | null> {
  const replaced = Object.hasOwn(tickets, 'redeem') && !Object.hasOwn(tickets, 'redeemNow')
  return tickets.redeemNow === undefined || replaced
    ? tickets.redeem(ticket, { audience, origin: request.headers.origin, ip: request.ip })
    : tickets.redeemNow(ticket, new UpgradeContext(audience, request))
}

/** The address takes a system call, and only tickets that are bound to one ask for it. */
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
}

/** The life of the ticket ends here; it says nothing about that of the connection. */
function identify (redeemed: Redeemed | null): Authenticated | null {
  return redeemed === null ? null : { subject: redeemed.subject, claims: redeemed.claims }
}

/** Options of {@link jwt}, besides those of the verification. */
export interface JwtAuthenticatorOptions extends JwtOptions {
  /**
   * Whether `Authorization: Bearer <jwt>` is read. Browsers cannot send it; other clients can.
   * @default true
   */
  header?: boolean
  /**
   * Whether `Sec-WebSocket-Protocol: …, bearer.<jwt>` is read.
   * @default true
   */
  subprotocol?: boolean
  /**
   * Name of a cookie that carries the JWT, or `false`. A cookie comes along from any page that can reach the server:
   * keep the Origin check tight and the cookie `SameSite`.
   * @default false
   */
  cookie?: string | false
  /**
   * Name of a query parameter that carries the JWT, or `false`. A JWT in a URL is logged, and good until it expires.
   * @default false
   */
  query?: string | false
  /**
   * Says whether a valid token has been revoked. `fastify.jwt.verify` does not look at the `trusted` option of
   * `@fastify/jwt`, so this is the place.
   * @default none is
   */
  isRevoked?: (token: VerifiedToken, request: FastifyRequest) => boolean | Promise<boolean>
}

const jwtAuthenticatorOptions = v.strictObject({
  ...jwtOptions.entries,
  header: v.optional(v.boolean(), true),
  subprotocol: v.optional(v.boolean(), true),
  cookie: v.optional(cookieOrQuery, false),
  query: v.optional(cookieOrQuery, false),
  isRevoked: v.optional(callback<NonNullable<JwtAuthenticatorOptions['isRevoked']>>())
})

/**
 * Takes a JWT on the upgrade itself, without a ticket.
 *
 * @throws WSA_GUARD_ERR_OPTION
 *
 * @example
 * app.wsGuard({ authenticate: jwt({ audience: 'chat', issuer: 'https://id.example.com' }) })
 */
export function jwt (options: JwtAuthenticatorOptions = {}): AuthenticatorFactory {
  const { header, subprotocol, cookie, query, isRevoked, ...verification } = parseOptions(jwtAuthenticatorOptions, options, WSA_GUARD_ERR_OPTION)
  return {
    prepare (fastify) {
      const verify = createJwtVerifier(fastify, verification, WSA_GUARD_ERR_OPTION)
      return {
        carriers: carriers(subprotocol && BEARER_PROTOCOL_PREFIX, cookie, query, header),
        authenticate (value, request) {
          return next(verify(value), token => {
            if (typeof token === 'string') return null
            return isRevoked === undefined ? token : next(isRevoked(token, request), revoked => revoked ? null : token)
          })
        }
      }
    }
  }
}

function carriers (subprotocol: string | false, cookie: string | false, query: string | false, header: boolean): Carriers {
  return {
    ...(subprotocol !== false && { subprotocol }),
    ...(cookie !== false && { cookie }),
    ...(query !== false && { query }),
    header
  }
}
