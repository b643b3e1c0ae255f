import fastifyJwt, { type FastifyJWTOptions } from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { type JwtOptions, websocketOptions } from '@fastify-airlock/core'
import { jwks } from '@fastify-airlock/core/jwks'
import wsGuard, { jwt, ticket } from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsTickets from '@fastify-airlock/ticket'
import { createSigner } from 'fast-jwt'
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import { exportJWK, importSPKI } from 'jose'
import { generateKeyPairSync, type RSAKeyPairOptions } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { connect } from './helpers.js'

const secret = 'a secret for tests that is long enough'
const now = Math.floor(Date.now() / 1000)
const claims = { sub: 'alice', iat: now - 10, exp: now + 3_600 }

const newPair = (type: 'rsa' | 'ec' | 'ed25519', options: object = {}) => generateKeyPairSync(type as 'rsa', {
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  ...options
} as RSAKeyPairOptions<'pem', 'pem'>)
const rsa = newPair('rsa', { modulusLength: 2048 })
const p256 = newPair('ec', { namedCurve: 'P-256' })
const ed25519 = newPair('ed25519')

const bySecret = createSigner({ key: secret })
const by = ({ privateKey }: { privateKey: string }, kid?: string): string =>
  createSigner({ key: privateKey, ...kid === undefined ? {} : { kid } })(claims)

interface SetUp {
  name: string
  /** Options of `@fastify/jwt`. */
  jwt: object
  /** What the doors need to be told. */
  options?: JwtOptions
  authenticate?: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>
  token?: string
}

const setUps: SetUp[] = [
  { name: 'a shared secret', jwt: { secret } },
  ...Object.entries({ rsa, p256, ed25519 }).flatMap(([name, keys]): SetUp[] => [
    { name: `a key pair, ${name}`, jwt: { secret: { private: keys.privateKey, public: keys.publicKey } }, token: by(keys) },
    { name: `a public key alone, ${name}`, jwt: { secret: { public: keys.publicKey } }, token: by(keys) }
  ]),
  { name: 'a function with a callback', jwt: { secret: (_request: unknown, _token: unknown, done: (error: null, key: string) => void) => { done(null, secret) } } },
  { name: 'a function with a promise', jwt: { secret: async () => secret } },
  { name: 'a function of the request', jwt: { secret: async ({ headers }: FastifyRequest) => headers['x-tenant'] === 'a' ? secret : 'none' } },
  {
    name: 'a function of the token, as for get-jwks',
    jwt: { decode: { complete: true }, secret: async (_request: unknown, { header: { kid } }: { header: { kid: string } }) => kid === '1' ? rsa.publicKey : p256.publicKey },
    token: by(rsa, '1')
  },
  {
    name: 'a namespace',
    jwt: { secret, namespace: 'ws' },
    options: { namespace: 'ws' },
    authenticate: async request => await (request as unknown as { wsJwtVerify (): Promise<unknown> }).wsJwtVerify()
  },
  {
    name: 'a namespace, a function and a name',
    jwt: { secret: async () => secret, namespace: 'ws', jwtVerify: 'check' },
    options: { namespace: 'ws', jwtVerify: 'check' },
    authenticate: async request => await (request as unknown as { check (): Promise<unknown> }).check()
  },
  { name: 'decoratorName', jwt: { secret, decoratorName: 'auth' } },
  { name: 'formatUser', jwt: { secret, formatUser: ({ sub }: { sub: string }) => ({ id: sub }) } },
  { name: 'formatUser and a function', jwt: { secret: async () => secret, formatUser: ({ sub }: { sub: string }) => ({ id: sub }) } },
  { name: 'verify.complete', jwt: { secret, verify: { complete: true } } },
  { name: 'verify.cache', jwt: { secret, verify: { cache: true } } },
  { name: 'verify.clockTolerance', jwt: { secret, verify: { clockTolerance: 7_200_000 } }, token: bySecret({ ...claims, exp: now - 3_600 }) },
  { name: 'verify.allowedIss and allowedAud', jwt: { secret, verify: { allowedIss: 'idp', allowedAud: ['chat'] } }, token: bySecret({ ...claims, iss: 'idp', aud: 'chat' }) },
  { name: 'trusted', jwt: { secret, trusted: async () => true }, options: { perRequest: true } }
]

/** An application with all three places where a JWT is verified. */
async function build (t: Test, { jwt: options, options: verification = {}, authenticate }: SetUp) {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(wsGuard)
  await app.register(fastifyJwt, options as FastifyJWTOptions)
  await app.register(wsTickets, authenticate === undefined ? {} : { route: { authenticate } })
  await app.register(wsHandshake, { jwt: verification })
  const echo = app.wsHandshake((socket, { wsIdentity }) => { socket.send(JSON.stringify({ subject: wsIdentity.subject })) })
  app.get('/ticket', { websocket: true, preValidation: app.wsGuard({ authenticate: ticket() }) }, echo)
  app.get('/jwt', { websocket: true, preValidation: app.wsGuard({ authenticate: jwt(verification) }) }, echo)
  await app.listen({ port: 0, host: '127.0.0.1' })
  return `127.0.0.1:${(app.server.address() as AddressInfo).port}`
}

/** Goes through both doors, and refreshes. */
async function visit (t: Test, address: string, path: string, protocol: string, token: string): Promise<void> {
  const client = await connect(t, `ws://${address}${path}`, ['airlock.v1', protocol], { headers: { 'x-tenant': 'a' } })
  /** The next message that is no warning of a token that expires soon. */
  const next = async (): Promise<{ expiresAt?: number }> => {
    const message = await client.next()
    return message.type === 'expiring' ? await next() : message
  }
  client.send({ type: 'auth', token })
  const opened = await next()
  t.match(opened, { type: 'auth_ok', user: { id: 'alice' } }, `${path}: the first frame`)
  t.ok(Number(opened.expiresAt) > Date.now(), 'a tolerance keeps the connection as long as it lets a token in')
  t.same(await next(), { subject: 'alice' })
  client.send({ type: 'refresh', token })
  t.match(await next(), { type: 'refresh_ok' }, `${path}: a refresh`)
  client.socket.terminate()
}

for (const setUp of setUps) {
  t.test(setUp.name, async t => {
    const address = await build(t, setUp)
    const token = setUp.token ?? bySecret(claims)
    const reply = await fetch(`http://${address}/ws/ticket`, { method: 'POST', headers: { authorization: `Bearer ${token}`, 'x-tenant': 'a' } })
    t.equal(reply.status, 201, 'the ticket route')
    const { ticket } = await reply.json() as { ticket: string }
    await visit(t, address, '/ticket', `ticket.${ticket}`, token)
    await visit(t, address, '/jwt', `bearer.${token}`, token)
  })
}

t.test('the published keys of an issuer', async t => {
  const issuer = createServer(async (request, response) => {
    const url = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`
    response.end(JSON.stringify(request.url === '/keys'
      ? { keys: [{ ...await exportJWK(await importSPKI(rsa.publicKey, 'RS256', { extractable: true })), kid: '1', alg: 'RS256' }] }
      : { issuer: url, jwks_uri: `${url}/keys` }))
  }).listen(0, '127.0.0.1')
  await once(issuer, 'listening')
  t.teardown(() => {
    issuer.closeAllConnections()
    issuer.close()
  })
  const iss = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`
  const options = jwks({ issuer: iss, audience: 'chat' })
  const address = await build(t, { name: '', jwt: { secret }, options })
  const token = createSigner({ key: rsa.privateKey, kid: '1', algorithm: 'RS256' })({ ...claims, iss, aud: 'chat' })
  await visit(t, address, '/jwt', `bearer.${token}`, token)
})
