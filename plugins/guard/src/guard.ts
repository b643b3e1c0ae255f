import {
  auditChannel, beganAt, createOriginCheck, createSemicolonCheck, type CredentialSource, findTrail, goesToHub, grants, hubPlacesOf,
  isThenable, isUnanswered, markRoutePart, Misuse, next, noteCause, noteError, type OriginCheck, type Places, readableError, recentOrdersOf, schemeOf,
  serverOptionsOf, SetUp, SignsOfLife, trailOfRequest, Turn, turnstileOf, type WsIdentity
} from '@fastify-airlock/core'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { wantSigns } from './alive.js'
import type { AuthenticateFunction, Authenticated, Authenticator, CredentialCheck } from './authenticator.js'
import { readAuthenticated } from './authenticated.js'
import { type Candidate, findCandidates } from './candidates.js'
import { WSA_GUARD_ERR_MISPLACED, WSA_GUARD_ERR_OPTION, WSA_GUARD_ERR_UNAVAILABLE } from './errors.js'
import { headerParsers } from './internals.js'
import { type GuardOptions, type GuardSettings, parseGuard } from './options.js'
import { isCarrierProtocol, setProtocol } from './protocols.js'
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

const ALLOWS_ORIGIN = grants('allowedOrigins')

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
  const misuse = Misuse.of(fastify, GUARD_WARNINGS.ANSWER)
  const originAllowed = parseAllowedOrigins(settings.allowedOrigins, answer => misuse.isGranted(ALLOWS_ORIGIN, answer))
  const asksForOrigins = settings.allowedOrigins?.some(entry => typeof entry === 'function') === true
  checkSafety(fastify, settings, authenticators)
  const sawQuery = watchQueries(fastify, authenticators)
  const spoken = new Map(settings.protocols.map(protocol => [protocol, protocol]))
  const { missingOrigin, refusalHooks, refusalErrors, closeExpired } = settings
  const signs = settings.alive === false ? null : new SignsOfLife(settings.alive)
  const turnstile = turnstileOf(fastify.server)
  const recent = recentOrdersOf(fastify.server)
  const countsHops = typeof serverOptionsOf(fastify)?.trustProxy === 'number'
  const parsers = headerParsers(fastify.log)
  const beginsWithSemicolon = createSemicolonCheck(fastify)

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
    const fail = (thrown: unknown): void => {
      const error = isUnanswered(thrown) ? new WSA_GUARD_ERR_UNAVAILABLE({ cause: readableError(thrown) }) : readableError(thrown)
      noteError(request.raw, error)
      done(error)
    }
    const end = (refusal: Verdict): void => {
      if (refusal === null) return done()
      if (refusalErrors && refusal.statusCode === 401) return fail(refusal.toError())
      refuse(refusal, request, reply)
      refused()
    }
    turnstile.enter(Turn.UPGRADE, () => {
      // The client has left, or was refused at the deadline: nothing is used up for it.
      if (sockets.isOver(request.raw)) {
        reply.hijack()
        return refused()
      }
      if (auditChannel.hasSubscribers) trailOfRequest(request.raw, request)
      try {
        const verdict = admit(request)
        if (isThenable(verdict)) {
          sockets.awaitHook(request.raw, true)
          verdict.then(verdict => {
            sockets.awaitHook(request.raw, false)
            // Its client has left, or was answered at the deadline: a refusal now would be a second one.
            if (verdict !== null && sockets.isOver(request.raw)) {
              reply.hijack()
              return refused()
            }
            end(verdict)
          }, fail)
        } else {
          end(verdict)
        }
      } catch (error) {
        fail(error)
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
    return next(originAllowed(origin, request.host, schemeOf(request)), allowed => {
      if (allowed) return admitCredential(request)
      const { 'x-forwarded-host': forwarded } = request.headers
      if (settings.allowedOrigins === undefined && typeof forwarded === 'string' && originAllowed(origin, forwarded) === true) {
        SetUp.of(fastify).warn(GUARD_WARNINGS.TRUST_PROXY, 'An Origin that is the X-Forwarded-Host of its request was refused, since the Host is another: give Fastify trustProxy, or name allowedOrigins')
      }
      return REFUSALS.ORIGIN
    })
  }

  function admitCredential (request: FastifyRequest): Verdict | Promise<Verdict> {
    if (countsHops && request.headers['x-forwarded-for'] !== undefined && request.ip === request.socket.remoteAddress) {
      SetUp.of(fastify).warn(GUARD_WARNINGS.TRUST_PROXY, 'Fastify was given a number as trustProxy, and believes no proxy for it, so all clients have the address of the proxy: name the addresses of your proxies')
    }
    const inspected = inspect(request)
    if (inspected instanceof Refusal) return inspected
    if (beginsWithSemicolon(request.raw) && inspected.candidates.some(({ credential }) => credential?.carrier === 'query')) return REFUSALS.MISPLACED_CREDENTIAL
    const refusal = sockets.admit(request)
    if (refusal !== null) return refusal
    return next(sockets.takeTurn(request.raw), refusal => {
      // It may be over by now. Nothing is used up for it, and nobody is answered twice.
      if (refusal !== null || sockets.isOver(request.raw)) return refusal ?? REFUSALS.BUSY
      const places = hubPlaces(request)
      return places === null || sockets.takePlace(request.raw, places) ? admitCandidates(inspected, request) : REFUSALS.FULL
    })
  }

  function admitCandidates ({ candidates, protocol }: Inspected, request: FastifyRequest): Verdict | Promise<Verdict> {
    if (candidates[0]?.credential?.carrier === 'query') sawQuery()
    // Before the answer is there: with `refusalErrors`, something else may admit the client.
    if (protocol !== null) setProtocol(request.raw, protocol)
    return next(authenticate(candidates, request, misuse), who => {
      if (who === null) return candidates.length === 0 ? REFUSALS.NO_CREDENTIAL : REFUSALS.INVALID_CREDENTIAL
      findTrail(request.raw)?.of(who, recent.sessionClaim)
      // A hook may have looked before the user was disconnected, and answered since.
      const order = recent.find(who, beganAt(request.raw) as number)
      if (order !== undefined) {
        noteCause(request.raw, order.isForgotten ? 'orders were forgotten' : 'disconnected')
        return order.isForgotten ? REFUSALS.TIMEOUT : REFUSALS.INVALID_CREDENTIAL
      }
      const identity: WsIdentity = { subject: who.subject, claims: who.claims ?? {}, expiresAt: who.expiresAt ?? null }
      request.wsIdentity = identity
      if (closeExpired && identity.expiresAt !== null) sockets.closeAtExpiry(request.raw, identity)
      if (signs !== null) wantSigns(request.raw, signs)
      return null
    })
  }

  /** What bounds the hub that the route leads to. */
  function hubPlaces (request: FastifyRequest): Places | null {
    const places = settings.hub ? hubPlacesOf(request.server) : null
    return places !== null && goesToHub(request.routeOptions.config) ? places : null
  }

  function inspect (source: CredentialSource): Refusal | Inspected {
    const { origin, cookie, 'sec-fetch-site': site, 'sec-websocket-protocol': protocols } = source.headers
    const offered = protocols === undefined ? NO_PROTOCOLS : parsers.parseProtocols(protocols)
    if (offered === null) return REFUSALS.PROTOCOLS_MALFORMED
    const candidates = findCandidates(source, offered, authenticators)
    if (candidates === null) return REFUSALS.MULTIPLE_CREDENTIALS
    const [first] = candidates
    if (first === undefined && !refusalErrors) return REFUSALS.NO_CREDENTIAL
    if (origin === undefined && missingOrigin === 'auto') {
      const carrier = refusalErrors ? undefined : first?.credential?.carrier
      // Browsers send a cookie for any page, and without an Origin the page is unknown.
      const ambient = carrier === 'cookie' || (carrier === undefined && cookie !== undefined)
      // A header may come from a proxy that has signed in the user of a browser. If it has removed the Origin, Sec-Fetch-Site is still there.
      const isForeign = site !== undefined && site !== 'none' && (site !== 'same-origin' || settings.allowedOrigins !== undefined)
      if (ambient || (isForeign && (carrier === undefined || carrier === 'header'))) return REFUSALS.ORIGIN
    }

    const protocol = selectProtocol(offered, spoken)
    if (protocol !== null || offered.size === 0) return { candidates, protocol }
    return [...offered].every(protocol => isCarrierProtocol(protocol)) ? REFUSALS.PROTOCOLS_MISSING : REFUSALS.PROTOCOLS_UNKNOWN
  }

  /** Refuses only what is certain. The hook checks everything again. */
  function refuseEarly (raw: IncomingMessage): Verdict {
    const { method, headers } = raw
    if (method !== 'GET' || refusalErrors) return null
    const defect = checkUpgrade({ method, ws: true, headers, raw }, fastify.websocketServer, parsers)
    if (defect !== null) return defect
    const { origin, host = '' } = headers
    if (origin !== undefined) {
      // Behind a proxy, only Fastify knows the host of the request.
      if (asksForOrigins || headers['x-forwarded-host'] !== undefined) return null
      // The same is true of the scheme, unless this is TLS and nobody says otherwise.
      const isTls = (raw.socket as Partial<TLSSocket>).encrypted === true && headers['x-forwarded-proto'] === undefined
      if (originAllowed(origin, host, isTls ? 'https' : undefined) === false) return REFUSALS.ORIGIN
    } else if (missingOrigin === 'deny') {
      return REFUSALS.ORIGIN
    }
    const inspected = inspect({ headers, query: NO_QUERY, raw })
    if (inspected instanceof Refusal) return inspected
    // Before anything is looked for in a store. Only the hook knows the route, and so the hub.
    if (sockets.isFull) return REFUSALS.FULL
    const allUnknown = inspected.candidates.every(({ authenticator, credential }) => credential !== null && isUnknown(authenticator, credential.value))
    return allUnknown ? REFUSALS.INVALID_CREDENTIAL : null
  }

  return markRoutePart(Object.assign(guard as GuardHook, { [kEarly]: refuseEarly }), GUARD.made)
}

/** Asks one candidate after the other until one accepts. */
function authenticate (candidates: Candidate[], request: FastifyRequest, misuse: Misuse, from = 0): Authenticated | null | Promise<Authenticated | null> {
  const candidate = candidates[from]
  if (candidate === undefined) return null
  const { authenticator, credential } = candidate
  const answer = credential === null ? authenticator(request) : authenticator.authenticate(credential.value, request)
  return next(answer, who => readAuthenticated(who, misuse) ?? authenticate(candidates, request, misuse, from + 1))
}

function prepare (authenticator: Authenticator, fastify: FastifyInstance): CredentialCheck | AuthenticateFunction {
  return 'prepare' in authenticator ? authenticator.prepare(fastify) : authenticator
}

/** Before the router nobody handles an error, and a promise comes too late: the hook checks the credential again. */
function isUnknown (authenticator: CredentialCheck, credential: string): boolean {
  try {
    const answer: unknown = authenticator.isUnknown?.(credential)
    if (isThenable(answer)) Promise.resolve(answer).catch(() => {})
    return answer === true
  } catch {
    return false
  }
}

function parseAllowedOrigins (allowed: GuardSettings['allowedOrigins'], isGranted: (answer: unknown) => boolean): OriginCheck {
  try {
    return createOriginCheck(allowed, isGranted)
  } catch (error) {
    throw new WSA_GUARD_ERR_OPTION(`allowedOrigins: ${(error as Error).message}`)
  }
}
