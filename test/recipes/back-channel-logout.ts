import fp from 'fastify-plugin'
import { createRemoteJWKSet, jwtVerify } from 'jose'

export interface BackChannelLogoutOptions {
  /** The provider: the `iss` of its tokens. */
  issuer: string
  /** The keys of the provider: `jwks_uri` of its metadata. */
  jwksUri: string
  /** What the provider calls this application. */
  clientId: string
  /** The longest life of a session of this application, renewals included, in milliseconds. */
  sessionLife: number
}

/** What the JWTs of this application say of the login. */
interface LoginClaims {
  sub: string
  /** `sid` of the ID token. */
  sid?: string
  /** `auth_time` of the ID token, or its `iat`. */
  auth_time?: number
}

interface Logout {
  jti: string
  iat: number
  sid?: string | undefined
  sub?: string | undefined
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether the provider has ended the login that a JWT came from. */
    isLoggedOut (claims: object): boolean
  }
}

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'

/** `POST /backchannel-logout`, for the provider (OpenID Connect Back-Channel Logout 1.0). */
export const backChannelLogout = fp<BackChannelLogoutOptions>(async (app, { issuer, jwksUri, clientId, sessionLife }) => {
  const keys = createRemoteJWKSet(new URL(jwksUri))
  /** Sessions and subjects that were logged out, and tokens that were used; the oldest first. */
  const over = new Map<string, { iat: number, until: number }>()

  function remember (key: string, iat: number): void {
    const now = Date.now()
    const known = over.get(key)?.iat ?? iat
    over.delete(key)
    over.set(key, { iat: Math.max(known, iat), until: now + sessionLife })
    for (const [oldest, { until }] of over) {
      if (until > now) break
      over.delete(oldest)
    }
  }

  app.decorate('isLoggedOut', (claims: object) => {
    const { sub, sid, auth_time: begun = 0 } = claims as LoginClaims
    const ended = over.get(`sub ${sub}`)
    return (sid !== undefined && over.has(`sid ${sid}`)) || (ended !== undefined && begun <= ended.iat)
  })

  // Every node remembers it, one that was cut off or starts later too.
  app.wsHub.onOrder('oidc/logout', text => {
    const { jti, iat, sid, sub } = JSON.parse(text) as Logout
    remember(`jti ${jti}`, iat)
    remember(sid === undefined ? `sub ${sub}` : `sid ${sid}`, iat)
    return ''
  })

  /** Section 2.6 of the specification. */
  async function validate (form: unknown): Promise<Logout> {
    const [token, another] = form instanceof URLSearchParams ? form.getAll('logout_token') : []
    if (token === undefined || another !== undefined) throw new Error('not exactly one logout_token')
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      audience: clientId,
      // Neither `none`, nor one with a shared secret.
      algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'],
      typ: 'logout+jwt',
      requiredClaims: ['iat', 'exp', 'jti', 'events'],
      maxTokenAge: 180,
      clockTolerance: 5
    })
    const { jti, iat, sid, sub, events, nonce } = payload as Record<string, unknown>
    const event = (events as Record<string, unknown> | null)?.[EVENT]
    if (typeof event !== 'object' || event === null) throw new Error('not the event of a logout')
    if (nonce !== undefined) throw new Error('it has a nonce, as ID tokens have')
    if ((sid ?? sub) === undefined || ![jti, sid ?? '-', sub ?? '-'].every(isName)) throw new Error('it names nobody')
    if (over.has(`jti ${jti}`)) throw new Error('it was used before')
    return { jti, iat, sid, sub } as Logout
  }

  app.register(async scope => {
    scope.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => {
      done(null, new URLSearchParams(body as string))
    })
    scope.post('/backchannel-logout', { bodyLimit: 16_384 }, async (request, reply) => {
      reply.header('cache-control', 'no-store')
      let logout: Logout | undefined
      try {
        logout = await validate(request.body)
        // From here on, nobody gets in with that login, at any node.
        const remembered = app.wsHub.giveOrder('oidc/logout', JSON.stringify(logout))
        const { sid, sub } = logout
        const target = sid === undefined ? { subject: sub as string } : { session: sid }
        await Promise.all([remembered, app.wsHub.disconnectAll(target, { reason: 'logged out' }), app.wsTickets.revoke(target)])
        return await reply.code(200).send()
      } catch (error) {
        // The provider may try again what has failed here.
        if (logout !== undefined) over.delete(`jti ${logout.jti}`)
        const { code, message } = error as { code?: string, message: string }
        request.log.warn({ code, reason: message }, 'a logout of the provider was refused, or has failed')
        return await reply.code(400).send({ error: 'invalid_request' })
      }
    })
  })
}, { name: 'back-channel-logout' })

function isName (value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}
