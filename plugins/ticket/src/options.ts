import {
  type AllowedOrigin, callback, ignoreWarnings, instanceWith, milliseconds, nonEmptyString, offOr, optionsObject, positiveInteger,
  type TokenCacheOptions, tokenCacheOptions
} from '@fastify-airlock/core'
import { TICKET_TTL_MS } from '@fastify-airlock/protocol'
import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import * as v from 'valibot'
import type { TicketRateCounter } from './rate-counter.js'
import { STORE_TIMEOUT, type TicketStore } from './store.js'
import { MemoryStore } from './stores/memory.js'

/** Options of the plugin. */
export interface WsTicketsOptions {
  /**
   * Where the tickets are kept. The store is closed together with the server.
   * @default new MemoryStore()
   */
  store?: TicketStore
  /**
   * The audience of tickets that name none.
   * @default 'websocket'
   */
  audience?: string
  /**
   * Life of a ticket in milliseconds, at most 900000 (15 minutes).
   * @default 30000
   */
  ttl?: number
  /**
   * Whether a ticket may be redeemed any number of times until it expires.
   * @default false
   */
  reuse?: boolean
  /**
   * Whether the route binds tickets to the request's `Origin`. A request without one gets an unbound ticket.
   * @default false
   */
  bindOrigin?: boolean
  /**
   * Origins whose pages may ask for a ticket by cookie without a CORS preflight, as a form does: `https://app.example.com`,
   * `https://*.example.com`, or a function. A list replaces the default. Requests with a token in `Authorization`, and those
   * that declare JSON, are what a browser asks about before: CORS decides about them.
   * @default the host of the request
   */
  allowedOrigins?: AllowedOrigin | AllowedOrigin[]
  /**
   * Whether the route binds tickets to the client's address. Behind a proxy this needs Fastify's `trustProxy`.
   * @default false
   */
  bindAddress?: boolean
  /**
   * The claim that names the session, of tickets, JWTs and identities, for all plugins on the server: one of them is told.
   * @default 'sid' (OpenID Connect)
   */
  sessionClaim?: string
  /**
   * Time the store has for an answer, in milliseconds. After it, requests are answered with 503.
   * @default 2000
   */
  storeTimeout?: number
  /**
   * The clock that decides when tickets expire, in milliseconds since the epoch.
   * @default Date.now
   */
  now?: () => number
  /**
   * The route that issues tickets; `false` for none.
   * @default {}
   */
  route?: TicketRouteOptions | false
  /**
   * Prefix of the route's path, as in Fastify's `register`.
   * @default ''
   */
  prefix?: string
  /**
   * Codes of start-up warnings that are not logged, such as `WSA_TICKET_WARN_MEMORY_STORE`.
   * @default []
   */
  ignoreWarnings?: string[]
}

/** Options of the route that issues tickets. */
export interface TicketRouteOptions {
  /**
   * Path of the route, after the plugin's `prefix`.
   * @default '/ws/ticket'
   */
  path?: string
  /**
   * Refuses clients that are not signed in.
   * @default request.jwtVerify() of @fastify/jwt
   */
  authenticate?: AuthenticateHook | AuthenticateHook[]
  /**
   * The hook in which `authenticate` runs: `'onRequest'` before the body is read, `'preValidation'` after the hooks of
   * that kind which the application has, such as the one in which `@fastify/passport` restores its user, `'preHandler'`
   * after the body has been checked.
   * @default 'preValidation' with `authenticate`, otherwise 'onRequest'
   */
  hook?: 'onRequest' | 'preValidation' | 'preHandler'
  /**
   * Replaces `request.jwtVerify()` by a faster check: a token that was verified recently, here or in a first frame, is
   * accepted without another check of its signature. Repeat `trusted` and `formatUser` here if you gave them to
   * `@fastify/jwt`, which does not tell other plugins. Cannot be combined with `authenticate`.
   * @default undefined, for request.jwtVerify()
   */
  jwt?: RouteJwtOptions
  /**
   * Returns the subject of the ticket. Anything but a non-empty string is answered with 401.
   * @default request.user.sub
   */
  subject?: (request: FastifyRequest) => string | undefined
  /**
   * Returns the session that the ticket belongs to: what one login is called. Anything but a non-empty string is none. It
   * becomes the claim `sid` of the ticket, or what `sessionClaim` names.
   * @default that claim of `claims`, otherwise that of request.user
   */
  session?: (request: FastifyRequest) => string | undefined
  /**
   * Returns the claims of the ticket.
   * @default none
   */
  claims?: (request: FastifyRequest) => Record<string, unknown> | Promise<Record<string, unknown>>
  /**
   * Time that `authenticate`, `request.jwtVerify()`, `jwt.trusted`, `claims` and a function in `allowedOrigins` have for an
   * answer, in milliseconds. After it the request is answered with 503.
   * @default 5000
   */
  hookTimeout?: number
  /**
   * Audiences that a request may name.
   * @default [the plugin's audience]
   */
  audiences?: string[]
  /**
   * How often one subject may ask, or `false` for no limit. It needs `@fastify/rate-limit`, registered before. Without
   * that plugin, the default does not apply and a limit given here is an error.
   * @default { max: 60, timeWindow: 60000 }
   */
  rateLimit?: TicketRateLimit | false
  /**
   * The OpenAPI security requirement of the route, for `@fastify/swagger`. It may only name security schemes that the
   * application has declared.
   * @default none
   */
  security?: Array<Record<string, string[]>>
}

/** A Fastify hook (`onRequest`, `preValidation` or `preHandler`) that decides who may have a ticket. It refuses by throwing or by replying. */
export type AuthenticateHook =
  // One signature, and no union of Fastify's two: TypeScript infers the parameters of a function from one alone.
  (this: FastifyInstance, request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => unknown

/** Options of the route's own check of the JWT. */
export interface RouteJwtOptions {
  /**
   * Whether a valid token is still good. Anything but `true` is answered with 401, and an answer later than `hookTimeout`
   * with 503. Give the function here that you
   * gave to `@fastify/jwt`.
   * @default every valid token is
   */
  trusted?: ((request: FastifyRequest, claims: Record<string, unknown>) => boolean | Promise<boolean>) | undefined
  /**
   * Returns what becomes `request.user`. Give the function here that you gave to `@fastify/jwt`.
   * @default the claims
   */
  formatUser?: ((claims: Record<string, unknown>) => unknown) | undefined
  /**
   * How long a verified token is remembered, or `false`. With the same value as the handshake's `jwt.cache`, the first
   * frame accepts tokens that the route has verified.
   * @default { ttl: 60000, max: 10000 }
   */
  cache?: TokenCacheOptions | false | undefined
}

/** How often one subject may ask for tickets. */
export interface TicketRateLimit {
  /**
   * Requests per window.
   * @default 60
   */
  max?: number
  /**
   * The window in milliseconds.
   * @default 60000
   */
  timeWindow?: number
  /**
   * Counts the requests of each subject over all nodes. While it is away, the limit of each node alone applies.
   * @default undefined, for a limit of each node alone
   */
  counter?: TicketRateCounter
}

/** Longest life of a ticket, in milliseconds. */
export const MAX_TTL = 15 * 60_000

/** The schema of a ticket's life. */
export const ttl = v.pipe(milliseconds, v.maxValue(MAX_TTL))

/** The schema of {@link TicketRateLimit}. */
export const rateLimitOptions = optionsObject({
  max: v.optional(positiveInteger, 60),
  timeWindow: v.optional(milliseconds, 60_000),
  counter: v.optional(instanceWith<TicketRateCounter>('take'))
})

const jwtOptions = optionsObject({
  trusted: v.optional(callback<NonNullable<RouteJwtOptions['trusted']>>()),
  formatUser: v.optional(callback<NonNullable<RouteJwtOptions['formatUser']>>()),
  cache: v.optional(tokenCacheOptions)
})

const hook = callback<AuthenticateHook>()

const routeOptions = optionsObject({
  path: v.optional(v.pipe(nonEmptyString, v.startsWith('/')), '/ws/ticket'),
  authenticate: v.optional(v.union([hook, v.pipe(v.array(hook), v.nonEmpty())])),
  hook: v.optional(v.picklist(['onRequest', 'preValidation', 'preHandler'])),
  jwt: v.optional(jwtOptions),
  subject: v.optional(callback<NonNullable<TicketRouteOptions['subject']>>()),
  session: v.optional(callback<NonNullable<TicketRouteOptions['session']>>()),
  claims: v.optional(callback<NonNullable<TicketRouteOptions['claims']>>()),
  hookTimeout: v.optional(milliseconds, 5_000),
  audiences: v.optional(v.pipe(v.array(nonEmptyString), v.nonEmpty())),
  rateLimit: v.optional(offOr(false, rateLimitOptions, ['object'], 'an object with options')),
  security: v.optional(v.array(v.record(v.string(), v.array(v.string()))))
})

/** The schema of {@link WsTicketsOptions}. */
export const wsTicketsOptions = optionsObject({
  store: v.optional(instanceWith<TicketStore>('put', 'take', 'revoke', 'close'), () => new MemoryStore()),
  audience: v.optional(nonEmptyString, 'websocket'),
  ttl: v.optional(ttl, TICKET_TTL_MS),
  reuse: v.optional(v.boolean(), false),
  bindOrigin: v.optional(v.boolean(), false),
  bindAddress: v.optional(v.boolean(), false),
  allowedOrigins: v.optional(v.pipe(
    v.unknown(),
    v.transform(value => [value].flat()),
    v.array(v.union([nonEmptyString, callback<Exclude<AllowedOrigin, string>>()]))
  )),
  sessionClaim: v.optional(nonEmptyString),
  storeTimeout: v.optional(milliseconds, STORE_TIMEOUT),
  now: v.optional(callback<() => number>(), () => Date.now),
  route: v.optional(offOr(false, routeOptions, ['object'], 'an object with options'), {}),
  prefix: v.optional(v.string(), ''),
  ignoreWarnings
})

/** {@link WsTicketsOptions} with defaults filled in. */
export type WsTicketsSettings = v.InferOutput<typeof wsTicketsOptions>

/** {@link TicketRouteOptions} with defaults filled in. */
export type TicketRouteSettings = v.InferOutput<typeof routeOptions>
