import { acceptEmptyJson, addressKey, isThenable, next, parseOptions } from '@fastify-airlock/core'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { takeTurns } from './admission.js'
import { WSA_TICKET_ERR_AUDIENCE, WSA_TICKET_ERR_OPTION, WSA_TICKET_ERR_RATE, WSA_TICKET_ERR_UNAUTHENTICATED } from './errors.js'
import { jwtHook } from './jwt-hook.js'
import { type ParsedOptions, type ParsedRoute, rateLimit } from './options.js'
import { routeSchema } from './schema.js'
import type { Tickets } from './tickets.js'
import type { Authenticate, IssuedTicket, IssueOptions } from './types.js'

/** What the route needs. */
export interface RouteSettings {
  tickets: Tickets
  options: ParsedOptions
  route: ParsedRoute
}

/**
 * Declares `POST /ws/ticket` in a scope of its own, since it reads an empty body its own way.
 *
 * @throws `WSA_TICKET_ERR_OPTION` where it needs a plugin that is not there
 */
export async function ticketRoute (scope: FastifyInstance, { tickets, options, route }: RouteSettings): Promise<void> {
  const { subject = subjectOfUser, claims, audiences = [tickets.audience] } = route
  if (route.jwt !== undefined && route.authenticate !== undefined) throw new WSA_TICKET_ERR_OPTION('route.jwt: it goes without route.authenticate')
  const authenticate = route.authenticate ?? jwtHook(scope, route.jwt)
  const config = { rateLimit: rateLimitConfig(scope, route.rateLimit, subjectOf) }

  acceptEmptyJson(scope)
  scope.post<{ Body?: { audience?: string } | null }>(route.path, {
    bodyLimit: 1024,
    schema: routeSchema(audiences, route.security),
    config,
    onRequest: [noStore, takeTurns(scope), authenticate].flat() as Authenticate
    // Not async: a store that answers at once costs no turn of the event loop.
  }, (request, reply) => {
    const { audience = tickets.audience } = request.body ?? {}
    if (!audiences.includes(audience)) throw new WSA_TICKET_ERR_AUDIENCE()
    const binding: IssueOptions & { subject: string } = { subject: subjectOf(request), audience }
    if (options.bindOrigin && request.headers.origin !== undefined) binding.origin = request.headers.origin
    if (options.bindAddress) binding.ip = addressKey(request.ip)
    const issued = claims === undefined ? issue(binding) : next(claims(request), claims => tickets.issue(binding.subject, { ...binding, claims }))
    const answer = ({ ticket, expiresIn, protocol }: IssuedTicket): FastifyReply => reply.code(201).send({ ticket, expiresIn, protocol })
    if (isThenable(issued)) return issued.then(answer)
    // A reply that is returned is awaited.
    answer(issued)
  })

  function issue ({ subject, ...binding }: IssueOptions & { subject: string }): IssuedTicket | Promise<IssuedTicket> {
    // An application may have put its own in front of it.
    return Object.hasOwn(tickets, 'issue') ? tickets.issue(subject, binding) : tickets.issueNow({ subject, ...binding })
  }

  function subjectOf (request: FastifyRequest): string {
    const value: unknown = subject(request)
    if (typeof value !== 'string' || value === '') throw new WSA_TICKET_ERR_UNAUTHENTICATED()
    return value
  }
}

function noStore (_request: FastifyRequest, reply: FastifyReply, done: () => void): void {
  reply.header('cache-control', 'no-store')
  done()
}

function subjectOfUser (request: FastifyRequest): string | undefined {
  return (request as { user?: { sub?: string } }).user?.sub
}

function rateLimitConfig (
  scope: FastifyInstance,
  limits: ParsedRoute['rateLimit'],
  keyGenerator: (request: FastifyRequest) => string
): object | false {
  if (limits === false) return false
  if (limits !== undefined && !scope.hasPlugin('@fastify/rate-limit')) {
    throw new WSA_TICKET_ERR_OPTION('route.rateLimit: register @fastify/rate-limit first, or set it to false')
  }
  return {
    ...parseOptions(rateLimit, limits ?? {}, WSA_TICKET_ERR_OPTION),
    // The subject is known only after authentication.
    hook: 'preHandler',
    keyGenerator,
    errorResponseBuilder: () => new WSA_TICKET_ERR_RATE()
  }
}
