import { addressKey } from '@fastify-airlock/core'
import type { FastifyInstance, FastifyRequest, preValidationAsyncHookHandler } from 'fastify'
import { type Candidate, findCandidates } from './candidates.js'
import { WSA_GUARD_ERR_OPTION } from './errors.js'
import { parseGuard } from './options.js'
import { createOriginCheck, type OriginCheck } from './origin.js'
import { setProtocol } from './protocols.js'
import { Refusal, REFUSALS } from './refusal.js'
import type { SocketGuard } from './socket-guard.js'
import type { Authenticate, AuthenticateFunction, Authenticated, Authenticator, GuardOptions } from './types.js'
import { checkUpgrade, offeredProtocols, selectProtocol } from './upgrade.js'

/**
 * Makes the preValidation hook. What costs or consumes nothing comes first; a ticket is redeemed last of all, when
 * nothing else can refuse the upgrade any more.
 */
export function createGuard (fastify: FastifyInstance, sockets: SocketGuard, options: GuardOptions): preValidationAsyncHookHandler {
  const settings = parseGuard(options)
  const ways = settings.authenticate.map(way => prepare(way, fastify))
  const originAllowed = createCheck(settings.allowedOrigins)
  const spoken = new Set(settings.protocols)
  const { missingOrigin } = settings

  return async function guard (request, reply) {
    const refusal = await admit(request)
    if (refusal !== null) return refusal.reply(request, reply)
  }

  async function admit (request: FastifyRequest): Promise<Refusal | null> {
    const defect = checkUpgrade(request, fastify.websocketServer)
    if (defect !== null) return defect

    const { origin, cookie } = request.headers
    if (origin === undefined ? missingOrigin === 'deny' : !await originAllowed(origin, request.host)) return REFUSALS.ORIGIN

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

    const who = await authenticate(candidates, request)
    if (who === null) return REFUSALS.INVALID_CREDENTIAL
    request.wsIdentity = { subject: who.subject, claims: who.claims ?? {}, expiresAt: who.expiresAt ?? null }
    if (protocol !== null) setProtocol(request.raw, protocol)
    return null
  }
}

async function authenticate (candidates: Candidate[], request: FastifyRequest): Promise<Authenticated | null> {
  for (const { way, credential } of candidates) {
    const who = credential === null ? await way(request) : await way.authenticate(credential.value, request)
    if (who !== null) return who
  }
  return null
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
