import createError from '@fastify/error'
import fastifyJwt, { type FastifyJWTOptions } from '@fastify/jwt'
import Fastify, { type FastifyRequest } from 'fastify'
import { createSigner } from 'fast-jwt'
import { createHmac, generateKeyPairSync, type RSAKeyPairOptions } from 'node:crypto'
import t, { type Test } from 'tap'
import { createJwtVerifier, type JwtOptions, jwtOptions, noteTrusted, parseOptions } from '../src/index.js'

const ERR_OPTION = createError<[string]>('WSA_TEST_ERR_OPTION', 'Invalid option: %s', 500)
const secret = 'a secret for tests that is long enough'
const other = 'another secret that is long enough, too'
const now = Math.floor(Date.now() / 1000)
const claims = { sub: 'alice', iat: now - 10, exp: now + 3_600 }

interface Pair { privateKey: string, publicKey: string }

const newPair = (type: 'rsa' | 'ec' | 'ed25519', options: object = {}): Pair => generateKeyPairSync(type as 'rsa', {
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  ...options
} as RSAKeyPairOptions<'pem', 'pem'>)

const rsa = newPair('rsa', { modulusLength: 2048 })
const p256 = newPair('ec', { namedCurve: 'P-256' })
const p384 = newPair('ec', { namedCurve: 'P-384' })
const p521 = newPair('ec', { namedCurve: 'P-521' })
const ed25519 = newPair('ed25519')
const pair = ({ privateKey, publicKey }: Pair) => ({ private: privateKey, public: publicKey })

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Signs by hand what no library would. */
function forge (header: object, payload: object, key = secret): string {
  const body = `${part(header)}.${part(payload)}`
  return `${body}.${createHmac('sha256', key).update(body).digest('base64url')}`
}

const bySecret = createSigner({ key: secret })
const byRsa = createSigner({ key: rsa.privateKey, algorithm: 'RS256' })

interface SetUp {
  name: string
  /** Options of `@fastify/jwt`. */
  jwt: object
  /** Options of the verifier, where the set-up needs some. */
  options?: JwtOptions
  good: string[]
  bad?: string[]
  /** Tokens that a route takes and the verifier does not; each is logged. */
  stricter?: string[]
}

/** Keys by `kid`, as a JWKS has them. */
const keys: Record<string, string> = { old: secret, new: other }
const byKid = (kid: string, key: string): string => forge({ alg: 'HS256', kid }, claims, key)

async function keyOf (token: unknown): Promise<string> {
  const { header: { kid } } = token as { header: { kid: string } }
  const key = keys[kid]
  if (key === undefined) throw Object.assign(new Error('No matching JWK found in the set.'), { code: 'JWK_NOT_FOUND' })
  return key
}

const setUps: SetUp[] = [
  { name: 'a shared secret', jwt: { secret }, good: [bySecret(claims)], bad: [forge({ alg: 'HS256' }, claims, other), byRsa(claims)], stricter: [createSigner({ key: secret, algorithm: 'HS512' })(claims)] },
  { name: 'a secret of bytes', jwt: { secret: Buffer.from(secret) }, good: [bySecret(claims)] },
  { name: 'HS384', jwt: { secret, sign: { algorithm: 'HS384' } }, good: [createSigner({ key: secret, algorithm: 'HS384' })(claims)], stricter: [bySecret(claims)] },
  ...[
    { key: 'RSA', keys: rsa, signers: [{ algorithm: 'RS256' }, { algorithm: 'RS512' }, { algorithm: 'PS256' }] },
    { key: 'P-256', keys: p256, signers: [{ algorithm: 'ES256' }] },
    { key: 'P-384', keys: p384, signers: [{ algorithm: 'ES384' }] },
    { key: 'P-521', keys: p521, signers: [{ algorithm: 'ES512' }] },
    { key: 'Ed25519', keys: ed25519, signers: [{ algorithm: 'EdDSA' }] }
  ].flatMap(({ key, keys, signers }): SetUp[] => {
    const sign = (signer: object): string => createSigner({ key: keys.privateKey, ...signer })(claims)
    const confused = forge({ alg: 'HS256' }, claims, keys.publicKey)
    const [first, ...more] = signers as [object, ...object[]]
    return [
      { name: `${key}, without an algorithm`, jwt: { secret: pair(keys) }, good: signers.map(sign), bad: [confused] },
      { name: `${key}, with one`, jwt: { secret: pair(keys), sign: first }, good: [sign(first)], bad: [confused], stricter: more.map(sign) },
      { name: `${key}, with some`, jwt: { secret: pair(keys), verify: { algorithms: signers.map(({ algorithm }) => algorithm) } }, good: signers.map(sign), bad: [confused] },
      { name: `${key}, the public key alone`, jwt: { secret: { public: keys.publicKey } }, good: signers.map(sign), bad: [confused] }
    ]
  }),
  { name: 'a secret to verify with alone', jwt: { secret: { public: secret } }, good: [bySecret(claims)], bad: [byRsa(claims)] },
  { name: 'a function with a callback', jwt: { secret: (_request: unknown, _token: unknown, done: (error: null, key: string) => void) => { done(null, secret) } }, good: [bySecret(claims)], bad: [forge({ alg: 'HS256' }, claims, other)] },
  { name: 'a function with a promise', jwt: { secret: async () => secret }, good: [bySecret(claims)], bad: [forge({ alg: 'HS256' }, claims, other)] },
  { name: 'a function with a thenable', jwt: { secret: () => ({ then: (yes: (key: string) => void) => { yes(secret) } }) }, good: [bySecret(claims)] },
  {
    name: 'a function of the token: keys by kid, as get-jwks does it',
    jwt: { decode: { complete: true }, secret: async (_request: unknown, token: unknown) => await keyOf(token) },
    good: [byKid('old', secret), byKid('new', other)],
    bad: [byKid('new', secret), byKid('gone', secret)]
  },
  { name: 'a function of the request', jwt: { secret: async ({ headers }: FastifyRequest) => headers['x-tenant'] === 'a' ? secret : other }, good: [bySecret(claims)], bad: [forge({ alg: 'HS256' }, claims, other)] },
  { name: 'functions for both keys', jwt: { secret: { private: async () => rsa.privateKey, public: async () => rsa.publicKey }, sign: { algorithm: 'RS256' } }, good: [byRsa(claims)], bad: [forge({ alg: 'HS256' }, claims, rsa.publicKey)] },
  { name: 'a namespace', jwt: { secret, namespace: 'ws' }, options: { namespace: 'ws' }, good: [bySecret(claims)] },
  { name: 'a namespace with a function', jwt: { secret: async () => secret, namespace: 'ws' }, options: { namespace: 'ws' }, good: [bySecret(claims)] },
  { name: 'jwtVerify of another name', jwt: { secret: async () => secret, namespace: 'ws', jwtVerify: 'check' }, options: { namespace: 'ws', jwtVerify: 'check' }, good: [bySecret(claims)] },
  { name: 'decoratorName', jwt: { secret, decoratorName: 'auth' }, good: [bySecret(claims)] },
  { name: 'formatUser', jwt: { secret, formatUser: ({ sub }: { sub: string }) => ({ id: sub }) }, good: [bySecret(claims)] },
  { name: 'formatUser and a function', jwt: { secret: async () => secret, formatUser: ({ sub }: { sub: string }) => ({ id: sub }) }, good: [bySecret(claims)] },
  { name: 'verify.complete', jwt: { secret, verify: { complete: true } }, good: [bySecret(claims)] },
  { name: 'verify.complete and a function', jwt: { secret: async () => secret, verify: { complete: true } }, good: [bySecret(claims)] },
  { name: 'decode.complete', jwt: { secret, decode: { complete: true } }, good: [bySecret(claims)] },
  { name: 'verify.cache', jwt: { secret, verify: { cache: true } }, good: [bySecret(claims), bySecret(claims)], bad: ['x.y.z', 'x.y.z'] },
  { name: 'verify.clockTolerance', jwt: { secret, verify: { clockTolerance: 7_200_000 } }, good: [bySecret({ ...claims, exp: now - 3_600 }), bySecret({ ...claims, nbf: now + 3_600 })], bad: [bySecret({ ...claims, exp: now - 7_300 })] },
  { name: 'verify.allowedIss and allowedAud', jwt: { secret, verify: { allowedIss: 'idp', allowedAud: /^chat/ } }, good: [bySecret({ ...claims, iss: 'idp', aud: 'chat-1' })], bad: [bySecret({ ...claims, iss: 'x', aud: 'chat' }), bySecret({ ...claims, iss: 'idp', aud: ['x'] })] },
  { name: 'verify.requiredClaims', jwt: { secret, verify: { requiredClaims: ['jti'] } }, good: [bySecret({ ...claims, jti: '1' })], bad: [bySecret(claims)] },
  { name: 'verify.maxAge', jwt: { secret, verify: { maxAge: '1h' } }, good: [bySecret(claims)], bad: [bySecret({ ...claims, iat: now - 7_200 })] },
  { name: 'verify.extractToken', jwt: { secret: async () => secret, verify: { extractToken: () => 'nonsense' } }, good: [bySecret(claims)] },
  { name: 'a cookie alone', jwt: { secret: async () => secret, cookie: { cookieName: 'token', signed: false }, verify: { onlyCookie: true } }, good: [bySecret(claims)] },
  { name: 'verify.ignoreNotBefore', jwt: { secret, verify: { ignoreNotBefore: true } }, good: [bySecret({ ...claims, nbf: now + 36_000 })], bad: [bySecret({ ...claims, exp: now - 10 })] },
  { name: 'verify.algorithms, empty', jwt: { secret, verify: { algorithms: [] } }, good: [bySecret(claims)], bad: [forge({ alg: 'HS256' }, claims, other)], stricter: [createSigner({ key: secret, algorithm: 'HS512' })(claims)] },
  { name: 'verify.key in place of the secret', jwt: { secret, verify: { key: rsa.publicKey } }, good: [byRsa(claims)], bad: [bySecret(claims)] },
  { name: 'verify.key as a function', jwt: { secret, verify: { key: async () => other } }, good: [forge({ alg: 'HS256' }, claims, other)], bad: [bySecret(claims)] },
  { name: 'verify.checkTyp', jwt: { secret: { public: rsa.publicKey }, verify: { checkTyp: 'at+jwt' } }, good: [createSigner({ key: rsa.privateKey, header: { alg: 'RS256', typ: 'at+jwt' } })(claims)], bad: [byRsa(claims)] },
  { name: 'verify.allowedCritHeaders', jwt: { secret, verify: { allowedCritHeaders: ['x'] } }, good: [forge({ alg: 'HS256', crit: ['x'], x: 1 }, claims)], bad: [forge({ alg: 'HS256', crit: ['y'], y: 1 }, claims)] },
  { name: 'trusted, each time', jwt: { secret, trusted: (_request: unknown, { jti }: { jti?: string }) => jti !== 'revoked' }, options: { perRequest: true }, good: [bySecret(claims)], bad: [bySecret({ ...claims, jti: 'revoked' })], stricter: [createSigner({ key: secret, algorithm: 'HS512' })(claims)] },
  { name: 'trusted with a promise and a function', jwt: { secret: async () => secret, trusted: async (_request: unknown, { jti }: { jti?: string }) => jti !== 'revoked' }, good: [bySecret(claims)], bad: [bySecret({ ...claims, jti: 'revoked' })] },
  { name: 'typ', jwt: { secret }, options: { typ: 'at+jwt' }, good: [forge({ alg: 'HS256', typ: 'at+jwt' }, claims), forge({ alg: 'HS256', typ: 'application/AT+JWT' }, claims)], stricter: [bySecret(claims), forge({ alg: 'HS256' }, claims)] },
  {
    name: 'what JWTs must not say (RFC 7515, 7519)',
    jwt: { secret },
    good: [forge({ alg: 'HS256' }, { sub: 'alice', exp: now + 600.5, nbf: now - 0.5 })],
    bad: [forge({ alg: 'HS256', crit: ['x'] }, claims), forge({ alg: 'HS256' }, { ...claims, nbf: now + 36_000 }), forge({ alg: 'HS256' }, { ...claims, nbf: 'x' })],
    stricter: [
      ...[null, false, 0, ''].map(crit => forge({ alg: 'HS256', crit }, claims)),
      forge({ alg: 'HS256' }, { ...claims, exp: 1e308 }), forge({ alg: 'HS256' }, { ...claims, exp: 1e13 }),
      forge({ alg: 'HS256' }, { ...claims, iat: 'yesterday' }), forge({ alg: 'HS256' }, { ...claims, iat: null }),
      forge({ alg: 'HS256' }, { ...claims, sub: 1 }), forge({ alg: 'HS256' }, { ...claims, sub: '' }), forge({ alg: 'HS256' }, { exp: claims.exp }),
      forge({ alg: 'HS256' }, { sub: 'alice' })
    ]
  }
]

/** Whether a route that calls `request.jwtVerify()` lets a token in, and whether the verifier does. */
async function ask (t: Test, { jwt, options = {} }: SetUp, log: string[]) {
  const app = Fastify({ logger: { level: 'warn', stream: { write: (line: string) => { log.push(line) } } } })
  t.teardown(() => app.close())
  if ('cookie' in jwt) app.decorateRequest('cookies', { getter: () => ({}) })
  await app.register(fastifyJwt, jwt as FastifyJWTOptions)
  const verify = createJwtVerifier(app, options, ERR_OPTION)
  const { namespace, jwtVerify = namespace === undefined ? 'jwtVerify' : `${namespace}JwtVerify` } = options
  app.get('/route', async request => {
    const { authorization = '' } = request.headers
    await (request as unknown as Record<string, (options: object) => Promise<unknown>>)[jwtVerify]?.({ extractToken: () => authorization })
    return 'in'
  })
  app.get('/verifier', async request => {
    const { user } = request as unknown as { user: unknown }
    const verified = await verify(request.headers.authorization ?? '', verify.usesRequest ? request : null)
    t.equal((request as unknown as { user: unknown }).user, user, 'request.user is the route\'s')
    return typeof verified === 'string' ? verified : { subject: verified.subject }
  })
  const get = async (url: string, authorization: string) => await app.inject({ url, headers: { authorization, 'x-tenant': 'a' } })
  return {
    route: async (token: string) => (await get('/route', token)).statusCode === 200,
    verifier: async (token: string) => (await get('/verifier', token)).body
  }
}

for (const setUp of setUps) {
  t.test(setUp.name, async t => {
    const log: string[] = []
    const lines = (): string[] => log.map(line => (JSON.parse(line) as { msg: string }).msg).filter(line => line.includes('valid signature'))
    const { route, verifier } = await ask(t, setUp, log)
    for (const token of setUp.good) {
      t.equal(await route(token), true, 'the route takes it')
      t.same(JSON.parse(await verifier(token)), { subject: 'alice' }, 'and so does the verifier')
    }
    for (const token of setUp.bad ?? []) {
      t.equal(await route(token), false, 'the route refuses it')
      t.match(await verifier(token), /^token (invalid|expired)$/)
    }
    t.same(lines(), [], 'clients cannot fill the log')
    for (const token of setUp.stricter ?? []) {
      t.equal(await verifier(token), 'token invalid')
    }
    t.equal(lines().length > 0, (setUp.stricter ?? []).length > 0, 'what is stricter than the route is logged')
    t.equal(new Set(lines()).size, lines().length, 'once for each reason')
  })
}

t.test('a set-up that cannot work says what to change', async t => {
  const cases: Array<[object, JwtOptions, RegExp]> = [
    [{ secret, namespace: 'ws' }, {}, /namespace: @fastify\/jwt is registered as 'ws'; name one of them/],
    [{ secret, namespace: 'ws' }, { namespace: 'api' }, /registered as 'ws'/],
    [{ secret: async () => secret, namespace: 'ws', jwtVerify: 'check' }, { namespace: 'ws' }, /jwtVerify: there is no request\.wsJwtVerify\(\)/],
    [{ secret }, { perRequest: true, jwtVerify: 'check' }, /jwtVerify: there is no request\.check\(\)/],
    [{ secret: async () => secret }, { perRequest: false }, /perRequest: @fastify\/jwt has a function/],
    [{ secret, verify: { ignoreExpiration: true } }, {}, /verify\.ignoreExpiration, and a connection ends when its token does: .* namespace/],
    [{ secret, verify: { clockTimestamp: 1 } }, {}, /verify\.clockTimestamp/],
    [{ secret, verify: { algorithms: ['none'], key: '' } }, {}, /'none' in verify\.algorithms/],
    [{ secret, verify: { algorithms: ['HS256', 'none'] } }, {}, /'none' in verify\.algorithms/],
    [{ secret }, { verify: () => claims, namespace: 'ws' }, /namespace: it is of @fastify\/jwt/],
    [{ secret }, { verify: () => claims, jwtVerify: 'check' }, /jwtVerify: it is of @fastify\/jwt/]
  ]
  for (const [jwt, options, message] of cases) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(fastifyJwt, jwt as FastifyJWTOptions)
    t.throws(() => createJwtVerifier(app, options, ERR_OPTION), { code: 'WSA_TEST_ERR_OPTION', message })
  }
  const app = Fastify()
  t.teardown(() => app.close())
  t.throws(() => createJwtVerifier(app, {}, ERR_OPTION), { message: /register @fastify\/jwt first/ })
  app.decorate('jwt', {} as never)
  t.throws(() => createJwtVerifier(app, {}, ERR_OPTION), { message: /fastify\.jwt is not that of @fastify\/jwt/ })
})

t.test('without the request that it needs nothing is taken', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyJwt, { secret: async () => secret })
  const verify = createJwtVerifier(app, {}, ERR_OPTION)
  t.equal(verify.usesRequest, true)
  await t.rejects(async () => await verify(bySecret(claims)), { code: 'WSA_CORE_ERR_KEYS_UNAVAILABLE' })
})

t.test('keys that cannot be had are no verdict', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  let down: unknown
  await app.register(fastifyJwt, { secret: async () => { throw down } })
  const verify = createJwtVerifier(app, {}, ERR_OPTION)
  app.get('/', async request => await verify(bySecret(claims), request))
  for (down of [new Error('no key server'), Object.assign(new Error('x'), { code: 'ECONNREFUSED' }), undefined]) {
    const response = await app.inject('/')
    t.equal(response.statusCode, 503)
    t.same(response.json(), {
      statusCode: 503, code: 'WSA_CORE_ERR_KEYS_UNAVAILABLE', error: 'Service Unavailable', message: 'The keys of the issuer cannot be had at the moment'
    }, 'the client gets to know nothing more')
  }
  const own = createJwtVerifier(app, { verify: () => { throw down } }, ERR_OPTION)
  down = Object.assign(new Error('x'), { code: 'ECONNREFUSED' })
  t.throws(() => own('x'), { code: 'WSA_CORE_ERR_KEYS_UNAVAILABLE', cause: down }, 'the log does')
  down = Object.assign(new Error('x'), { statusCode: 502 })
  t.throws(() => own('x'), { message: 'x', statusCode: 502 })
})

t.test('trusted counts where it is known that there is one, and perRequest says otherwise', async t => {
  for (const namespace of [undefined, 'ws']) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(fastifyJwt, { secret, trusted: () => false, ...namespace === undefined ? {} : { namespace } } as FastifyJWTOptions)
    const jwt = app.jwt as unknown as Record<string, object>
    noteTrusted(namespace === undefined ? jwt : jwt[namespace] as object)
    t.equal(createJwtVerifier(app, { namespace }, ERR_OPTION).usesRequest, true)
    t.equal(createJwtVerifier(app, { namespace, perRequest: false }, ERR_OPTION).usesRequest, false)
  }
})

t.test('a verifier of one\'s own that makes a mistake is named in one warning for each', async t => {
  const rejects = (error: unknown) => () => { throw error }
  const rows: Array<[name: string, verify: NonNullable<JwtOptions['verify']>, reason: RegExp | null]> = [
    ...[undefined, null, true, 'alice'].map((answer): typeof rows[number] => [`returns ${String(answer)}`, () => answer as never, /jwt\.verify returned \w+ in place of the claims/]),
    ...[undefined, null].map((answer): typeof rows[number] => [`returns ${String(answer)} later`, async () => answer as never, /jwt\.verify returned \w+ in place of the claims/]),
    ['returns what jose does', async () => ({ payload: claims }), /needs a `sub` claim/],
    ['TypeError', rejects(new TypeError('x is not a function')), /has thrown an error that speaks of no token/],
    ['ReferenceError, later', async () => await Promise.reject(new ReferenceError('x is not defined')), /has thrown/],
    ['RangeError', rejects(new RangeError('Invalid time value')), /has thrown/],
    ['a claim that jose does not accept', rejects(Object.assign(new Error('x'), { code: 'ERR_JWT_CLAIM_VALIDATION_FAILED', claim: 'aud' })), /does not accept its `aud`/],
    ['a signature', rejects(Object.assign(new Error('x'), { code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' })), null],
    ['any error', rejects(new Error('no')), null],
    ['no error', rejects('no'), null],
    ['nothing', rejects(undefined), null],
    ['a thenable that rejects', () => ({ then: (_yes: unknown, no: (error: Error) => void) => { no(new Error('no')) } }) as never, null]
  ]
  for (const [name, verify, reason] of rows) {
    const lines: Array<{ level: number, code: string, msg: string }> = []
    const app = Fastify({ logger: { level: 'warn', stream: { write: (line: string) => { lines.push(JSON.parse(line)) } } } })
    t.teardown(() => app.close())
    // Two routes, and a client that tries again.
    for (const check of [createJwtVerifier(app, { verify }, ERR_OPTION), createJwtVerifier(app, { verify }, ERR_OPTION)]) {
      for (let times = 0; times < 2; times++) t.equal(await check('x'), 'token invalid', name)
    }
    t.match(lines, reason === null ? [] : [{ level: 40, code: /^WSA_CORE_WARN_(JWT_REFUSED|ANSWER)$/, msg: reason }], name)
    t.equal(lines.length, reason === null ? 0 : 1, name)
  }
})

t.test('options that can admit nobody, or everybody, are refused', async t => {
  for (const [options, message] of [
    [{ algorithms: ['none'] }, /algorithms\.0: 'none' would let anybody/],
    [{ algorithms: ['RS256', 'hs256'] }, /algorithms\.1: case counts: `HS256`/],
    [{ algorithms: ['EDDSA'] }, /`EdDSA`/],
    [{ algorithms: [] }, /algorithms/],
    [{ issuer: [] }, /issuer/],
    [{ audience: [] }, /audience/]
  ] as const) t.throws(() => parseOptions(jwtOptions, options, ERR_OPTION), { code: 'WSA_TEST_ERR_OPTION', message }, JSON.stringify(options))
  t.doesNotThrow(() => parseOptions(jwtOptions, { algorithms: ['HS256', 'Ed25519', 'X-OWN'], issuer: ['a'], audience: 'b' }, ERR_OPTION))
})

t.test('nbf counts with a verifier of one\'s own, with its tolerance', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const verify = async (): Promise<object> => ({ ...claims, nbf: now + 36_000 })
  t.equal(await createJwtVerifier(app, { verify }, ERR_OPTION)('x'), 'token invalid')
  t.match(await createJwtVerifier(app, { verify, clockTolerance: 72_000_000 }, ERR_OPTION)('x'), { subject: 'alice' })
  const typed = createJwtVerifier(app, { verify: () => claims, typ: 'at+jwt', perRequest: true }, ERR_OPTION)
  t.equal(typed.usesRequest, true)
  t.equal(typed(bySecret(claims)), 'token invalid')
  t.match(typed(forge({ alg: 'HS256', typ: 'at+jwt' }, claims)), { subject: 'alice' })
  t.equal(typed('opaque'), 'token invalid')
})
