import { isThenable, next, Turn, turnstileOf } from '@fastify-airlock/core'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { IncomingMessage } from 'node:http'
import { type Candidate, findCandidates } from './candidates.js'
import type { CredentialSource } from './credentials.js'
import { WSA_GUARD_ERR_OPTION } from './errors.js'
import { parseGuard } from './options.js'
import { createOriginCheck, type OriginCheck } from './origin.js'
import { setProtocol } from './protocols.js'
import { Refusal, REFUSALS } from './refusal.js'
import type { SocketGuard } from './socket-guard.js'
import type { Authenticate, AuthenticateFunction, Authenticated, Authenticator, GuardHook, GuardOptions } from './types.js'
import { checkUpgrade, offeredProtocols, selectProtocol } from './upgrade.js'

/** `null` admits. */
type Verdict = Refusal | null

/** What an upgrade shows, once nothing is wrong with it but perhaps the credential. */
interface Inspected {
  candidates: Candidate[]
  /** The subprotocol that the 101 will name. */
  protocol: string | null
}

const NO_QUERY = {}

/** Of a guard's hook: refuses, before there is anything of Fastify's, what takes no hook and uses nothing up. */
export const kEarly = Symbol('airlock.early')

/** A guard's hook, and what can be asked before the router. */
export type Guard = GuardHook & { [kEarly]: (request: IncomingMessage) => Verdict }

/**
 * Makes the preValidation hook. What costs or consumes nothing comes first; a ticket is redeemed last of all, when
 * nothing else can refuse the upgrade any more. Where nothing has to be awaited it answers in the same turn.
 */
export function createGuard (fastify: FastifyInstance, sockets: SocketGuard, options: GuardOptions): Guard {
  const settings = parseGuard(options)
  const ways = settings.authenticate.map(way => prepare(way, fastify))
  const originAllowed = createCheck(settings.allowedOrigins)
  const asksForOrigins = settings.allowedOrigins?.some(entry => typeof entry === 'function') === true
  const spoken = new Map(settings.protocols.map(protocol => [protocol, protocol]))
  const { missingOrigin, refusalHooks } = settings
  const turnstile = turnstileOf(fastify.server)

  function guard (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void
  function guard (request: FastifyRequest, reply: FastifyReply): Promise<unknown>
  function guard (request: FastifyRequest, reply: FastifyReply, done?: (error?: Error) => void): Promise<unknown> | void {
    if (done !== undefined) return run(request, reply, done, () => {})
    // For a hook of the application's that calls the guard and awaits it. A reply is awaited until it has gone.
    return new Promise((resolve, reject) => {
      run(request, reply, error => error === undefined ? resolve(undefined) : reject(error), () => resolve(reply))
    })
  }

  function run (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void, refused: () => void): void {
    const end = (refusal: Verdict): void => {
      if (refusal === null) return done()
      refuse(refusal, request, reply)
      refused()
    }
    turnstile.enter(Turn.UPGRADE, () => {
      // Nothing is spent on who has left meanwhile, or was told that it takes too long.
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
    const inspected = inspect(request)
    if (inspected instanceof Refusal) return inspected
    if (!sockets.admit(request)) return REFUSALS.TOO_MANY
    const { candidates, protocol } = inspected
    return next(authenticate(candidates, request), who => {
      if (who === null) return REFUSALS.INVALID_CREDENTIAL
      request.wsIdentity = { subject: who.subject, claims: who.claims ?? {}, expiresAt: who.expiresAt ?? null }
      if (protocol !== null) setProtocol(request.raw, protocol)
      return null
    })
  }

  function inspect (source: CredentialSource): Refusal | Inspected {
    const { origin, cookie } = source.headers
    const offered = offeredProtocols(source.headers['sec-websocket-protocol'])
    if (offered === null) return REFUSALS.PROTOCOLS_MALFORMED
    const candidates = findCandidates(source, offered, ways)
    if (candidates === null) return REFUSALS.MULTIPLE_CREDENTIALS
    const [first] = candidates
    if (first === undefined) return REFUSALS.NO_CREDENTIAL
    // A cookie comes along whoever wrote the page; without an Origin nothing says who did.
    const ambient = first.credential === null ? cookie !== undefined : first.credential.carrier === 'cookie'
    if (origin === undefined && ambient && missingOrigin === 'auto') return REFUSALS.ORIGIN

    const protocol = selectProtocol(offered, spoken)
    return protocol === null && offered.size > 0 ? REFUSALS.PROTOCOLS_UNKNOWN : { candidates, protocol }
  }

  /** Every doubt is left to the hook, which looks at all of it again. */
  function refuseEarly ({ method, headers }: IncomingMessage): Verdict {
    if (method !== 'GET') return null
    const defect = checkUpgrade({ method, ws: true, headers }, fastify.websocketServer)
    if (defect !== null) return defect
    const { origin, host = '' } = headers
    if (origin !== undefined) {
      // Who was asked is for Fastify to say where a proxy may have been asked.
      if (asksForOrigins || headers['x-forwarded-host'] !== undefined) return null
      if (originAllowed(origin, host) === false) return REFUSALS.ORIGIN
    } else if (missingOrigin === 'deny') {
      return REFUSALS.ORIGIN
    }
    const inspected = inspect({ headers, query: NO_QUERY })
    if (inspected instanceof Refusal) return inspected
    const allUnknown = inspected.candidates.every(({ way, credential }) => credential !== null && way.isUnknown?.(credential.value) === true)
    return allUnknown ? REFUSALS.INVALID_CREDENTIAL : null
  }

  return Object.assign(guard as GuardHook, { [kEarly]: refuseEarly })
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
