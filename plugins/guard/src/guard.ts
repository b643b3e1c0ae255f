import { addressKey } from '@fastify-airlock/core'
import type { FastifyInstance, FastifyRequest, preValidationAsyncHookHandler } from 'fastify'
import { type Credential, findCredentials, isCarrierProtocol } from './credentials.js'
import { refusals, WSA_GUARD_ERR_OPTION } from './errors.js'
import { parseGuard } from './options.js'
import { createOriginCheck, type OriginCheck } from './origin.js'
import { setProtocol } from './protocols.js'
import type { SocketGuard } from './socket-guard.js'
import type { Authenticate, AuthenticateFunction, Authenticator, GuardOptions } from './types.js'
import { assertUpgrade, offeredProtocols, selectProtocol } from './upgrade.js'

/** A way that applies to a request, with the credential it found; a function finds its own. */
type Candidate =
  | { way: Authenticator, credential: Credential }
  | { way: AuthenticateFunction, credential: null }

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

  return async function guard (request) {
    assertUpgrade(request, fastify.websocketServer)

    const { origin, cookie, 'sec-websocket-protocol': protocols } = request.headers
    if (origin === undefined ? missingOrigin === 'deny' : !await originAllowed(origin, request.host)) throw refusals.origin

    const offered = offeredProtocols(protocols)
    const candidates = findCandidates(request, offered, ways)
    const [first] = candidates
    if (first === undefined) throw refusals.noCredential
    // A cookie comes along whoever wrote the page; without an Origin nothing says who did.
    const ambient = first.credential === null ? cookie !== undefined : first.credential.carrier === 'cookie'
    if (origin === undefined && ambient && missingOrigin === 'auto') throw refusals.origin

    const protocol = selectProtocol(offered, spoken)
    if (!sockets.admit(request.raw, addressKey(request.ip))) throw refusals.tooMany

    for (const { way, credential } of candidates) {
      const who = credential === null ? await way(request) : await way.authenticate(credential.value, request)
      if (who === null) continue
      request.wsIdentity = { subject: who.subject, claims: who.claims ?? {}, expiresAt: who.expiresAt ?? null }
      if (protocol !== undefined) setProtocol(request.raw, protocol)
      return
    }
    throw refusals.invalidCredential
  }
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

/**
 * The ways that have something to judge, in their order. One credential at most may be sent on purpose; where one
 * was, cookies are out of the question, for they come along by themselves.
 */
function findCandidates (
  request: FastifyRequest,
  offered: ReadonlySet<string>,
  ways: ReadonlyArray<Authenticator | AuthenticateFunction>
): Candidate[] {
  let explicit: Credential | undefined
  let carried = 0
  for (const protocol of offered) {
    // Counted whether this route reads it or not.
    if (isCarrierProtocol(protocol) && ++carried > 1) throw refusals.multipleCredentials
  }
  const candidates: Candidate[] = []
  for (const way of ways) {
    if (typeof way === 'function') {
      candidates.push({ way, credential: null })
      continue
    }
    const [credential, another] = findCredentials(request, offered, way.carriers)
    if (credential === undefined) continue
    if (another !== undefined) throw refusals.multipleCredentials
    if (credential.carrier !== 'cookie') {
      // Two ways may read the same carrier, but not different ones.
      if (explicit !== undefined && (explicit.carrier !== credential.carrier || explicit.value !== credential.value)) {
        throw refusals.multipleCredentials
      }
      explicit = credential
    }
    candidates.push({ way, credential })
  }
  return explicit === undefined ? candidates : candidates.filter(({ credential }) => credential?.carrier !== 'cookie')
}
