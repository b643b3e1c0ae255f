import { asError, errorStatus, grants, isOutage, isThenable, type JwtDecorator, Misuse, next, problemOf, readClaims, tokenCacheOf } from '@fastify-airlock/core'
import { createError } from '@fastify/error'
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import type { HookDeadline } from './deadline.js'
import { WSA_TICKET_ERR_KEYS, WSA_TICKET_ERR_OPTION, WSA_TICKET_ERR_UNAUTHENTICATED } from './errors.js'
import type { RouteJwtOptions } from './options.js'

type Hook = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void

type WithJwt = FastifyRequest & { jwtVerify (options: undefined, done: (error: Error | null, user?: unknown) => void): void }

/**
 * Makes the hook that accepts what `request.jwtVerify()` accepts.
 *
 * @param options if given, the hook verifies each token once and remembers it
 * @throws {@link WSA_TICKET_ERR_OPTION} when `@fastify/jwt` is missing, or the options do not fit its keys
 */
export function jwtHook (scope: FastifyInstance, options: RouteJwtOptions | undefined, deadline: HookDeadline): onRequestHookHandler {
  const { jwt } = scope as unknown as { jwt?: Partial<JwtDecorator> & Record<string, unknown> }
  if (!scope.hasRequestDecorator('jwtVerify')) {
    const name = Object.entries(jwt ?? {}).find(([, value]) => isVerifier(value))?.[0]
    throw new WSA_TICKET_ERR_OPTION(name === undefined
      ? 'route.authenticate: register @fastify/jwt first, give a hook, or set route to false'
      : `route.authenticate: @fastify/jwt has the namespace '${name}'; give request => request.${scope.hasRequestDecorator(`${name}JwtVerify`) ? `${name}JwtVerify` : '<the name that you gave as jwtVerify>'}()`)
  }
  if (jwt?.options?.verify === undefined || jwt.lookupToken === undefined || hasNamedNamespace(scope, jwt)) {
    // Another plugin's jwtVerify, or that of a namespace.
    if (options !== undefined) throw new WSA_TICKET_ERR_OPTION('route.jwt: leave it out, because fastify.jwt does not come from @fastify/jwt')
    return async request => { await (request as unknown as { jwtVerify: () => Promise<unknown> }).jwtVerify() }
  }
  return options === undefined ? verifyAndNote(jwt as JwtDecorator) : verifyOnce(jwt as JwtDecorator, options, Misuse.of(scope, 'WSA_TICKET_WARN_ANSWER'), deadline)
}

/** Whether a namespace of `@fastify/jwt` was given a name for its `jwtVerify`, which may be this very name. */
function hasNamedNamespace (scope: FastifyInstance, jwt: Record<string, unknown>): boolean {
  return Object.entries(jwt).some(([name, value]) => isVerifier(value) && !scope.hasRequestDecorator(`${name}JwtVerify`))
}

/** Whether a member of `fastify.jwt` is that of a namespace. */
function isVerifier (value: unknown): boolean {
  return typeof (value as Partial<JwtDecorator> | null | undefined)?.verify === 'function'
}

/** Whether `request.jwtVerify` is that of `@fastify/jwt`: a scope may have one of its own, which verifies otherwise. */
function isOfFastifyJwt (request: FastifyRequest): boolean {
  return (request as WithJwt).jwtVerify.name === 'requestVerify'
}

/** The token that was verified. */
const kToken = Symbol('airlock.token')

type WithToken = FastifyRequest & { [kToken]?: string }

/** Calls `request.jwtVerify()`, and remembers the token for the first frame that follows. */
function verifyAndNote (jwt: JwtDecorator): Hook {
  // The application's `extractToken` may return another token at the second call.
  const isStable = jwt.options.verify.extractToken === undefined
  const cache = isStable ? tokenCacheOf(jwt) : null
  return (request, _reply, done) => {
    // Read first, as @fastify/jwt does: the application's `secret` and `trusted` may change the headers.
    const token = isStable && isOfFastifyJwt(request) ? findToken(jwt, request) : undefined
    askJwtVerify(request as WithJwt, error => {
      if (error === undefined && token !== undefined) {
        ;(request as WithToken)[kToken] = token
        cache?.add(token)
      }
      done(error)
    })
  }
}

/**
 * Makes the function that finds a claim of the user after {@link jwtHook}, such as `sub`: that of what `request.jwtVerify()`
 * has put into the request, or that of the token if `formatUser` or `complete` has left none there.
 */
export function jwtClaim (scope: FastifyInstance): (request: FastifyRequest, name: string) => unknown {
  const user = userName(scope)
  return (request, name) => {
    const found = (request as unknown as Record<string, Record<string, unknown> | null | undefined>)[user]
    if (found === null || found?.[name] !== undefined) return found?.[name]
    // Never looked up again: a second look may find another token, which nobody has verified.
    const token = (request as WithToken)[kToken]
    return token === undefined ? undefined : (readClaims(token) as Record<string, unknown>)[name]
  }
}

/** The member of a request that `@fastify/jwt` sets. */
export function userName (scope: FastifyInstance): string {
  return (scope as unknown as { jwt?: Partial<JwtDecorator> }).jwt?.options?.decoratorName ?? 'user'
}

/** @fastify/jwt passes on many errors of the token without a status, which Fastify would answer with 500. */
function answerTo (error: Error): Error {
  if (errorStatus(error) !== undefined && !isOutage(error)) return error
  try {
    problemOf(error, true)
    return new WSA_TICKET_ERR_UNAUTHENTICATED()
  } catch {
    return new WSA_TICKET_ERR_KEYS({ cause: error })
  }
}

function findToken (jwt: JwtDecorator, request: FastifyRequest): string | undefined {
  try {
    return jwt.lookupToken(request)
  } catch {
    // jwtVerify reports it.
    return undefined
  }
}

const TRUSTS = grants('route.jwt.trusted')

function verifyOnce (
  jwt: JwtDecorator, { trusted, formatUser = claims => claims, cache }: RouteJwtOptions, misuse: Misuse, deadline: HookDeadline
): Hook {
  if (tokenCacheOf(jwt) === null) {
    throw new WSA_TICKET_ERR_OPTION('route.jwt: leave it out, because @fastify/jwt has a function as its secret, `maxAge` or `complete`')
  }
  const read = tokenCacheOf(jwt, cache)?.read ?? (token => jwt.verify(token))
  const { decoratorName, messages } = jwt.options
  const Untrusted = createError('FST_JWT_AUTHORIZATION_TOKEN_UNTRUSTED', messages.authorizationTokenUntrusted, 401)
  return (request, _reply, done) => {
    let claims: Record<string, unknown>
    try {
      if (!isOfFastifyJwt(request)) throw new Error('another jwtVerify')
      const token = jwt.lookupToken(request)
      claims = read(token) as Record<string, unknown>
      ;(request as WithToken)[kToken] = token
    } catch {
      // jwtVerify reports what is wrong, in its own words. It may be that of the scope, or of a bundle without names, and know
      // nothing of `trusted`.
      return askJwtVerify(request as WithJwt, error => {
        if (error !== undefined) return done(error)
        // It has formatted the user already.
        settle(request, (request as unknown as Record<string, Record<string, unknown>>)[decoratorName] ?? {}, user => user, done)
      })
    }
    settle(request, claims, formatUser, done)
  }

  function settle (request: FastifyRequest, claims: Record<string, unknown>, format: (claims: Record<string, unknown>) => unknown, done: (error?: Error) => void): void {
    try {
      const answer: unknown = trusted === undefined || trusted(request, claims)
      const result = next(isThenable(answer) ? deadline.race(TRUSTS.hook, answer) : answer, yes => {
        if (!misuse.isGranted(TRUSTS, yes)) throw new Untrusted()
        ;(request as unknown as Record<string, unknown>)[decoratorName] = format(claims)
      })
      if (isThenable(result)) result.then(() => done(), error => done(asError(error)))
      else done()
    } catch (error) {
      done(asError(error))
    }
  }
}

/** Calls `request.jwtVerify()`, whose `secret` and `formatUser` may throw. */
function askJwtVerify (request: WithJwt, done: (error?: Error) => void): void {
  try {
    // Without the first argument, @fastify/jwt makes a verifier for each request.
    request.jwtVerify(undefined, (error, user) => {
      if (error) return done(answerTo(error))
      // It takes a `trusted` that rejects with `undefined` for one that trusts, but has no user then.
      done(user === undefined && (request as unknown as Record<string, unknown>)[userName(request.server)] === undefined ? new WSA_TICKET_ERR_UNAUTHENTICATED() : undefined)
    })
  } catch (error) {
    done(answerTo(error as Error))
  }
}
