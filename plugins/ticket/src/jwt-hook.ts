import { isThenable, type JwtDecorator, next, type TokenCacheOptions, tokenCacheOf } from '@fastify-airlock/core'
import createError from '@fastify/error'
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import { WSA_TICKET_ERR_OPTION } from './errors.js'

/** Options of the route's own check of the JWT. */
export interface RouteJwtOptions {
  /**
   * Whether a valid token is still good; anything else than a true value is answered 401. `@fastify/jwt` keeps to itself
   * what it was given under this name, so it has to be given here as well.
   * @default every valid token is
   */
  trusted?: ((request: FastifyRequest, claims: Record<string, unknown>) => boolean | Promise<boolean>) | undefined
  /**
   * What becomes `request.user`. As for `trusted`: name here what you told `@fastify/jwt`.
   * @default the claims
   */
  formatUser?: ((claims: Record<string, unknown>) => unknown) | undefined
  /**
   * How long a verified token is remembered, or `false`. Where the handshake's `jwt.cache` is the same, it takes what the
   * route has verified.
   * @default { ttl: 60000, max: 10000 }
   */
  cache?: TokenCacheOptions | false | undefined
}

type Hook = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void

type WithJwt = FastifyRequest & { jwtVerify (options: undefined, done: (error: Error | null) => void): void }

/**
 * The hook that lets in who `request.jwtVerify()` lets in.
 *
 * @param options replace it by a check that verifies each token once and remembers it
 * @throws `WSA_TICKET_ERR_OPTION` where there is no `@fastify/jwt`, or the options do not fit its keys
 */
export function jwtHook (scope: FastifyInstance, options: RouteJwtOptions | undefined): onRequestHookHandler {
  if (!scope.hasRequestDecorator('jwtVerify')) {
    throw new WSA_TICKET_ERR_OPTION('route.authenticate: register @fastify/jwt first, or give a hook, or set route to false')
  }
  const { jwt } = scope as unknown as { jwt?: Partial<JwtDecorator> }
  if (jwt?.options?.verify === undefined || jwt.lookupToken === undefined) {
    // Somebody else's jwtVerify, or that of a namespace.
    if (options !== undefined) throw new WSA_TICKET_ERR_OPTION('route.jwt: leave it out, since fastify.jwt is not that of @fastify/jwt')
    return async request => { await (request as unknown as { jwtVerify: () => Promise<unknown> }).jwtVerify() }
  }
  return options === undefined ? verifyAndNote(jwt as JwtDecorator) : verifyOnce(jwt as JwtDecorator, options)
}

/** `request.jwtVerify()`, with a note for the first frame that follows. */
function verifyAndNote (jwt: JwtDecorator): Hook {
  // An `extractToken` of the application need not give the same token twice.
  const cache = jwt.options.verify.extractToken === undefined ? tokenCacheOf(jwt) : null
  return (request, _reply, done) => {
    // Before any hook of the application's can put another one in its place.
    const token = cache === null ? undefined : findToken(jwt, request)
    // Without the first argument it would make a verifier for each request.
    ;(request as WithJwt).jwtVerify(undefined, error => {
      if (error) return done(error)
      if (token !== undefined) cache?.add(token)
      done()
    })
  }
}

function findToken (jwt: JwtDecorator, request: FastifyRequest): string | undefined {
  try {
    return jwt.lookupToken(request)
  } catch {
    // jwtVerify says so as well.
    return undefined
  }
}

function verifyOnce (jwt: JwtDecorator, { trusted, formatUser = claims => claims, cache }: RouteJwtOptions): Hook {
  if (tokenCacheOf(jwt) === null) {
    throw new WSA_TICKET_ERR_OPTION('route.jwt: leave it out, since @fastify/jwt has a function as its secret, `maxAge` or `complete`')
  }
  const read = tokenCacheOf(jwt, cache)?.read ?? (token => jwt.verify(token))
  const { decoratorName, messages } = jwt.options
  const Untrusted = createError('FST_JWT_AUTHORIZATION_TOKEN_UNTRUSTED', messages.authorizationTokenUntrusted, 401)
  return (request, _reply, done) => {
    let claims: Record<string, unknown>
    try {
      claims = read(jwt.lookupToken(request)) as Record<string, unknown>
    } catch {
      // It says in its own words what is wrong.
      return (request as WithJwt).jwtVerify(undefined, error => done(error as Error))
    }
    const result = next(trusted === undefined || trusted(request, claims), yes => {
      if (!yes) throw new Untrusted()
      ;(request as unknown as Record<string, unknown>)[decoratorName] = formatUser(claims)
    })
    if (isThenable(result)) result.then(() => done(), done)
    else done()
  }
}
