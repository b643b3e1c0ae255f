import {
  acceptEmptyBody, addressKey, auditChannel, errorStatus, findTrail, isReplaced, isThenable, isUnanswered, Misuse, next, noteError, parseOptions, readableError, recentOrdersOf,
  sessionOf, SetUp, toWallTime, trailKey, trailOfRequest
} from '@fastify-airlock/core'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isNativeError } from 'node:util/types'
import { takeTurns } from './admission.js'
import { auditNoTicket } from './audit.js'
import { ClusterRate } from './cluster-rate.js'
import { HookDeadline } from './deadline.js'
import { WSA_TICKET_ERR_AUDIENCE, WSA_TICKET_ERR_NO_ADDRESS, WSA_TICKET_ERR_OPTION, WSA_TICKET_ERR_RATE, WSA_TICKET_ERR_UNAUTHENTICATED, WSA_TICKET_ERR_UNAVAILABLE } from './errors.js'
import { refuseForeign } from './foreign.js'
import { jwtClaim, jwtHook, userName } from './jwt-hook.js'
import { type AuthenticateHook, rateLimitOptions, type TicketRouteOptions, type TicketRouteSettings, type WsTicketsSettings } from './options.js'
import { describe } from './openapi.js'
import { routeSchema, serializerCompiler, type TicketRequestBody, validatorCompiler } from './schema.js'
import type { Tickets } from './tickets.js'
import type { IssuedTicket, IssueOptions } from './types.js'

type ClaimsFunction = NonNullable<TicketRouteOptions['claims']>
/** The code of the warning about users without an id. Given at the first such request. */
export const NO_SUBJECT = 'WSA_TICKET_WARN_NO_SUBJECT'

/**
 * Adds `POST /ws/ticket`. It needs a scope of its own, because it reads an empty body in its own way.
 *
 * @throws {@link WSA_TICKET_ERR_OPTION} when a plugin that it needs is not registered
 */
export async function ticketRoute (
  scope: FastifyInstance, tickets: Tickets, { bindOrigin, bindAddress, allowedOrigins, storeTimeout }: WsTicketsSettings, route: TicketRouteSettings
): Promise<void> {
  const { claims, audiences = [tickets.audience] } = route
  if (route.jwt !== undefined && route.authenticate !== undefined) throw new WSA_TICKET_ERR_OPTION('route.jwt: it cannot be combined with route.authenticate')
  const misuse = Misuse.of(scope, 'WSA_TICKET_WARN_ANSWER')
  const deadline = new HookDeadline(route.hookTimeout, misuse)
  const authenticate = [route.authenticate ?? jwtHook(scope, route.jwt, deadline)].flat() as AuthenticateHook[]
  // Others restore their user as late as in preValidation. A token in a header needs nobody's help.
  const hook = route.hook ?? (route.authenticate === undefined ? 'onRequest' : 'preValidation')
  const first = [begin, refuseForeign(scope, allowedOrigins, deadline), takeTurns(scope)]
  const bounded = [deadline.begin, ...authenticate, deadline.end]
  const claimOf = route.authenticate === undefined ? jwtClaim(scope) : claimOfUser
  const subject = route.subject ?? (request => claimOf(request, 'sub'))
  const rate = clusterRate(scope, route.rateLimit, storeTimeout)
  tickets.rateCounter = rate?.stats ?? null
  const recent = recentOrdersOf(scope.server)
  let addressless = false
  // Not every application has the types of the plugins that read these.
  const config: object = { rateLimit: rateLimitConfig(scope, route.rateLimit, subjectOf), swaggerTransform: describe }

  acceptEmptyBody(scope)
  scope.post<{ Body: TicketRequestBody }>(route.path, {
    bodyLimit: 1024,
    schema: routeSchema(audiences, route.security),
    validatorCompiler,
    serializerCompiler,
    config,
    onRequest: first,
    [hook]: hook === 'onRequest' ? [...first, ...bounded] : bounded,
    // Whatever the application's error handler makes of it: `onError` hooks are not called where that sends no error.
    errorHandler: (thrown, request, reply) => {
      deadline.end(request, reply, () => {})
      // Of a server that could not be asked, and not of a client that has left before the end of its body.
      const error = thrown !== request.raw.errored && isUnanswered(thrown) ? new WSA_TICKET_ERR_UNAVAILABLE({ cause: readableError(thrown) }) : errorOf(thrown)
      if (error !== thrown) reply.code(errorStatus(error) ?? 500)
      noteError(request.raw, error)
      reply.send(error)
    },
    // Without any, Fastify may measure no time.
    onResponse: [deadline.end, reportRefusal]
    // Not async: with a store that answers synchronously, the reply goes out in the same turn of the event loop.
  }, (request, reply) => {
    if (rate === null) return respond(request, reply)
    return rate.take(subjectOf(request)).then(wait => {
      if (wait === 0) return respond(request, reply) ?? reply
      reply.header('retry-after', Math.ceil(wait / 1_000))
      throw new WSA_TICKET_ERR_RATE()
    })
  })

  function respond (request: FastifyRequest<{ Body: TicketRequestBody }>, reply: FastifyReply): Promise<FastifyReply> | void {
    const { audience = tickets.audience } = request.body ?? {}
    if (!audiences.includes(audience)) throw new WSA_TICKET_ERR_AUDIENCE()
    // Whatever has taken its time since, a logout meanwhile counts.
    const requestedAt = toWallTime(performance.now() - reply.elapsedTime)
    const binding: IssueOptions & { subject: string } = { subject: subjectOf(request), audience, requestedAt }
    if (bindOrigin && request.headers.origin !== undefined) binding.origin = request.headers.origin
    if (bindAddress) {
      binding.ip = addressKey(request.ip)
      if (binding.ip === '') return refuseWithoutAddress(request, reply)
    }
    const issued = claims === undefined
      ? issue(request, { ...binding, ...sessionFor(request, undefined) })
      : next(ask(claims, request), claims => tickets.issue(binding.subject, { ...binding, claims, ...sessionFor(request, claims), ...trailFor(request) }))
    // Serialized here: serializers and preSerialization hooks of the application's for all replies would hide the ticket from
    // clients.
    const answer = ({ ticket, expiresIn, protocol }: IssuedTicket): FastifyReply =>
      reply.code(201).type('application/json; charset=utf-8').send(JSON.stringify({ ticket, expiresIn, protocol }))
    if (isThenable(issued)) return issued.then(answer)
    // Nothing is returned: Fastify awaits a reply that is.
    answer(issued)
  }

  function ask (claims: ClaimsFunction, request: FastifyRequest): ReturnType<ClaimsFunction> {
    const answer = claims(request)
    return isThenable(answer) ? deadline.race('route.claims', answer) : answer
  }

  /** Fastify would log a thrown error for each request. */
  function refuseWithoutAddress (request: FastifyRequest, reply: FastifyReply): void {
    const error = new WSA_TICKET_ERR_NO_ADDRESS()
    if (!addressless) request.log.error(error)
    addressless = true
    const { statusCode, code, message } = error
    reply.code(500).send({ statusCode, code, error: 'Internal Server Error', message })
  }

  function issue (request: FastifyRequest, { subject, ...binding }: IssueOptions & { subject: string }): IssuedTicket | Promise<IssuedTicket> {
    // An application may have replaced it.
    return isReplaced(tickets, 'issue')
      ? tickets.issue(subject, { ...binding, ...trailFor(request) })
      : tickets.issueNow({ subject, ...binding }, findTrail(request.raw))
  }

  function sessionFor (request: FastifyRequest, claims: Record<string, unknown> | undefined): Pick<IssueOptions, 'session'> {
    const name = recent.sessionClaim
    const session: unknown = route.session === undefined ? sessionOf(claims, name) ?? claimOf(request, name) : route.session(request)
    if (typeof session === 'string' && session !== '') return { session }
    // Nobody awaits it, and a rejection would end the process.
    if (isThenable(session)) Promise.resolve(session).catch(() => {})
    return {}
  }

  function subjectOf (request: FastifyRequest): string {
    const value: unknown = subject(request)
    if (typeof value === 'string' && value !== '') {
      const trail = findTrail(request.raw)
      if (trail !== undefined) trail.subject = value
      return value
    }
    // Nobody awaits it, and a rejection would end the process.
    if (isThenable(value)) Promise.resolve(value).catch(() => {})
    SetUp.of(scope).warn(NO_SUBJECT, route.subject === undefined
      ? `request.${userName(scope)} has no sub, so nobody gets a ticket: set route.subject to a function that returns the id of the user`
      : 'route.subject returned no id, so nobody gets a ticket: return the id of the user, a string')
    throw new WSA_TICKET_ERR_UNAUTHENTICATED()
  }
}

function begin (request: FastifyRequest, reply: FastifyReply, done: () => void): void {
  if (auditChannel.hasSubscribers) trailOfRequest(request.raw, request)
  reply.header('cache-control', 'no-store')
  done()
}

/** Has `issue` leave the report of a refusal to this route. */
function trailFor ({ raw }: FastifyRequest): object {
  const trail = findTrail(raw)
  return trail === undefined ? {} : { [trailKey]: trail }
}

function reportRefusal ({ raw }: FastifyRequest, { statusCode }: FastifyReply, done: () => void): void {
  const trail = findTrail(raw)
  if (trail !== undefined && (statusCode >= 400 || trail.errorCode !== null) && auditChannel.hasSubscribers) {
    auditNoTicket(trail, trail.errorCode, statusCode)
  }
  done()
}

/** What an error handler sends that is no error goes out with status 200, as it is. */
function errorOf (thrown: unknown): Error {
  const error = readableError(thrown)
  if (error instanceof Error || isNativeError(error)) return error
  const { message } = error as Partial<Error>
  return Object.assign(new Error(typeof message === 'string' ? message : 'Expected an Error to be thrown, not an object'), { statusCode: errorStatus(thrown) ?? 500 })
}

function claimOfUser (request: FastifyRequest, name: string): unknown {
  return (request as { user?: Record<string, unknown> | null }).user?.[name]
}

/** @returns `null` where requests are not counted over all nodes */
function clusterRate (scope: FastifyInstance, limits: TicketRouteSettings['rateLimit'], timeout: number): ClusterRate | null {
  if (limits === undefined || limits === false || limits.counter === undefined) return null
  return new ClusterRate({ counter: limits.counter, max: limits.max, timeWindow: limits.timeWindow, timeout, log: scope.log })
}

function rateLimitConfig (
  scope: FastifyInstance,
  limits: TicketRouteSettings['rateLimit'],
  keyGenerator: (request: FastifyRequest) => string
): object | false {
  if (limits === false) return false
  if (limits !== undefined && !scope.hasPlugin('@fastify/rate-limit')) {
    throw new WSA_TICKET_ERR_OPTION('route.rateLimit: register @fastify/rate-limit first, or set it to false')
  }
  const { max, timeWindow } = parseOptions(rateLimitOptions, limits ?? {}, WSA_TICKET_ERR_OPTION)
  return {
    max,
    timeWindow,
    // The subject is known only after authentication.
    hook: 'preHandler',
    keyGenerator,
    errorResponseBuilder: () => new WSA_TICKET_ERR_RATE()
  }
}
