import t, { type Test } from 'tap'
import cookie from '@fastify/cookie'
import fastifyJwt, { type FastifyJWTOptions } from '@fastify/jwt'
import { clearTokenCaches, createJwtVerifier, type JwtDecorator, tokenCacheOf } from '@fastify-airlock/core'
import createError from '@fastify/error'
import { createSigner } from 'fast-jwt'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { generateKeyPairSync } from 'node:crypto'
import { type TicketRouteOptions, wsTickets } from '../src/index.js'
import { bare, clock } from './helpers.js'

const POST = { method: 'POST', url: '/ws/ticket' } as const
const secret = 'of the test'

async function build (t: Test, route: TicketRouteOptions = {}, jwt: Partial<FastifyJWTOptions> = {}): Promise<FastifyInstance> {
  const app = bare(t)
  await app.register(cookie, { secret: 'signs cookies' })
  await app.register(fastifyJwt, { secret, ...jwt } as FastifyJWTOptions)
  await app.register(wsTickets, { route })
  return app
}

/** Counts how often a token is verified. */
function count (app: FastifyInstance): { verified: number } {
  const jwt = app.jwt as unknown as JwtDecorator
  const verify = jwt.verify.bind(jwt)
  const counted = { verified: 0 }
  jwt.verify = token => {
    // Not a client's token: these are used to find out what the verifier is like.
    if (token !== '-' && !token.endsWith('.AAAA')) counted.verified++
    return verify(token)
  }
  return counted
}

const good = (app: FastifyInstance, claims: object = {}): string => app.jwt.sign({ sub: 'alice', ...claims }, { expiresIn: '1m' })
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

t.test('route.jwt answers as request.jwtVerify() does', async t => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256', privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' }
  })
  const withCookie = { cookie: { cookieName: 'session', signed: false } }
  const signed = { cookie: { cookieName: 'session', signed: true } }
  const settings: Array<[string, Partial<FastifyJWTOptions>]> = [
    ['a secret', {}],
    ['a key pair', { secret: { private: privateKey, public: publicKey }, sign: { algorithm: 'ES256' } }],
    ['a cookie', withCookie],
    ['a signed cookie', signed],
    ['only the cookie', { ...withCookie, verify: { onlyCookie: true } }],
    ['extractToken', { verify: { extractToken: request => (request as { headers: Record<string, string> }).headers['x-token'] } }],
    ['an issuer', { verify: { allowedIss: 'idp' } }],
    ['an audience', { verify: { allowedAud: ['chat'] } }],
    ['clockTolerance', { verify: { clockTolerance: 60_000 } }],
    ['messages', { messages: { authorizationTokenInvalid: 'Nope', noAuthorizationInHeaderMessage: 'Where is it?' } }],
    ['decoratorName', { decoratorName: 'account' }]
  ]
  for (const [name, jwt] of settings) {
    const subject = (request: FastifyRequest): string | undefined =>
      ((request as unknown as Record<string, { sub?: string }>)[jwt.decoratorName ?? 'user'])?.sub
    const apps = [await build(t, { subject }, jwt), await build(t, { subject, jwt: {} }, jwt)] as const
    const [app] = apps
    const token = good(app, { iss: 'idp', aud: 'chat' })
    const now = Math.floor(Date.now() / 1000)
    const tokens = [
      token, good(app), `${token.slice(0, -2)}xx`, 'x.y.z', 'x', app.jwt.sign({ sub: 'alice', iss: 'idp', aud: 'chat', exp: now - 10 }),
      app.jwt.sign({ sub: 'alice', nbf: now + 1000 })
    ]
    const requests = [
      {}, { authorization: 'Bearer' }, { authorization: 'Bearer a b' }, { authorization: `Basic ${token}` }, { cookie: 'session=' },
      ...tokens.flatMap(token => [
        bearer(token), { authorization: `bEARER ${token}` }, { cookie: `session=${token}` },
        { cookie: `session=${encodeURIComponent(app.signCookie(token))}` }, { 'x-token': token }
      ])
    ]
    const answers = async (app: FastifyInstance) => await Promise.all(requests.map(async headers => {
      const response = await app.inject({ ...POST, headers })
      return response.statusCode === 201 ? 201 : response.json()
    }))
    const expected = await answers(apps[0])
    t.ok(expected.includes(201), `${name}: some are accepted`)
    t.same(await answers(apps[1]), expected, name)
    t.same(await answers(apps[1]), expected, `${name}, a second time`)
  }
})

t.test('a token that the route has verified is not verified again for the first frame', async t => {
  for (const [route, first] of [[{}, 0], [{ jwt: {} }, 1]] as const) {
    const app = await build(t, route)
    const counted = count(app)
    const token = good(app)
    const verify = createJwtVerifier(app, {}, createError<[string]>('WSA_TEST_ERR', '%s'))
    t.equal((await app.inject({ ...POST, headers: bearer(token) })).statusCode, 201)
    t.equal(counted.verified, first, 'request.jwtVerify() does not use the method')
    t.match(verify(token), { subject: 'alice' })
    t.equal(counted.verified, first)
    t.equal(verify(`${token}x`), 'token invalid')
    t.equal((await app.inject({ ...POST, headers: bearer(token) })).statusCode, 201)
    t.equal(counted.verified, first + 1)

    clearTokenCaches(app)
    verify(token)
    t.equal(counted.verified, first + 2, 'verified again once it is forgotten')
  }
})

t.test('a token that the route refuses is not remembered', async t => {
  const app = await build(t, {}, { trusted: () => false })
  await app.inject({ ...POST, headers: bearer(good(app)) })
  await app.inject({ ...POST, headers: bearer('x.y.z') })
  t.equal(tokenCacheOf(app.jwt as unknown as JwtDecorator)?.size, 0)
})

t.test('with the application\'s own extractToken, nothing is remembered', async t => {
  let times = 0
  const app = await build(t, {}, { verify: { extractToken: () => times++ === 0 ? good(app) : 'somebody else\'s' } })
  t.equal((await app.inject(POST)).statusCode, 201)
  t.equal(tokenCacheOf(app.jwt as unknown as JwtDecorator)?.size, 0)
  t.equal(times, 1)
})

t.test('a token that the application puts in place of another does not count as verified', async t => {
  for (const wait of [false, true]) {
    const app = await build(t, {}, {
      trusted: request => {
        request.headers.authorization = 'Bearer x.y.z'
        return wait ? Promise.resolve(true) : true
      }
    })
    const token = good(app)
    t.equal((await app.inject({ ...POST, headers: bearer(token) })).statusCode, 201)
    const verify = createJwtVerifier(app, {}, createError<[string]>('WSA_TEST_ERR', '%s'))
    t.equal(verify('x.y.z'), 'token invalid')
    t.match(verify(token), { subject: 'alice' })

    const gone = await build(t, {}, {
      trusted: request => {
        delete request.headers.authorization
        return wait ? Promise.resolve(true) : true
      }
    })
    t.equal((await gone.inject({ ...POST, headers: bearer(good(gone)) })).statusCode, 201, 'a token that is removed after the check does no harm')
  }
})

t.test('a jwtVerify that does not come from fastify.jwt is called as usual', async t => {
  const named = bare(t)
  await named.register(fastifyJwt, { secret, namespace: 'login', jwtVerify: 'jwtVerify' })
  await named.register(wsTickets)
  const { login } = named.jwt as unknown as Record<string, typeof named.jwt>
  const token = (login as typeof named.jwt).sign({ sub: 'alice' }, { expiresIn: '1m' })
  t.equal((await named.inject({ ...POST, headers: bearer(token) })).statusCode, 201)
  t.equal((await named.inject({ ...POST, headers: bearer(`${token}x`) })).statusCode, 401)

  const own = bare(t)
  own.decorateRequest<unknown>('jwtVerify', async function (this: { user: unknown }) { this.user = { sub: 'bob' } })
  own.decorateRequest<unknown>('user', null)
  await own.register(wsTickets)
  t.equal((await own.inject(POST)).statusCode, 201)

  const mixed = bare(t)
  mixed.decorateRequest<unknown>('jwtVerify', async () => {})
  await t.rejects(async () => { await mixed.register(wsTickets, { route: { jwt: {} } }) }, { code: 'WSA_TICKET_ERR_OPTION', message: /leave it out/ })
})

t.test('without a cache each request is verified', async t => {
  const app = await build(t, { jwt: { cache: false } })
  const counted = count(app)
  const token = good(app)
  for (let times = 1; times < 3; times++) {
    t.equal((await app.inject({ ...POST, headers: bearer(token) })).statusCode, 201)
    t.equal(counted.verified, times)
  }
})

t.test('trusted and formatUser', async t => {
  const set = clock(t)
  const never = (): Promise<never> => {
    setImmediate(() => { set.ahead += 600_000 })
    return new Promise(() => {})
  }
  const seen: unknown[] = []
  const table: Array<[string, NonNullable<TicketRouteOptions['jwt']>, number]> = [
    ['trusted', { trusted: (request, claims) => { seen.push([request.method, claims.sub]); return true } }, 201],
    ['trusted later', { trusted: async () => true }, 201],
    ['not trusted', { trusted: () => false }, 401],
    ['not trusted later', { trusted: async () => false }, 401],
    ['nothing said', { trusted: () => undefined as unknown as boolean }, 401],
    ...[null, 0, '', {}, 1, 'false'].map(answer => [`${JSON.stringify(answer)} said`, { trusted: () => answer as unknown as boolean }, 401] as [string, object, number]),
    ['said later', { trusted: async () => 1 as unknown as boolean }, 401],
    ['never said', { trusted: never }, 503],
    ['trusted fails', { trusted: () => { throw new Error('broken') } }, 500],
    ['trusted fails later', { trusted: async () => { throw new Error('broken') } }, 500],
    ['formatUser', { formatUser: claims => ({ sub: `user-${claims.sub}` }) }, 201],
    ['formatUser without a subject: the token has it', { formatUser: () => ({}) }, 201],
    ['formatUser fails', { formatUser: () => { throw new Error('broken') } }, 500]
  ]
  for (const [name, jwt, status] of table) {
    const app = await build(t, { jwt, ...(status === 503 && { hookTimeout: 600_000 }) })
    // Keeps the process alive: deadlines do not.
    if (status === 503) await app.listen({ port: 0, host: '127.0.0.1' })
    const response = await app.inject({ ...POST, headers: bearer(good(app)) })
    t.equal(response.statusCode, status, name)
    if (name.startsWith('not trusted')) {
      t.match(response.json(), { code: 'FST_JWT_AUTHORIZATION_TOKEN_UNTRUSTED', message: 'Untrusted authorization token' })
    }
    if (name === 'formatUser') t.match(await app.wsTickets.redeem(response.json().ticket), { subject: 'user-alice' })
  }
  t.same(seen, [['POST', 'alice']])
})

t.test('a setup that route.jwt does not fit is refused, with the cure', async t => {
  const table: Array<[string, TicketRouteOptions, Partial<FastifyJWTOptions>, RegExp]> = [
    ['a function as the secret', { jwt: {} }, { secret: (async () => secret) as never }, /leave it out/],
    ['maxAge', { jwt: { cache: false } }, { verify: { maxAge: 60_000 } }, /leave it out/],
    ['authenticate', { jwt: {}, authenticate: async () => {} }, {}, /combined with route\.authenticate/],
    ['a misspelt option', { jwt: { trust: true } as never }, {}, /route\.jwt/]
  ]
  for (const [name, route, jwt, message] of table) {
    await t.rejects(build(t, route, jwt), { code: 'WSA_TICKET_ERR_OPTION', message }, name)
  }
  const app = await build(t, {}, { secret: (async () => secret) as never })
  const token = good(await build(t))
  t.equal((await app.inject({ ...POST, headers: bearer(token) })).statusCode, 201, 'request.jwtVerify() accepts it')
})

t.test('the subject is found in every setup, or a warning says what to set', async t => {
  const id = ({ sub }: { sub: string }): object => ({ id: sub })
  const table: Array<[string, Partial<FastifyJWTOptions>, object, number]> = [
    ['decoratorName', { decoratorName: 'auth' }, {}, 201],
    ['formatUser', { formatUser: id as never }, {}, 201],
    ['formatUser with a subject of its own', { formatUser: (() => ({ sub: 'bob' })) as never }, {}, 201],
    ['verify.complete', { verify: { complete: true } as never }, {}, 201],
    ['a function as the secret', { secret: (async () => secret) as never, formatUser: id as never }, {}, 201],
    ['a token without a subject', {}, { sub: undefined }, 401],
    ['a subject that is no string', {}, { sub: 7 }, 401],
    ['formatUser says that there is none', { formatUser: (() => ({ sub: null })) as never }, {}, 401],
    ['extractToken may return any token', { formatUser: id as never, verify: { extractToken: ({ headers }) => headers.authorization?.slice(7) } }, {}, 401]
  ]
  for (const [name, jwt, claims, status] of table) {
    const lines: string[] = []
    const app = bare(t, { logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } } })
    await app.register(fastifyJwt, { secret, ...jwt } as FastifyJWTOptions)
    await app.register(wsTickets)
    const token = createSigner({ key: secret, expiresIn: 60_000 })({ sub: 'alice', ...claims })
    for (let times = 0; times < 2; times++) {
      const response = await app.inject({ ...POST, headers: bearer(token) })
      t.equal(response.statusCode, status, name)
      if (status === 201) t.match(await app.wsTickets.redeem(response.json().ticket), { subject: name.includes('of its own') ? 'bob' : 'alice' })
    }
    t.equal(lines.filter(line => line.includes('set route.subject')).length, status === 201 ? 0 : 1, 'said once')
  }
})

t.test('whatever is wrong with a token is 401, and what is not known 503', async t => {
  const app = await build(t)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256', privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' } })
  const token = good(app)
  for (const bad of [createSigner({ key: privateKey })({ sub: 'alice' }), `${token}x`, 'x', 'x.y.z', `${token.split('.')[0]}..`]) {
    for (const jwt of [undefined, {}]) {
      const app = await build(t, jwt === undefined ? {} : { jwt })
      t.equal((await app.inject({ ...POST, headers: bearer(bad) })).statusCode, 401, bad)
    }
  }
  const down = await build(t, {}, { secret: (async () => { throw new Error('no key server') }) as never })
  const response = await down.inject({ ...POST, headers: bearer(token) })
  t.equal(response.statusCode, 503)
  t.equal(response.headers['retry-after'], '1')
  t.match(response.json(), { code: 'WSA_TICKET_ERR_KEYS' })
})

t.test('a namespace of @fastify/jwt is named in the cure', async t => {
  for (const [options, message] of [
    [{ namespace: 'ws' }, /namespace 'ws'; give request => request\.wsJwtVerify\(\)/],
    [{ namespace: 'ws', jwtVerify: 'check' }, /namespace 'ws'; give request => request\.<the name that you gave as jwtVerify>\(\)/]
  ] as const) {
    const app = bare(t)
    await app.register(fastifyJwt, { secret, ...options })
    await t.rejects(async () => { await app.register(wsTickets) }, { code: 'WSA_TICKET_ERR_OPTION', message })
  }
})

t.test('a function that throws at once is no verdict, and tells clients nothing', async t => {
  for (const secret of [() => { throw new Error('a secret of the server') }, (_request: unknown, _token: unknown, done: (error: Error) => void) => { done(new Error('a secret of the server')) }]) {
    const app = await build(t, {}, { secret: secret as never })
    const response = await app.inject({ ...POST, headers: bearer(good(await build(t))) })
    t.match(response.json(), { statusCode: 503, code: 'WSA_TICKET_ERR_KEYS' })
    t.notMatch(response.body, 'a secret of the server')
  }
})

t.test('trusted counts beside another jwtVerify, and beside one without its name; formatUser is its own affair', async t => {
  // A bundler that shortens names leaves nothing to know @fastify/jwt by.
  const rows: Array<[name: string, trusted: (() => boolean | Promise<boolean>) | undefined, status: number]> = [
    ['neither', undefined, 201], ['trusted', () => true, 201], ['not trusted', () => false, 401], ['not trusted later', async () => false, 401],
    ['fails', () => { throw new Error('broken') }, 500]
  ]
  for (const [name, trusted, status] of rows) {
    for (const [user, given] of [[{ sub: 'alice' }], [undefined], [undefined, { sub: 'alice' }]]) {
      const app = bare(t)
      await app.register(fastifyJwt, { secret })
      let tickets: FastifyInstance['wsTickets'] | undefined
      await app.register(async scope => {
        scope.addHook('onRequest', async request => {
          request.jwtVerify = function (this: FastifyRequest, _options: unknown, done: (error: null, user?: object) => void) {
            this.user = user as never
            done(null, given)
          } as never
        })
        await scope.register(wsTickets, { route: { jwt: { ...trusted !== undefined && { trusted }, formatUser: ({ sub }) => ({ sub: `user-${String(sub)}` }) } } })
        tickets = scope.wsTickets
      })
      const response = await app.inject({ ...POST, headers: bearer(good(await build(t))) })
      // Without a user there is no subject, and nobody to trust.
      const expected = user === undefined && (given === undefined || status === 201) ? 401 : status
      t.equal(response.statusCode, expected, name)
      if (expected === 201) t.match(await tickets?.redeem(response.json().ticket), { subject: 'alice' }, name)
    }
  }
})

t.test('an own check puts the subject into request.user', async t => {
  const app = bare(t)
  app.decorateRequest('user', null as never)
  const authenticate = async (request: FastifyRequest): Promise<void> => { request.user = { sub: 'alice' } as never }
  await app.register(wsTickets, { route: { authenticate } })
  const response = await app.inject(POST)
  t.match(await app.wsTickets.redeem(response.json().ticket), { subject: 'alice' })
})

t.test('the subject comes from the token that was verified, whatever the request looks like afterwards', async t => {
  const forged = [{ alg: 'HS256' }, { sub: 'victim' }].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.') + '.AAAA'
  const strip = (request: FastifyRequest): true => delete request.headers.authorization as true
  const options = { cookie: { cookieName: 'token', signed: false }, formatUser: (({ sub }: { sub: string }) => ({ id: sub })) as never }
  for (const [route, jwt] of [[{}, { trusted: strip }], [{ jwt: { trusted: strip, formatUser: options.formatUser } }, {}]] as const) {
    const app = await build(t, route, { ...options, ...jwt })
    for (const cookie of [`token=${forged}`, 'token=a.b.c']) {
      const response = await app.inject({ ...POST, headers: { ...bearer(good(app)), cookie } })
      t.equal(response.statusCode, 201)
      t.match(await app.wsTickets.redeem(response.json().ticket), { subject: 'alice' })
    }
  }
})

t.test('a token that another jwtVerify has accepted is not remembered as verified', async t => {
  const other = 'a secret of somebody else'
  const foreign = createSigner({ key: other, expiresIn: 60_000 })({ sub: 'admin' })
  const ERR = createError<[string]>('WSA_TEST_ERR_OPTION', '%s', 500)
  for (const [name, change] of [
    ['a namespace under the same name', async (child: FastifyInstance) => {
      await child.register(fastifyJwt, { secret: other, namespace: 'b', jwtVerify: 'jwtVerify' })
    }],
    ['an own decorator', async (child: FastifyInstance) => {
      child.decorateRequest('jwtVerify', function (this: FastifyRequest, _options: unknown, done: (error: null) => void) {
        this.user = { sub: 'admin' } as never
        done(null)
      } as never)
    }]
  ] as const) {
    for (const route of [{}, { jwt: {} }]) {
      const app = bare(t)
      await app.register(fastifyJwt, { secret })
      try {
        await app.register(async child => {
          await change(child)
          await child.register(wsTickets, { route })
        })
        await app.inject({ ...POST, headers: bearer(foreign) })
      } catch (error) {
        t.match(error, { code: /WSA_TICKET_ERR_OPTION|FST_ERR_DEC_ALREADY_PRESENT/ }, name)
      }
      t.equal(createJwtVerifier(app, {}, ERR)(foreign), 'token invalid', name)
    }
  }
})

t.test('whatever `trusted` of @fastify/jwt rejects with, nobody gets a ticket', async t => {
  for (const thrown of [new Error('broken'), undefined, null, false, true, 0, '', 'text', {}]) {
    for (const route of [{}, { jwt: { trusted: async () => { throw thrown } } }]) {
      let rejects = true
      const trusted = async (): Promise<boolean> => {
        if (rejects) throw thrown
        return true
      }
      const app = await build(t, route, { trusted })
      const post = async () => (await app.inject({ ...POST, headers: bearer(good(app)) })).statusCode
      t.not(await post(), 201, `${String(thrown)}, ${String(route.jwt)}`)
      rejects = false
      if (route.jwt === undefined) t.equal(await post(), 201)
    }
  }
})
