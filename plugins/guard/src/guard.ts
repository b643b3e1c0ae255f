import { addressKey, isThenable, next } from '@fastify-airlock/core'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Candidate, findCandidates } from './candidates.js'
import { WSA_GUARD_ERR_OPTION } from './errors.js'
import { parseGuard } from './options.js'
import { createOriginCheck, type OriginCheck } from './origin.js'
import { setProtocol } from './protocols.js'
import { type Refusal, REFUSALS } from './refusal.js'
import type { SocketGuard } from './socket-guard.js'
import type { Authenticate, AuthenticateFunction, Authenticated, Authenticator, GuardHook, GuardOptions } from './types.js'
import { checkUpgrade, offeredProtocols, selectProtocol } from './upgrade.js'

/** `null` admits. */
type Verdict = Refusal | null

/**
 * Makes the preValidation hook. What costs or consumes nothing comes first; a ticket is redeemed last of all, when
 * nothing else can refuse the upgrade any more. Where nothing has to be awaited it answers in the same turn.
 */
export function createGuard (fastify: FastifyInstance, sockets: SocketGuard, options: GuardOptions): GuardHook {
  const settings = parseGuard(options)
  const ways = settings.authenticate.map(way => prepare(way, fastify))
  const originAllowed = createCheck(settings.allowedOrigins)
  const spoken = new Map(settings.protocols.map(protocol => [protocol, protocol]))
  const { missingOrigin, refusalHooks } = settings

  function guard (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void
  function guard (request: FastifyRequest, reply: FastifyReply): Promise<unknown>
  function guard (request: FastifyRequest, reply: FastifyReply, done?: (error?: Error) => void): Promise<unknown> | void {
    if (done === undefined) return guardAsync(request, reply)
    const end = (refusal: Verdict): void => {
      if (refusal === null) done()
      else refuse(refusal, request, reply)
    }
    const verdict = admit(request)
    if (isThenable(verdict)) verdict.then(end, done)
    else end(verdict)
  }

  /** For a hook of the application's that calls the guard and awaits it. */
  async function guardAsync (request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const refusal = await admit(request)
    if (refusal === null) return
    refuse(refusal, request, reply)
    return reply
  }

  function refuse (refusal: Refusal, request: FastifyRequest, reply: FastifyReply): void {
    // What other hooks have put on the reply belongs to the answer.
    const plain = !refusalHooks && Object.keys(reply.getHeaders()).length === 0
    if (!plain || !sockets.refuse(refusal, request, reply)) refusal.reply(request, reply)
  }

  function admit (request: FastifyRequest): Verdict | Promise<Verdict> {
    const defect = checkUpgrade(request, fastify.websocketServer)
    if (defect !== null) return defect
    const { origin } = request.headers
    if (origin === undefined) return missingOrigin === 'deny' ? REFUSALS.ORIGIN : admitCredential(request)
    return next(originAllowed(origin, request.host), allowed => allowed ? admitCredential(request) : REFUSALS.ORIGIN)
  }

  function admitCredential (request: FastifyRequest): Verdict | Promise<Verdict> {
    const { origin, cookie } = request.headers
    const offered = offeredProtocols(request.headers['sec-websocket-protocol'])
    if (offered === null) return REFUSALS.PROTOCOLS_MALFORMED
    const candidates = findCandidates(request, offered, ways)
    if (candidates === null) return REFUSALS.MULTIPLE_CREDENTIALS
    const [first] = candidates
    if (first === undefined) return REFUSALS.NO_CREDENTIAL
    // A cookie comes along whoever wrote the page; without an Origin nothing says who did.
    const ambient = first.credential === null ? cookie !== undefined : first.credential.carrier === 'cookie'
    if (origin === undefined && ambient && missingOrigin === 'auto') return REFUSALS.ORIGIN

    const protocol = selectProtocol(offered, spoken)
    if (protocol === null && offered.size > 0) return REFUSALS.PROTOCOLS_UNKNOWN
    if (!sockets.admit(request.raw, addressKey(request.ip))) return REFUSALS.TOO_MANY

    return next(authenticate(candidates, request), who => {
      if (who === null) return REFUSALS.INVALID_CREDENTIAL
      request.wsIdentity = { subject: who.subject, claims: who.claims ?? {}, expiresAt: who.expiresAt ?? null }
      if (protocol !== null) setProtocol(request.raw, protocol)
      return null
    })
  }

  return guard as GuardHook
}

/** The first way that accepts, asked one after the other. */
function authenticate (candidates: Candidate[], request: FastifyRequest, from = 0): Authenticated | null | Promise<Authenticated | null> {
  const candidate = candidates[from]
  if (candidate === undefined) return null
  const { way, credential } = candidate
  const answer = credential === null ? way(request) : way.authenticate(credential.value, request)
  return next(answer, who => who === null ? authenticate(candidates, request, from + 1) : who)
}

function prepare (way: Authenticate, fastify: FastifyInstance): Authenticator | AuthenticateFunction {
  return 'prepare' in way ? way.prepare(fastify) : way
}

function createCheck (allowed: GuardOptions['allowedOrigins']): OriginCheck {
  try {
    return createOriginCheck(allowed)
  } catch (error) {
    throw new WSA_GUARD_ERR_OPTION(`allowedOrigins: ${(error as Error).message}`)
  }
}
