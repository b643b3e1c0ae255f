import createError from '@fastify/error'
import fastifyJwt, { type FastifyJWTOptions } from '@fastify/jwt'
import Fastify, { type FastifyInstance } from 'fastify'
import { createHmac, generateKeyPairSync } from 'node:crypto'
import t, { type Test } from 'tap'
import { createJwtVerifier, type JwtOptions, type VerifiedToken } from '../src/index.js'

const ERR_OPTION = createError<[string]>('WSA_TEST_ERR_OPTION', 'Invalid option: %s', 500)
const secret = 'a secret for tests that is long enough'
const later = () => Math.floor(Date.now() / 1000) + 60

async function build (t: Test, options: JwtOptions = {}, jwt: Partial<FastifyJWTOptions> = {}) {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyJwt, { secret, ...jwt } as FastifyJWTOptions)
  return { app, verify: verifier(app, options) }
}

/** A verifier that needs no request. */
function verifier (app: FastifyInstance, options: JwtOptions = {}) {
  const verify = createJwtVerifier(app, options, ERR_OPTION)
  t.equal(verify.usesRequest, false)
  return (token: string) => verify(token, null)
}

/** Signs by hand what no library would. */
function forge (header: object, claims: object, key = secret): string {
  const body = [header, claims].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${body}.${createHmac('sha256', key).update(body).digest('base64url')}`
}

t.test('a good token gives subject, times in milliseconds and claims', async t => {
  const { app, verify } = await build(t)
  const exp = later()
  const token = app.jwt.sign({ sub: 'u1', exp, iat: exp - 100, role: 'user' })
  t.strictSame(verify(token), {
    subject: 'u1', expiresAt: exp * 1000, issuedAt: (exp - 100) * 1000, claims: { sub: 'u1', exp, iat: exp - 100, role: 'user' }
  })
  t.equal((verify(token) as VerifiedToken).subject, 'u1', 'a second time, with the header known')
  t.equal((verify(forge({ alg: 'HS256' }, { sub: 'u1', exp })) as VerifiedToken).issuedAt, null, 'iat is optional')
})

t.test('exp and sub are required, whatever the options of @fastify/jwt', async t => {
  const { verify } = await build(t)
  const exp = later()
  for (const claims of [{ exp }, { exp, sub: '' }, { exp, sub: 1 }, { sub: 'u1' }]) {
    t.equal(verify(forge({ alg: 'HS256' }, claims)), 'token invalid', JSON.stringify(claims))
  }
  t.equal(verify(forge({ alg: 'HS256' }, { sub: 'u1', exp: later() - 120 })), 'token expired')
})

t.test('forged tokens are refused', async t => {
  const { app, verify } = await build(t)
  const claims = { sub: 'u1', exp: later() }
  const good = app.jwt.sign(claims)
  t.equal(verify(forge({ alg: 'HS256' }, claims, 'other secret')), 'token invalid', 'other key')
  t.equal(verify(`${Buffer.from('{"alg":"none"}').toString('base64url')}.${good.split('.')[1]}.`), 'token invalid', 'alg none')
  t.equal(verify(good.slice(0, -2)), 'token invalid', 'cut')
  t.equal(verify('x'), 'token invalid', 'no token at all')
})

t.test('the algorithm is pinned to the one the app signs with, or to the option', async t => {
  const claims = { sub: 'u1', exp: later() }
  const { app, verify } = await build(t)
  const hs512 = app.jwt.sign(claims, { algorithm: 'HS512' })
  t.equal(verify(hs512), 'token invalid')
  t.equal((verifier(app, { algorithms: ['HS512'] })(hs512) as VerifiedToken).subject, 'u1')

  const signing = await build(t, {}, { sign: { algorithm: 'HS384' } })
  t.equal((signing.verify(signing.app.jwt.sign(claims)) as VerifiedToken).subject, 'u1')
  t.equal(signing.verify(forge({ alg: 'HS256' }, claims)), 'token invalid')

  const verifying = await build(t, {}, { verify: { algorithms: ['HS512'] } })
  t.equal((verifying.verify(hs512) as VerifiedToken).subject, 'u1')
})

t.test('a token signed with the public key as a secret is refused', async t => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' }
  })
  const { app, verify } = await build(t, {}, { secret: { private: privateKey, public: publicKey }, sign: { algorithm: 'RS256' } })
  const claims = { sub: 'u1', exp: later() }
  t.equal((verify(app.jwt.sign(claims)) as VerifiedToken).subject, 'u1')
  t.equal(verify(forge({ alg: 'HS256' }, claims, publicKey)), 'token invalid')
})

t.test('issuer and audience', async t => {
  const { verify } = await build(t, { issuer: 'idp', audience: ['chat', 'news'] })
  const token = (claims: object): string => forge({ alg: 'HS256' }, { sub: 'u1', exp: later(), ...claims })
  t.equal((verify(token({ iss: 'idp', aud: 'chat' })) as VerifiedToken).subject, 'u1')
  t.equal((verify(token({ iss: 'idp', aud: ['x', 'news'] })) as VerifiedToken).subject, 'u1')
  for (const claims of [{}, { iss: 'idp' }, { aud: 'chat' }, { iss: 'other', aud: 'chat' }, { iss: 'idp', aud: ['x'] }]) {
    t.equal(verify(token(claims)), 'token invalid', JSON.stringify(claims))
  }
})

t.test('a custom verify function replaces fastify.jwt', async t => {
  const app = Fastify()
  const exp = later()
  const verify = verifier(app, {
    verify: async token => {
      if (token === 'down') throw Object.assign(new Error('no key server'), { statusCode: 503 })
      if (token === 'late') throw Object.assign(new Error('late'), { code: 'ERR_JWT_EXPIRED' })
      if (token === 'bad') throw new Error('bad')
      return { sub: token, exp: token === 'unchecked' ? 1 : exp }
    }
  })
  t.equal((await verify('u1') as VerifiedToken).subject, 'u1')
  t.equal(await verify('bad'), 'token invalid')
  t.equal(await verify('late'), 'token expired')
  t.equal(await verify('unchecked'), 'token expired', 'even when the function forgot to look')
  await t.rejects(async () => await verify('down'), { message: 'no key server' }, 'not known is not invalid')
})

t.test('a namespace of @fastify/jwt', async t => {
  const { app, verify } = await build(t, { namespace: 'ws' }, { namespace: 'ws' })
  const { ws } = app.jwt as unknown as Record<string, typeof app.jwt>
  t.equal((verify((ws as typeof app.jwt).sign({ sub: 'u1', exp: later() })) as VerifiedToken).subject, 'u1')
})

t.test('without a verifier it throws at registration', async t => {
  t.throws(() => createJwtVerifier(Fastify(), {}, ERR_OPTION), { code: 'WSA_TEST_ERR_OPTION' })
  t.throws(() => createJwtVerifier(Fastify(), { namespace: 'x' }, ERR_OPTION), { code: 'WSA_TEST_ERR_OPTION' })
})

t.test('a verifier of one\'s own returns claims, and anything else is an invalid token', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  for (const answer of [undefined, null, 0, '', 1, 'false', true, []]) {
    for (const verify of [() => answer, async () => answer, () => ({ then: (resolve: (value: unknown) => void) => { resolve(answer) } })]) {
      t.equal(await createJwtVerifier(app, { verify: verify as never }, ERR_OPTION)('token'), 'token invalid')
    }
  }
})
