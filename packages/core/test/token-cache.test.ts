import createError from '@fastify/error'
import fastifyJwt, { type FastifyJWTOptions } from '@fastify/jwt'
import Fastify, { type FastifyInstance } from 'fastify'
import { generateKeyPairSync } from 'node:crypto'
import t, { type Test } from 'tap'
import { clearTokenCaches, createJwtVerifier, type JwtDecorator, TokenCache, type TokenCacheOptions, tokenCacheOf } from '../src/index.js'

const ERR_OPTION = createError<[string]>('WSA_TEST_ERR_OPTION', 'Invalid option: %s', 500)
const secret = 'a secret for tests that is long enough'
const jwtOf = (app: FastifyInstance): JwtDecorator => app.jwt as unknown as JwtDecorator

/** A token of the right shape, which nobody has signed. */
function token (claims: object): string {
  return ['{"alg":"HS256"}', JSON.stringify(claims), 'signature'].map(part => Buffer.from(part).toString('base64url')).join('.')
}

const later = (): number => Math.floor(Date.now() / 1000) + 600

/** A cache with a clock to be set, and how often its verifier was asked. */
function build (options: TokenCacheOptions = {}, verify: (token: string) => object = () => ({ sub: 'u1' })) {
  const clock = { now: 0 }
  const asked: string[] = []
  const cache = new TokenCache(token => {
    asked.push(token)
    return verify(token)
  }, options, () => clock.now)
  return { cache, clock, asked }
}

/** An app with @fastify/jwt that counts how often it verifies. */
async function withJwt (t: Test, options: Partial<FastifyJWTOptions> = {}) {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyJwt, { secret, ...options } as FastifyJWTOptions)
  const jwt = jwtOf(app)
  const verify = jwt.verify.bind(jwt)
  const asked: string[] = []
  jwt.verify = token => {
    // Questions about the verifier itself, at registration.
    if (token !== '-' && !token.endsWith('.AAAA')) asked.push(token)
    return verify(token)
  }
  return { app, jwt, asked }
}

t.test('a token is verified once, and each caller gets its own claims', async t => {
  const claims = { sub: 'u1', exp: later(), roles: ['a'] }
  const { cache, asked } = build({}, () => ({ ...claims }))
  const given = token(claims)
  const first = cache.read(given)
  const second = cache.read(given)
  t.strictSame(first, claims)
  t.strictSame(second, claims)
  t.not(first, second)
  t.not((second as typeof claims).roles, (cache.read(given) as typeof claims).roles)
  t.equal(asked.length, 1)
  t.equal(cache.size, 1)
})

t.test('a token that differs in one spare bit is another token', async t => {
  const { cache, asked } = build()
  const given = token({ exp: later() })
  cache.read(given)
  cache.read(`${given}=`)
  cache.read(given.slice(0, -1))
  t.equal(asked.length, 3)
})

t.test('a refused token is not remembered', async t => {
  const { cache, asked } = build({}, () => { throw new Error('bad') })
  const given = token({ exp: later() })
  for (let times = 0; times < 2; times++) t.throws(() => cache.read(given), { message: 'bad' })
  t.equal(asked.length, 2)
  t.equal(cache.size, 0)
})

t.test('an asynchronous answer is not remembered, since its key may change', async t => {
  const { cache, asked } = build({}, async () => ({ sub: 'u1' }))
  const given = token({ exp: later() })
  for (let times = 0; times < 2; times++) t.same(await cache.read(given), { sub: 'u1' })
  t.equal(asked.length, 2)
})

t.test('a token is not remembered beyond exp', async t => {
  const { cache, asked } = build()
  for (const claims of [{ exp: later() - 1200 }, {}, { exp: 'soon' }]) {
    const given = token(claims)
    asked.length = 0
    for (let times = 0; times < 2; times++) cache.read(given)
    t.equal(asked.length, 2, JSON.stringify(claims))
  }
})

t.test('a token is remembered for at least half of ttl and at most all of it', async t => {
  for (const start of [0, 10, 490, 999]) {
    const { cache, clock, asked } = build({ ttl: 1_000 })
    // Other tokens start the generations before this one.
    cache.read(token({ exp: later(), other: 1 }))
    clock.now = start
    const given = token({ exp: later() })
    cache.read(given)
    asked.length = 0
    clock.now = start + 499
    cache.read(given)
    t.same(asked, [], `still there after half of the time, from ${start}`)
    clock.now = start + 1_000
    cache.read(given)
    t.same(asked, [given], `gone after all of it, from ${start}`)
  }
})

t.test('a late timer does not extend the time', async t => {
  for (const late of [1, 25, 49]) {
    const { cache, clock, asked } = build({ ttl: 100 })
    cache.read(token({ exp: later(), other: 1 }))
    clock.now = 49
    const given = token({ exp: later() })
    cache.read(given)
    clock.now = 50 + late
    cache.tick()
    asked.length = 0
    clock.now = 149
    cache.read(given)
    t.same(asked, [given], `${late} ms late`)
  }
})

t.test('no more than max are kept', async t => {
  const { cache, asked } = build({ max: 4 })
  const tokens = Array.from({ length: 20 }, (_, index) => token({ exp: later(), index }))
  for (const given of tokens) {
    cache.read(given)
    t.ok(cache.size <= 4)
  }
  asked.length = 0
  cache.read(tokens.at(-1) as string)
  t.same(asked, [], 'the newest is there')
  cache.read(tokens[0] as string)
  t.equal(asked.length, 1, 'the oldest is not')
})

t.test('memory is freed when nobody asks any more', async t => {
  const { cache, clock } = build({ ttl: 1_000 })
  cache.read(token({ exp: later() }))
  clock.now = 500
  cache.tick()
  t.equal(cache.size, 1)
  clock.now = 1_000
  cache.tick()
  t.equal(cache.size, 0)
  cache.tick()
  t.equal(cache.size, 0, 'and nothing goes on')
})

t.test('the timer frees it', async t => {
  const { cache, clock } = build({ ttl: 2 })
  cache.read(token({ exp: later() }))
  clock.now = 10
  while (cache.size > 0) await new Promise(resolve => setTimeout(resolve, 1))
  t.pass('forgotten')
})

t.test('clear forgets, add remembers', async t => {
  const { cache, asked } = build()
  const given = token({ exp: later() })
  cache.add(given)
  cache.read(given)
  t.same(asked, [])
  cache.clear()
  cache.read(given)
  t.same(asked, [given])
})

t.test('verifiers with equal settings share a cache, and each makes all of its own checks', async t => {
  const { app, jwt, asked } = await withJwt(t)
  const verify = createJwtVerifier(app, {}, ERR_OPTION)
  const given = app.jwt.sign({ sub: 'u1', exp: later(), iss: 'a' })
  t.match(verify(given), { subject: 'u1' })
  t.match(createJwtVerifier(app, { issuer: 'a' }, ERR_OPTION)(given), { subject: 'u1' })
  t.equal(createJwtVerifier(app, { issuer: 'b' }, ERR_OPTION)(given), 'token invalid', 'what one has accepted is not taken for another\'s')
  t.equal(createJwtVerifier(app, { audience: 'chat' }, ERR_OPTION)(given), 'token invalid')
  t.equal(createJwtVerifier(app, { algorithms: ['HS512'] }, ERR_OPTION)(given), 'token invalid')
  t.equal(asked.length, 1)
  t.equal(tokenCacheOf(jwt)?.size, 1)

  createJwtVerifier(app, { cache: { ttl: 1_000 } }, ERR_OPTION)(given)
  t.equal(asked.length, 2, 'other settings, another cache')
  const off = createJwtVerifier(app, { cache: false }, ERR_OPTION)
  off(given)
  off(given)
  t.equal(asked.length, 4, 'off')

  clearTokenCaches(app)
  t.equal(tokenCacheOf(jwt)?.size, 0)
  verify(given)
  t.equal(asked.length, 5)
})

t.test('neither two servers nor two namespaces share a cache', async t => {
  const [one, other] = [await withJwt(t), await withJwt(t, { secret: 'another secret that is long enough' })]
  const given = one.app.jwt.sign({ sub: 'u1', exp: later() })
  t.match(createJwtVerifier(one.app, {}, ERR_OPTION)(given), { subject: 'u1' })
  t.equal(createJwtVerifier(other.app, {}, ERR_OPTION)(given), 'token invalid')

  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyJwt, { secret, namespace: 'a' })
  await app.register(fastifyJwt, { secret: 'another secret that is long enough', namespace: 'b' })
  const { a } = app.jwt as unknown as Record<string, typeof app.jwt & JwtDecorator>
  const ofA = (a as typeof app.jwt).sign({ sub: 'u1', exp: later() })
  t.match(createJwtVerifier(app, { namespace: 'a' }, ERR_OPTION)(ofA), { subject: 'u1' })
  t.equal(createJwtVerifier(app, { namespace: 'b' }, ERR_OPTION)(ofA), 'token invalid')
  clearTokenCaches(app)
  t.equal(tokenCacheOf(a as JwtDecorator)?.size, 0, 'namespaces are cleared as well')
  clearTokenCaches(Fastify())
})

t.test('there is no cache where each token must be verified each time', async t => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256', privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' }
  })
  const sync = (_request: unknown, _token: unknown, done: (error: null, key: string) => void): void => { done(null, secret) }
  const table: Array<[string, Partial<FastifyJWTOptions>, boolean]> = [
    ['a secret', {}, true],
    ['a key pair', { secret: { private: privateKey, public: publicKey }, sign: { algorithm: 'ES256' } }, true],
    ['a function as the secret', { secret: sync as never }, false],
    ['an asynchronous function', { secret: (async () => secret) as never }, false],
    ['a function as the public key', { secret: { private: secret, public: sync } as never }, false],
    ['maxAge', { verify: { maxAge: 60_000 } }, false],
    ['complete', { verify: { complete: true } as never }, false]
  ]
  for (const [name, options, kept] of table) {
    const { jwt } = await withJwt(t, options)
    t.equal(tokenCacheOf(jwt) !== null, kept, name)
    t.equal(tokenCacheOf(jwt, false), null)
  }
})

t.test('a custom verify function is called each time', async t => {
  const asked: string[] = []
  const verify = createJwtVerifier(Fastify(), {
    verify: token => {
      asked.push(token)
      return { sub: 'u1', exp: later() }
    }
  }, ERR_OPTION)
  verify('a')
  verify('a')
  t.equal(asked.length, 2)
})
