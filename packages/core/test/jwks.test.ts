// Takes long: it makes RSA keys.
import Fastify from 'fastify'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { createJwtVerifier, WSA_CORE_ERR_OPTION } from '../src/index.js'
import { jwks, type JwksOptions } from '../src/jwks.js'

interface Key { kid: string, alg: string, privateKey: CryptoKey, jwk: JWK }

async function newKey (kid: string, alg = 'ES256'): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { kid, alg, privateKey, jwk: { ...await exportJWK(publicKey), kid, alg, use: 'sig' } }
}

/** The same key, published without a `kid`. */
function unnamed (key: Key): Key {
  const { kid, ...jwk } = key.jwk
  return { ...key, jwk }
}

/** An identity provider over HTTP: what it publishes, and how often it was asked for its keys. */
class Issuer {
  readonly url: string
  keys: Key[] = []
  /** `false` answers 503, 'late' only when {@link answer} is called. */
  up: boolean | 'late' = true
  discovery: 'openid' | 'oauth' | 'none' = 'openid'
  metadata: object = {}
  fetches = 0
  answer: () => void = () => {}

  constructor (url: string) {
    this.url = url
  }

  static async start (t: Test, path = ''): Promise<Issuer> {
    const server = createServer(async (request, response) => {
      if (issuer.up === 'late') await new Promise<void>(resolve => { issuer.answer = resolve })
      const documents: Record<string, object | undefined> = {
        [`${path}/.well-known/openid-configuration`]: issuer.discovery === 'openid' ? issuer.#metadata() : undefined,
        [`/.well-known/oauth-authorization-server${path}`]: issuer.discovery === 'oauth' ? issuer.#metadata() : undefined,
        [`${path}/keys`]: { keys: issuer.keys.map(({ jwk }) => jwk) }
      }
      if (request.url === `${path}/keys`) issuer.fetches++
      const document = documents[request.url as string]
      response.statusCode = issuer.up === false ? 503 : document === undefined ? 404 : 200
      response.end(JSON.stringify(document ?? {}))
    })
    // A busy machine may take longer between two requests than a connection is kept by default.
    server.keepAliveTimeout = 600_000
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    const issuer = new Issuer(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`)
    return issuer
  }

  #metadata (): object {
    return { issuer: this.url, jwks_uri: `${this.url}/keys`, ...this.metadata }
  }

  async sign (key: Key, claims: object = {}, header: object = {}): Promise<string> {
    return await new SignJWT({ sub: 'alice', iss: this.url, aud: 'chat', exp: 2_000_000_000, ...claims })
      .setProtectedHeader({ alg: key.alg, kid: key.kid, ...header }).sign(key.privateKey)
  }
}

/** The check that the doors make, as one word: the subject, the reason of a refusal, or the status of an error. */
function checker (t: Test, options: Omit<JwksOptions, 'audience'>) {
  const app = Fastify()
  t.teardown(() => app.close())
  const clock = { now: Date.now() }
  const errors: string[] = []
  const verify = createJwtVerifier(app, jwks({
    audience: 'chat', now: () => clock.now, onError: ({ message }) => { errors.push(message) }, ...options
  }), WSA_CORE_ERR_OPTION)
  const check = async (token: string): Promise<string | number> => {
    try {
      const verified = await verify(token)
      return typeof verified === 'string' ? verified : verified.subject
    } catch (error) {
      return (error as { statusCode: number }).statusCode
    }
  }
  return { check, clock, errors }
}

t.test('keys are found by discovery, of either kind, or by their URL', async t => {
  const key = await newKey('1')
  for (const [discovery, path] of [['openid', ''], ['openid', '/realms/a'], ['oauth', ''], ['oauth', '/realms/a']] as const) {
    const issuer = await Issuer.start(t, path)
    Object.assign(issuer, { keys: [key], discovery })
    const { check } = checker(t, { issuer: issuer.url })
    t.equal(await check(await issuer.sign(key)), 'alice', `${discovery} ${path}`)
    t.equal(await check(await issuer.sign(key)), 'alice')
    t.equal(issuer.fetches, 1, 'once')
  }
  const issuer = await Issuer.start(t)
  Object.assign(issuer, { keys: [key], discovery: 'none' })
  t.equal(await checker(t, { issuer: issuer.url, jwksUri: `${issuer.url}/keys` }).check(await issuer.sign(key)), 'alice')
  const { check, errors } = checker(t, { issuer: issuer.url })
  t.equal(await check(await issuer.sign(key)), 503)
  t.match(errors, [/answered with 404/])
})

t.test('a discovery document of somebody else, or with unsafe keys, is not taken', async t => {
  const key = await newKey('1')
  for (const metadata of [{ issuer: 'https://other.example' }, { jwks_uri: undefined }, { jwks_uri: 'http://keys.example/' }]) {
    const issuer = await Issuer.start(t)
    Object.assign(issuer, { keys: [key], metadata })
    const { check, errors } = checker(t, { issuer: issuer.url })
    t.equal(await check(await issuer.sign(key)), 503, JSON.stringify(metadata))
    t.equal(errors.length, 1)
    t.equal(issuer.fetches, 0)
  }
})

t.test('what a token has to be', async t => {
  const issuer = await Issuer.start(t)
  const [key, foreign] = [await newKey('1'), await newKey('1')]
  issuer.keys = [key]
  const { check } = checker(t, { issuer: issuer.url })
  const seconds = Math.floor(Date.now() / 1000)
  const cases: Array<[string, string, string]> = [
    ['good', await issuer.sign(key), 'alice'],
    ['another signature', await issuer.sign(foreign), 'token invalid'],
    ['another issuer', await issuer.sign(key, { iss: 'https://other.example' }), 'token invalid'],
    ['no issuer', await issuer.sign(key, { iss: undefined }), 'token invalid'],
    ['another audience', await issuer.sign(key, { aud: 'mail' }), 'token invalid'],
    ['expired', await issuer.sign(key, { exp: seconds - 60 }), 'token expired'],
    ['expired within the tolerance', await issuer.sign(key, { exp: seconds - 2 }), 'alice'],
    ['not yet', await issuer.sign(key, { nbf: seconds + 60 }), 'token invalid'],
    ['no exp', await issuer.sign(key, { exp: undefined }), 'token invalid'],
    ['no token', 'x.y.z', 'token invalid'],
    ['nothing', '', 'token invalid'],
    ['an algorithm of its own', `${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await issuer.sign(key)).split('.')[1]}.`, 'token invalid']
  ]
  for (const [name, token, expected] of cases) t.equal(await check(token), expected, name)
  const typed = checker(t, { issuer: issuer.url, typ: 'at+jwt' })
  t.equal(await typed.check(await issuer.sign(key)), 'token invalid')
  t.equal(await typed.check(await issuer.sign(key, {}, { typ: 'at+jwt' })), 'alice')
})

t.test('every asymmetric algorithm, and a token without kid among several keys', async t => {
  const issuer = await Issuer.start(t)
  const keys = await Promise.all(['RS256', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'].map(async alg => await newKey(alg, alg)))
  issuer.keys = keys
  const { check } = checker(t, { issuer: issuer.url })
  for (const key of keys) t.equal(await check(await issuer.sign(key)), 'alice', key.alg)
  const [one, other, foreign] = [await newKey('one'), await newKey('other'), await newKey('foreign')]
  issuer.keys = [one, other]
  const several = checker(t, { issuer: issuer.url })
  t.equal(await several.check(await issuer.sign(other, {}, { kid: undefined })), 'alice')
  t.equal(await several.check(await issuer.sign(foreign, {}, { kid: undefined })), 'token invalid')
  t.equal(await several.check(await issuer.sign(other, { exp: 1 }, { kid: undefined })), 'token expired')
})

t.test('several issuers, each with its own keys', async t => {
  const [a, b, c] = [await Issuer.start(t), await Issuer.start(t), await Issuer.start(t)]
  const [keyA, keyB] = [await newKey('1'), await newKey('1')]
  a.keys = c.keys = [keyA]
  b.keys = [keyB]
  const { check } = checker(t, { issuer: [a.url, b.url] })
  t.equal(await check(await a.sign(keyA)), 'alice')
  t.equal(await check(await b.sign(keyB)), 'alice')
  t.equal(await check(await a.sign(keyB)), 'token invalid', 'a key of the other')
  t.equal(await check(await c.sign(keyA)), 'token invalid', 'not accepted')
  t.equal(c.fetches, 0, 'nor asked')
})

t.test('10,000 unknown keys cost one fetch in 30 s, and are no verdict meanwhile', async t => {
  const issuer = await Issuer.start(t)
  const key = await newKey('1')
  issuer.keys = [key]
  const { check, clock } = checker(t, { issuer: issuer.url })
  const good = await issuer.sign(key)
  t.equal(await check(good), 'alice')
  const [, payload, signature] = good.split('.')
  const unknown = (index: number): string =>
    [Buffer.from(JSON.stringify({ alg: 'ES256', kid: `k${index}` })).toString('base64url'), payload, signature].join('.')
  for (let index = 0; index < 10_000; index++) {
    const answer = await check(unknown(index))
    if (answer !== 503) t.equal(answer, 503)
  }
  t.equal(issuer.fetches, 1, 'within the cooldown')
  clock.now += 30_000
  t.equal(await check(unknown(1)), 'token invalid', 'asked anew, and still unknown')
  t.equal(issuer.fetches, 2)
  clock.now += 1
  t.equal(await check(unknown(2)), 503)
  t.equal(await check(good), 'alice', 'known keys go on')
  t.equal(issuer.fetches, 2)
})

t.test('rotation: no token is refused whose key was published before it was used', async t => {
  const issuer = await Issuer.start(t)
  const [old, fresh] = [await newKey('old'), await newKey('fresh')]
  issuer.keys = [old]
  const { check, clock } = checker(t, { issuer: issuer.url })
  const [oldToken, freshToken] = [await issuer.sign(old), await issuer.sign(fresh)]
  t.equal(await check(oldToken), 'alice')
  clock.now += 1_000
  issuer.keys = [old, fresh]
  t.equal(await check(freshToken), 503, 'within the cooldown: nobody knows')
  clock.now += 30_000
  t.same(await Promise.all([oldToken, freshToken, freshToken, oldToken].map(check)), Array(4).fill('alice'))
  t.equal(issuer.fetches, 2)

  // Published while a fetch is under way that does not see it yet.
  const next = await newKey('next')
  const nextToken = await issuer.sign(next)
  clock.now += 30_000
  issuer.up = 'late'
  const first = check(await issuer.sign(await newKey('never')))
  while (issuer.answer.name !== 'resolve' && issuer.answer.length === 0) await new Promise(resolve => setImmediate(resolve))
  clock.now += 100
  const second = check(nextToken)
  issuer.answer()
  t.equal(await first, 'token invalid')
  issuer.keys = [fresh, next]
  t.equal(await second, 503, 'the fetch began before the token came')
  issuer.up = true
  clock.now += 30_000
  t.equal(await check(nextToken), 'alice')
})

t.test('a wrong signature', async t => {
  const issuer = await Issuer.start(t)
  const now = Date.now()
  const [key, foreign] = [await newKey('1'), await newKey('1')]
  const nameless = unnamed(key)
  /** Seconds since the epoch. */
  const at = (ms: number): number => Math.floor(ms / 1000)
  const noKid = { kid: undefined }
  for (const [name, keys, claims, header, within, fetches] of [
    ['a kid is the last word', [key], {}, {}, 'token invalid', 1],
    ['with an iat as well', [key], { iat: at(now) }, {}, 'token invalid', 1],
    ['no kid: the key may be new', [nameless], {}, noKid, 503, 2],
    ['no kid, signed a moment ago', [nameless], { iat: at(now) }, noKid, 503, 2],
    ['no kid, signed after the keys came', [nameless], { iat: at(now + 60_000) }, noKid, 503, 2],
    ['no kid, signed long before the keys came', [nameless], { iat: at(now - 36_000) }, noKid, 'token invalid', 2],
    ['no kid while keys have one, signed a moment ago', [key], { iat: at(now) }, noKid, 503, 2],
    ['no kid while keys have one, of no time', [key], {}, noKid, 'token invalid', 2],
    ['no kid, of another algorithm', [await newKey('2', 'ES384')], { iat: at(now - 36_000) }, noKid, 'token invalid', 2]
  ] as Array<[string, Key[], object, object, string | number, number]>) {
    Object.assign(issuer, { keys, fetches: 0 })
    const { check, clock } = checker(t, { issuer: issuer.url })
    clock.now = now
    const [good] = keys as [Key]
    const goodToken = await issuer.sign(good, {}, keys.includes(nameless) ? noKid : {})
    const bad = await issuer.sign(foreign, claims, header)
    t.equal(await check(goodToken), 'alice', name)
    clock.now += 1
    t.equal(await check(bad), within, `${name}: within the cooldown`)
    t.equal(issuer.fetches, 1)
    clock.now += 30_000
    t.equal(await check(bad), 'token invalid', `${name}: after it`)
    t.equal(issuer.fetches, fetches)
    t.equal(await check(goodToken), 'alice')
  }
})

t.test('an issuer whose only key has no kid rotates it', async t => {
  const issuer = await Issuer.start(t)
  const [old, fresh] = [unnamed(await newKey('')), unnamed(await newKey(''))]
  issuer.keys = [old]
  const { check, clock } = checker(t, { issuer: issuer.url })
  const sign = async (key: Key, claims: object = {}): Promise<string> => await issuer.sign(key, claims, { kid: undefined })
  const before = await sign(old, { iat: Math.floor((clock.now - 60_000) / 1000) })
  t.equal(await check(before), 'alice')
  issuer.keys = [fresh]
  clock.now += 1_000
  t.equal(await check(await sign(fresh)), 503, 'within the cooldown')
  clock.now += 30_000
  t.same(await Promise.all(Array.from({ length: 50 }, async () => await check(await sign(fresh)))), Array(50).fill('alice'))
  t.equal(issuer.fetches, 2)
  t.equal(await check(before), 'token invalid', 'so that its user signs in anew')
  issuer.keys = [old]
  clock.now += 30_000
  t.equal(await check(await sign(old, { exp: 1 })), 'token expired', 'of a new key')
})

t.test('10,000 wrong signatures without kid cost one fetch in 30 s, and good tokens go on', async t => {
  const issuer = await Issuer.start(t)
  const key = unnamed(await newKey('1'))
  issuer.keys = [key]
  const { check, clock } = checker(t, { issuer: issuer.url })
  const good = await issuer.sign(key, {}, { kid: undefined })
  const bad = await issuer.sign(await newKey('1'), {}, { kid: undefined })
  t.equal(await check(good), 'alice')
  for (const [answer, fetches] of [[503, 1], ['token invalid', 2], [503, 2]] as const) {
    const answers = await Promise.all(Array.from({ length: answer === 503 ? 3_333 : 3_334 }, async (_, index) => await check(index % 100 === 0 ? good : bad)))
    t.ok(answers.every((found, index) => index % 100 === 0 ? found === 'alice' : found === answer), String(answer))
    t.equal(issuer.fetches, fetches)
    clock.now += answer === 503 ? 30_000 : 1
  }
  issuer.up = false
  t.equal(await check(bad), 503, 'nobody can say')
  t.equal(await check(good), 'alice')
})

t.test('rotation under load: whenever a token comes, it is good or "later"', async t => {
  const issuer = await Issuer.start(t)
  const keys = await Promise.all(Array.from({ length: 4 }, async (_, index) => await newKey(`${index}`)))
  const tokens = await Promise.all(keys.map(async key => await issuer.sign(key)))
  const { check, clock } = checker(t, { issuer: issuer.url, refreshInterval: 60_000 })
  const seen = new Set<string | number>()
  let last: Array<string | number> = []
  for (let step = 0; step < 80; step++) {
    // A key is published in the step before it is used, and the one before it is kept.
    const current = Math.floor(step / 20)
    issuer.keys = keys.slice(Math.max(0, current - 1), current + 1)
    const used = tokens.slice(Math.max(0, current - 1), current + 1)
    last = await Promise.all(Array.from({ length: 8 }, async (_, index) => await check(used[index % used.length] as string)))
    for (const answer of last) seen.add(answer)
    clock.now += 1_000
  }
  t.notOk(seen.has('token invalid'), [...seen].join())
  t.same(last, Array(8).fill('alice'))
  t.ok(issuer.fetches <= 4, `${issuer.fetches} fetches in 80 s`)
})

t.test('what happens to one of several issuers is nothing to the others', async t => {
  const [a, b] = [await Issuer.start(t), await Issuer.start(t)]
  const [keyA, keyB, foreign] = [await newKey('a'), await newKey('b'), await newKey('foreign')]
  a.keys = [keyA]
  b.keys = [keyB]
  const { check, clock } = checker(t, { issuer: [a.url, b.url] })
  const [tokenA, tokenB] = [await a.sign(keyA), await b.sign(keyB)]
  a.up = false
  t.equal(await check(tokenA), 503)
  t.equal(await check(tokenB), 'alice', 'one is away from the start')
  t.equal(await check(await b.sign(foreign)), 503, 'a cooldown of its own')
  a.up = true
  clock.now += 30_000
  t.equal(await check(tokenA), 'alice')
  a.up = false
  clock.now += 3_600_000
  t.equal(await check(tokenA), 503, 'stale')
  t.equal(await check(tokenB), 'alice')
})

t.test('keys are fetched anew from time to time, and a withdrawn one is forgotten', async t => {
  const issuer = await Issuer.start(t)
  const [old, fresh] = [await newKey('old'), await newKey('fresh')]
  issuer.keys = [old]
  const { check, clock } = checker(t, { issuer: issuer.url })
  const token = await issuer.sign(old)
  t.equal(await check(token), 'alice')
  issuer.keys = [fresh]
  clock.now += 600_000
  t.equal(await check(token), 'alice', 'nobody waits for the fetch')
  while (issuer.fetches < 2) await new Promise(resolve => setImmediate(resolve))
  clock.now += 1
  while (await check(token) === 'alice') await new Promise(resolve => setImmediate(resolve))
  t.equal(await check(token), 503, 'within the cooldown')
  clock.now += 30_000
  t.equal(await check(token), 'token invalid')
})

t.test('while the issuer is away its keys count for a stated time, then nothing is taken', async t => {
  const issuer = await Issuer.start(t)
  const key = await newKey('1')
  issuer.keys = [key]
  const { check, clock, errors } = checker(t, { issuer: issuer.url })
  const token = await issuer.sign(key)
  issuer.up = false
  t.equal(await check(token), 503, 'away from the start')
  t.match(errors, [/answered with 503/])
  issuer.up = true
  clock.now += 29_999
  t.equal(await check(token), 503, 'not asked again so soon')
  clock.now += 1
  t.equal(await check(token), 'alice')
  issuer.up = false
  clock.now += 3_599_999
  errors.length = 0
  t.equal(await check(token), 'alice')
  while (errors.length === 0) await new Promise(resolve => setImmediate(resolve))
  clock.now += 60_000
  t.equal(await check(token), 503)
  clock.now += 29_000
  t.equal(await check(token), 503)
  issuer.up = true
  clock.now += 1_000
  t.equal(await check(token), 'alice', 'back')
})

t.test('an issuer that does not answer is given up', async t => {
  const issuer = await Issuer.start(t)
  const key = await newKey('1')
  Object.assign(issuer, { keys: [key], up: 'late' })
  const { check, errors } = checker(t, { issuer: issuer.url, timeout: 20 })
  t.equal(await check(await issuer.sign(key)), 503)
  t.match(errors, [/timeout/])
  issuer.answer()
})

t.test('a clock that is set back makes no key live for longer', async t => {
  const issuer = await Issuer.start(t)
  const [old, fresh] = [await newKey('old'), await newKey('fresh')]
  issuer.keys = [old]
  const { check, clock } = checker(t, { issuer: issuer.url })
  clock.now += 30 * 86_400_000
  t.equal(await check(await issuer.sign(old)), 'alice')
  clock.now -= 30 * 86_400_000
  issuer.keys = [fresh]
  t.equal(await check(await issuer.sign(fresh)), 'alice')
  t.equal(issuer.fetches, 2)
})

t.test('an onError that throws changes no answer', async t => {
  const issuer = await Issuer.start(t)
  issuer.up = false
  const { check } = checker(t, { issuer: issuer.url, onError: () => { throw new Error('log') } })
  t.equal(await check(await issuer.sign(await newKey('1'))), 503)
})

t.test('the clock is the machine\'s, and errors may go unheard', async t => {
  const issuer = await Issuer.start(t)
  const key = await newKey('1')
  issuer.keys = [key]
  const { verify } = jwks({ issuer: issuer.url, audience: 'chat' })
  issuer.up = false
  await t.rejects(async () => await verify(await issuer.sign(key), null), { code: 'WSA_CORE_ERR_KEYS_UNAVAILABLE', statusCode: 503 })
})

t.test('what keeps the keys away is in the log, and what a good token lacks as well', async t => {
  const key = await newKey('1')
  const issuer = await Issuer.start(t)
  issuer.keys = [key]
  const lines: Array<{ code: string, msg: string }> = []
  const app = Fastify({ logger: { level: 'warn', stream: { write: (line: string) => { lines.push(JSON.parse(line)) } } } })
  t.teardown(() => app.close())
  const verify = createJwtVerifier(app, jwks({ issuer: issuer.url, audience: 'other' }), WSA_CORE_ERR_OPTION)
  for (let times = 0; times < 2; times++) t.equal(await verify(await issuer.sign(key)), 'token invalid')
  t.match(lines, [{ code: 'WSA_CORE_WARN_JWT_REFUSED', msg: /does not accept its `aud`/ }])
  t.equal(lines.length, 1)
  // As with a slash too many.
  const mistaken = createJwtVerifier(app, jwks({ issuer: `${issuer.url}/`, audience: 'chat' }), WSA_CORE_ERR_OPTION)
  await t.rejects(async () => await mistaken(await issuer.sign(key, { iss: `${issuer.url}/` })), {
    code: 'WSA_CORE_ERR_KEYS_UNAVAILABLE', cause: { message: `the discovery document is of ${issuer.url}` }
  })
})

t.test('options', async t => {
  const good = { issuer: 'https://id.example', audience: 'chat' }
  jwks({ ...good, allowHttp: true, issuer: 'http://id.example' })
  for (const [options, message] of [
    [{ audience: 'chat' }, /issuer/],
    [{ issuer: good.issuer }, /audience/],
    [{ ...good, issuer: [] }, /issuer/],
    [{ ...good, issuer: 'id.example' }, /issuer: Expected a URL/],
    [{ ...good, issuer: 'http://id.example' }, /issuer: Expected https URLs/],
    [{ ...good, jwksUri: 'http://id.example/keys' }, /Expected https URLs/],
    [{ ...good, issuer: ['https://a.example', 'https://b.example'], jwksUri: 'https://a.example/keys' }, /jwksUri: Goes with one issuer/],
    [{ ...good, algorithms: ['HS256'] }, /algorithms.*Expected an asymmetric algorithm/],
    [{ ...good, algorithms: ['RS256', 'RS257'] }, /algorithms\.1: Expected one of RS256, /],
    [{ ...good, algorithms: ['none'] }, /Expected an asymmetric algorithm/],
    [{ ...good, coolDown: 1 }, /coolDown/]
  ] as Array<[object, RegExp]>) {
    t.throws(() => jwks(options as JwksOptions), { code: 'WSA_CORE_ERR_OPTION', message }, JSON.stringify(options))
  }
})
