import fastifyJwt from '@fastify/jwt'
import t from 'tap'
import { jwt, type JwtAuthenticatorOptions } from '../src/index.js'
import { attempt, build, listen, route } from './helpers.js'
import type { Test } from 'tap'

const secret = 'a secret for tests that is long enough'

async function start (t: Test, options: JwtAuthenticatorOptions = {}) {
  const app = await build(t)
  await app.register(fastifyJwt, { secret })
  route(app, { authenticate: jwt(options) })
  const port = await listen(app)
  const exp = Math.floor(Date.now() / 1000) + 60
  const token = (claims: object = {}): string => app.jwt.sign({ sub: 'u1', exp, ...claims })
  return { app, port, token, exp }
}

t.test('a JWT on the upgrade: header and subprotocol by default, never the URL or a cookie', async t => {
  const { port, token, exp } = await start(t)
  const identity = { subject: 'u1', claims: { sub: 'u1', exp }, expiresAt: exp * 1000 }
  t.match(await attempt(port, '/ws', [], { headers: { authorization: `Bearer ${token()}` } }), { status: 101, identity })
  t.match(await attempt(port, '/ws', [`bearer.${token()}`, 'airlock.v1']), { status: 101, identity, protocol: 'airlock.v1' })
  t.match(await attempt(port, `/ws?token=${token()}`), { status: 401, code: 'WSA_GUARD_ERR_NO_CREDENTIAL' })
  t.match(await attempt(port, '/ws', [], { headers: { cookie: `session=${token()}` } }), { status: 401 })
})

t.test('a cookie and a query parameter, if the options name them', async t => {
  const { port, token } = await start(t, { cookie: 'session', query: 'token', header: false, subprotocol: false })
  const origin = `http://127.0.0.1:${port}`
  t.match(await attempt(port, `/ws?token=${token()}`), { status: 101 })
  t.match(await attempt(port, '/ws', [], { origin, headers: { cookie: `session=${token()}` } }), { status: 101 })
  t.match(await attempt(port, '/ws', [], { origin: 'https://evil.test', headers: { cookie: `session=${token()}` } }), { status: 403 })
  t.match(await attempt(port, '/ws', [], { headers: { authorization: `Bearer ${token()}` } }), { status: 401 })
})

t.test('expired, without exp, for another audience, or revoked: always 401', async t => {
  const { app, port, token } = await start(t, { audience: 'chat', isRevoked: async ({ claims }) => claims.jti === 'revoked' })
  const by = async (bearer: string) => await attempt(port, '/ws', [], { headers: { authorization: `Bearer ${bearer}` } })
  t.match(await by(token({ aud: 'chat' })), { status: 101 })
  const refused = { status: 401, code: 'WSA_GUARD_ERR_INVALID_CREDENTIAL' }
  t.match(await by(token({ aud: 'other' })), refused)
  t.match(await by(token({ aud: 'chat', exp: 1 })), refused)
  t.match(await by(app.jwt.sign({ sub: 'u1', aud: 'chat' })), refused)
  t.match(await by(token({ aud: 'chat', jti: 'revoked' })), refused)
  t.match(await by(''), refused)
})
