import { type CredentialSource, isThenable, markRoutePart, next, SetUp, SignsOfLife, Turn, turnstileOf } from '@fastify-airlock/core'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { IncomingMessage } from 'node:http'
import { wantSigns } from './alive.js'
import type { AuthenticateFunction, Authenticated, Authenticator, CredentialCheck } from './authenticator.js'
import { type Candidate, findCandidates } from './candidates.js'
import { WSA_GUARD_ERR_MISPLACED, WSA_GUARD_ERR_OPTION } from './errors.js'
import { headerParsers } from './internals.js'
import { type GuardOptions, type GuardSettings, parseGuard } from './options.js'
import { createOriginCheck, type OriginCheck } from './origin.js'
import { setProtocol } from './protocols.js'
import { Refusal, REFUSALS } from './refusal.js'
import { GUARD } from './route-part.js'
import type { SocketGuard } from './socket-guard.js'
import type { GuardHook } from './types.js'
import { checkSafety, watchQueries } from './unsafe.js'
import { checkUpgrade, NO_PROTOCOLS, selectProtocol } from './upgrade.js'
import { GUARD_WARNINGS } from './warnings.js'

/** `null` admits. */
type Verdict = Refusal | null

/** What is known of an upgrade before its credential is checked. */
interface Inspected {
  candidates: Candidate[]
  /** The subprotocol that the 101 will name. */
  protocol: string | null
}

const NO_QUERY = {}

/** Member of a guard's hook that refuses an upgrade before Fastify has made a request, without using anything up. */
export const kEarly = Symbol('airlock.early')

/** A guard's hook, with the check that can be made before the router. */
export type Guard = GuardHook & { [kEarly]: (request: IncomingMessage) => Verdict }

/**
 * Makes the preValidation hook. It first checks what costs nothing and uses nothing up. A ticket is redeemed last, when
 * nothing else can refuse the upgrade any more. If nothing has to be awaited, it answers in the same turn.
 */
export function createGuard (fastify: FastifyInstance, sockets: SocketGuard, options: GuardOptions): Guard {
  const settings = parseGuard(options)
  const authenticators = settings.authenticate.map(authenticator => prepare(authenticator, fastify))
  const originAllowed = parseAllowedOrigins(settings.allowedOrigins)
  const asksForOrigins = settings.allowedOrigins?.some(entry => typeof entry === 'function') === true
  checkSafety(fastify, settings, authenticators)
  const sawQuery = watchQueries(fastify, authenticators)
  const spoken = new Map(settings.protocols.map(protocol => [protocol, protocol]))
  const { missingOrigin, refusalHooks, refusalErrors } = settings
  const signs = settings.alive === false ? null : new SignsOfLife(settings.alive)
  const turnstile = turnstileOf(fastify.server)
  const parsers = headerParsers(fastify.log)

  function guard (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void
  function guard (request: FastifyRequest, reply: FastifyReply): Promise<unknown>
  function guard (request: FastifyRequest, reply: FastifyReply, done?: (error?: Error) => void): Promise<unknown> | void {
    if (typeof done === 'function') return run(request, reply, done, () => {})
    if (done !== undefined) throw new WSA_GUARD_ERR_MISPLACED('a guard was called with a payload')
    // For a hook of the application that calls the guard and awaits it. Fastify awaits a returned reply until it is sent.
    return new Promise((resolve, reject) => {
      run(request, reply, error => error === undefined ? resolve(undefined) : reject(error), () => resolve(reply))
    })
  }

  function run (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void, refused: () => void): void {
    const end = (refusal: Verdict): void => {
      if (refusal === null) return done()
      if (refusalErrors && refusal.statusCode === 401) return done(refusal.toError())
      refuse(refusal, request, reply)
      refused()
    }
    turnstile.enter(Turn.UPGRADE, () => {
      // The client has left, or was refused at the deadline: nothing is used up for it.
      if (sockets.isOver(request.raw)) {
        reply.hijack()
        return refused()
      }
      try {
        const verdict = admit(request)
        if (isThenable(verdict)) verdict.then(end, done)
        else end(verdict)
      } catch (error) {
        done(error as Error)
      }
    })
  }

  function refuse (refusal: Refusal, request: FastifyRequest, reply: FastifyReply): void {
    // Headers that other hooks have set belong to the answer.
    const plain = !refusalHooks && Object.keys(reply.getHeaders()).length === 0
    if (!plain || !sockets.refuse(refusal, request, reply)) refusal.reply(request, reply)
  }

  function admit (request: FastifyRequest): Verdict | Promise<Verdict> {
    const defect = checkUpgrade(request, fastify.websocketServer, parsers)
    if (defect !== null) return defect
    const { origin } = request.headers
    if (origin === undefined) return missingOrigin === 'deny' ? REFUSALS.ORIGIN : admitCredential(request)
    return next(originAllowed(origin, request.host), allowed => {
      if (allowed) return admitCredential(request)
      const { 'x-forwarded-host': forwarded } = request.headers
      if (settings.allowedOrigins === undefined && typeof forwarded === 'string' && originAllowed(origin, forwarded) === true) {
        SetUp.of(fastify).warn(GUARD_WARNINGS.TRUST_PROXY, 'An Origin that is the X-Forwarded-Host of its request was refused, since the Host is another: give Fastify trustProxy, or name allowedOrigins')
      }
      return REFUSALS.ORIGIN
    })
  }

  function admitCredential (request: FastifyRequest): Verdict | Promise<Verdict> {
    const inspected = inspect(request)
    if (inspected instanceof Refusal) return inspected
    if (!sockets.admit(request)) return REFUSALS.TOO_MANY
    const { candidates, protocol } = inspected
    if (candidates[0]?.credential?.carrier === 'query') sawQuery()
    // Before the answer is there: with `refusalErrors`, something else may admit the client.
    if (protocol !== null) setProtocol(request.raw, protocol)
    return next(authenticate(candidates, request), who => {
      if (who === null) return candidates.length === 0 ? REFUSALS.NO_CREDENTIAL : REFUSALS.INVALID_CREDENTIAL
      if (typeof who?.subject !== 'string' || who.subject === '') {
        SetUp.of(fastify).warn(GUARD_WARNINGS.NO_SUBJECT, 'authenticate returned no subject, which refuses: return { subject } with the id of the user, a string, or null')
        return REFUSALS.INVALID_CREDENTIAL
      }
      if (signs !== null) wantSigns(request.raw, signs)
      request.wsIdentity = { subject: who.subject, claims: who.claims ?? {}, expiresAt: who.expiresAt ?? null }
      return null
    })
  }

  function inspect (source: CredentialSource): Refusal | Inspected {
    const { origin, cookie, 'sec-websocket-protocol': protocols } = source.headers
    const offered = protocols === undefined ? NO_PROTOCOLS : parsers.parseProtocols(protocols)
    if (offered === null) return REFUSALS.PROTOCOLS_MALFORMED
    const candidates = findCandidates(source, offered, authenticators)
    if (candidates === null) return REFUSALS.MULTIPLE_CREDENTIALS
    const [first] = candidates
    if (first === undefined && !refusalErrors) return REFUSALS.NO_CREDENTIAL
    // Browsers send a cookie for any page, and without an Origin the page is unknown.
    const ambient = refusalErrors || first?.credential == null ? cookie !== undefined : first.credential.carrier === 'cookie'
    if (origin === undefined && ambient && missingOrigin === 'auto') return REFUSALS.ORIGIN

    const protocol = selectProtocol(offered, spoken)
    return protocol === null && offered.size > 0 ? REFUSALS.PROTOCOLS_UNKNOWN : { candidates, protocol }
  }

  /** Refuses only what is certain. The hook checks everything again. */
  function refuseEarly ({ method, headers }: IncomingMessage): Verdict {
    if (method !== 'GET' || refusalErrors) return null
    const defect = checkUpgrade({ method, ws: true, headers }, fastify.websocketServer, parsers)
    if (defect !== null) return defect
    const { origin, host = '' } = headers
    if (origin !== undefined) {
      // Behind a proxy, only Fastify knows the host of the request.
      if (asksForOrigins || headers['x-forwarded-host'] !== undefined) return null
      if (originAllowed(origin, host) === false) return REFUSALS.ORIGIN
    } else if (missingOrigin === 'deny') {
      return REFUSALS.ORIGIN
    }
    const inspected = inspect({ headers, query: NO_QUERY })
    if (inspected instanceof Refusal) return inspected
    const allUnknown = inspected.candidates.every(({ authenticator, credential }) => credential !== null && authenticator.isUnknown?.(credential.value) === true)
    return allUnknown ? REFUSALS.INVALID_CREDENTIAL : null
  }

  return markRoutePart(Object.assign(guard as GuardHook, { [kEarly]: refuseEarly }), GUARD)
}

/** Asks one candidate after the other until one accepts. */
function authenticate (candidates: Candidate[], request: FastifyRequest, from = 0): Authenticated | null | Promise<Authenticated | null> {
  const candidate = candidates[from]
  if (candidate === undefined) return null
  const { authenticator, credential } = candidate
  const answer = credential === null ? authenticator(request) : authenticator.authenticate(credential.value, request)
  return next(answer, who => who === null ? authenticate(candidates, request, from + 1) : who)
}

function prepare (authenticator: Authenticator, fastify: FastifyInstance): CredentialCheck | AuthenticateFunction {
  return 'prepare' in authenticator ? authenticator.prepare(fastify) : authenticator
}

function parseAllowedOrigins (allowed: GuardSettings['allowedOrigins']): OriginCheck {
  try {
    return createOriginCheck(allowed)
  } catch (error) {
    throw new WSA_GUARD_ERR_OPTION(`allowedOrigins: ${(error as Error).message}`)
  }
}
