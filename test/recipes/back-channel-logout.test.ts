import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsHub, { type HubBus } from '@fastify-airlock/hub'
import wsTickets, { MemoryStore } from '@fastify-airlock/ticket'
import Fastify, { type FastifyInstance } from 'fastify'
import { generateKeyPair, type JWTPayload } from 'jose'
import mqemitter from 'mqemitter'
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { connect } from '../helpers.js'
import { backChannelLogout } from './back-channel-logout.js'
import { CLIENT, type Login, startProvider } from './provider.js'

type Provider = Awaited<ReturnType<typeof startProvider>>
type Client = Awaited<ReturnType<typeof connect>>

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'
const now = (): number => Math.floor(Date.now() / 1_000)

t.test('the document has exactly this code', async t => {
  const document = await readFile(new URL('../../docs/recipes/back-channel-logout.md', import.meta.url), 'utf8')
  const [plugin] = /^```ts\n.*?^```$/ms.exec(document) ?? []
  t.equal(plugin, `\`\`\`ts\n${await readFile(new URL('back-channel-logout.ts', import.meta.url), 'utf8')}\`\`\``)
})

/** A node of the application, as the document puts it together. */
async function startNode (t: Test, { issuer, jwksUri }: Provider, bus: HubBus, store: MemoryStore) {
  const app: FastifyInstance = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(wsGuard)
  await app.register(wsHub, { bus, maxConnectionsPerSubject: Infinity })
  await app.register(fastifyJwt, { secret: 'a secret of the application, for tests', trusted: (_request, claims) => !app.isLoggedOut(claims) })
  await app.register(wsTickets, { store, ttl: 600_000 })
  await app.register(wsHandshake)
  await app.register(backChannelLogout, { issuer, jwksUri, clientId: CLIENT.id, sessionLife: 12 * 3_600_000 })
  app.get('/me', { onRequest: async request => { await request.jwtVerify() } }, async ({ user }) => user)
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake(() => {}, { isRevoked: ({ claims }) => app.isLoggedOut(claims) }))
  const url = await app.listen({ host: '127.0.0.1', port: 0 })

  /** The application's own session of a login at the provider. */
  function begin ({ sub, sid, auth_time: begun }: Login) {
    const token = app.jwt.sign({ sub, sid, auth_time: begun }, { expiresIn: '15m' })
    const headers = { authorization: `Bearer ${token}` }
    return {
      me: async () => (await fetch(`${url}/me`, { headers })).status,
      ticket: async (): Promise<string> => {
        const response = await fetch(`${url}/ws/ticket`, { method: 'POST', headers })
        return (await response.json() as { ticket: string }).ticket
      },
      /** Through both doors, at any node. */
      enter: async (at = url, ticket?: string): Promise<Client> => {
        const client = await connect(t, `${at.replace('http', 'ws')}/ws`, ['airlock.v1', `ticket.${ticket ?? await begin({ sub, sid, auth_time: begun } as Login).ticket()}`])
        client.send({ type: 'auth', token })
        const { type } = await client.next()
        if (type !== 'auth_ok') throw new Error(`${type as string}: ${await client.closed}`)
        return client
      }
    }
  }

  /** Posts what a provider posts, or what somebody else does. */
  async function post (body: string | URLSearchParams, headers: Record<string, string> = {}) {
    const response = await fetch(`${url}/backchannel-logout`, { method: 'POST', body, headers })
    return { status: response.status, cache: response.headers.get('cache-control'), text: await response.text() }
  }

  return { app, url, begin, post, logout: async (token: string) => await post(new URLSearchParams({ logout_token: token })) }
}

/** Two nodes, and the provider, which tells the first one of logouts. */
async function start (t: Test, options: { sessionRequired?: boolean } = {}) {
  const provider = await startProvider(t, options)
  const [bus, store] = [mqemitter(), new MemoryStore()]
  const one = await startNode(t, provider, bus, store)
  const two = await startNode(t, provider, bus, store)
  for (const { app } of [one, two]) while ((await app.wsHub.giveOrder('present', '')).nodes < 2) await new Promise(resolve => setImmediate(resolve))
  provider.serve(one.url)
  return { provider, one, two }
}

const isOpen = ({ socket }: Client): boolean => socket.readyState === socket.OPEN

t.test('a logout at the provider ends one login, at every node', async t => {
  const { provider, one, two } = await start(t)
  const [phone, laptop, other] = [provider.openBrowser(), provider.openBrowser(), provider.openBrowser()]
  const logins = [await phone.login('alice'), await laptop.login('alice'), await other.login('bob')]
  t.equal(new Set(logins.map(({ sid }) => sid)).size, 3, 'the provider gives each login its own sid')
  const [onPhone, onLaptop, bob] = logins.map(one.begin) as [ReturnType<typeof one.begin>, ReturnType<typeof one.begin>, ReturnType<typeof one.begin>]
  const ended = [await onPhone.enter(), await onPhone.enter(two.url)]
  const kept = [await onLaptop.enter(), await onLaptop.enter(two.url), await bob.enter(two.url)]
  const [ticketOfPhone, ticketOfLaptop] = [await onPhone.ticket(), await onLaptop.ticket()]

  await phone.logout()
  t.strictSame(provider.outcomes, ['done'], 'the provider is told that it is done')
  t.strictSame(await Promise.all(ended.map(({ closed }) => closed)), ['4403 logged out', '4403 logged out'])
  t.strictSame(await Promise.all([onPhone.me(), two.begin(logins[0] as Login).me()]), [401, 401], 'the JWT is worthless, at both nodes')
  await t.rejects(onPhone.enter(two.url, ticketOfLaptop), { message: /^auth_error: 4403/ }, 'at door two as well')
  await t.rejects(onPhone.enter(two.url, ticketOfPhone), { message: 'HTTP 401 WSA_GUARD_ERR_INVALID_CREDENTIAL' }, 'an unused ticket is revoked')
  t.ok(kept.every(isOpen), 'other logins go on')
  t.equal(await onLaptop.me(), 200)
  t.ok(isOpen(await onLaptop.enter(two.url)))

  const again = await phone.login('alice')
  t.not(again.sid, logins[0]?.sid)
  t.ok(isOpen(await one.begin(again).enter(two.url)), 'a later login is another one')
})

t.test('without a sid, a logout ends all logins of the user so far', async t => {
  const { provider, one, two } = await start(t, { sessionRequired: false })
  const [phone, laptop, other] = [provider.openBrowser(), provider.openBrowser(), provider.openBrowser()]
  const logins = [await phone.login('alice'), await laptop.login('alice'), await other.login('bob')]
  t.ok(logins.every(({ sid }) => sid === undefined))
  const [onPhone, onLaptop, bob] = logins.map(one.begin) as [ReturnType<typeof one.begin>, ReturnType<typeof one.begin>, ReturnType<typeof one.begin>]
  const ended = [await onPhone.enter(), await onLaptop.enter(two.url)]
  const kept = await bob.enter(two.url)
  const tickets = [await onPhone.ticket(), await onLaptop.ticket()]

  await phone.logout()
  t.strictSame(provider.outcomes, ['done'])
  t.strictSame(await Promise.all(ended.map(({ closed }) => closed)), ['4403 logged out', '4403 logged out'])
  t.strictSame(await Promise.all([onPhone.me(), onLaptop.me(), bob.me()]), [401, 401, 200])
  for (const ticket of tickets) await t.rejects(bob.enter(two.url, ticket), { message: 'HTTP 401 WSA_GUARD_ERR_INVALID_CREDENTIAL' })
  t.ok(isOpen(kept))
  // A second later: the provider counts in seconds.
  const later = one.begin({ sub: 'alice', auth_time: now() + 2 })
  t.equal(await later.me(), 200, 'a later login is not meant')
  t.ok(isOpen(await later.enter(two.url)))
})

t.test('what is no logout token of the provider has no effect', async t => {
  const { provider, one, two } = await start(t)
  const login = { sub: 'alice', sid: 'of alice', auth_time: now() }
  const alice = one.begin(login)
  const sockets = [await alice.enter(), await alice.enter(two.url)]
  const ticket = await alice.ticket()
  const good = (): JWTPayload => ({
    iss: provider.issuer, aud: CLIENT.id, iat: now(), exp: now() + 120, jti: randomUUID(), sub: 'alice', sid: 'of alice', events: { [EVENT]: {} }
  })
  const without = (...names: string[]) => Object.fromEntries(Object.entries(good()).filter(([name]) => !names.includes(name)))
  const stranger = await generateKeyPair('RS256')
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const secret = new TextEncoder().encode(CLIENT.secret)
  const signed = await provider.sign(good())
  const forged: Record<string, string> = {
    'wrong aud': await provider.sign({ ...good(), aud: 'another' }),
    'no aud': await provider.sign(without('aud')),
    'wrong iss': await provider.sign({ ...good(), iss: 'https://id.example.com' }),
    'no iss': await provider.sign(without('iss')),
    'another event': await provider.sign({ ...good(), events: { 'http://schemas.openid.net/event/other': {} } }),
    'the event is no object': await provider.sign({ ...good(), events: { [EVENT]: true } }),
    'the event is null': await provider.sign({ ...good(), events: { [EVENT]: null } }),
    'events is null': await provider.sign({ ...good(), events: null }),
    'events is a list': await provider.sign({ ...good(), events: [EVENT] }),
    'events is text': await provider.sign({ ...good(), events: EVENT }),
    'no events': await provider.sign(without('events')),
    'a nonce': await provider.sign({ ...good(), nonce: 'n' }),
    'an empty nonce': await provider.sign({ ...good(), nonce: '' }),
    'a nonce that is null': await provider.sign({ ...good(), nonce: null }),
    expired: await provider.sign({ ...good(), exp: now() - 60 }),
    'no exp': await provider.sign(without('exp')),
    old: await provider.sign({ ...good(), iat: now() - 3_600 }),
    'of the future': await provider.sign({ ...good(), iat: now() + 3_600 }),
    'not yet valid': await provider.sign({ ...good(), nbf: now() + 60 }),
    'no iat': await provider.sign(without('iat')),
    'neither sub nor sid': await provider.sign(without('sub', 'sid')),
    'an empty sid': await provider.sign({ ...good(), sid: '' }),
    'a sid that is a number': await provider.sign({ ...good(), sid: 1 }),
    'a sid that is an object': await provider.sign({ ...good(), sid: { $ne: null } }),
    'an empty sub': await provider.sign({ ...without('sid'), sub: '' }),
    'a sub that is a list': await provider.sign({ ...without('sid'), sub: ['alice'] as never }),
    'no jti': await provider.sign(without('jti')),
    'an empty jti': await provider.sign({ ...good(), jti: '' }),
    'a jti that is a number': await provider.sign({ ...good(), jti: 1 as never }),
    'an ID token': await provider.sign({ ...without('events'), nonce: 'n' }, { typ: 'JWT' }),
    'another type': await provider.sign(good(), { typ: 'at+jwt' }),
    'no type': await provider.sign(good(), { typ: undefined as never }),
    'alg none': `${part({ alg: 'none', typ: 'logout+jwt' })}.${part(good())}.`,
    'alg None': `${part({ alg: 'None', typ: 'logout+jwt' })}.${part(good())}.`,
    'the secret of the client': await provider.sign(good(), { alg: 'HS256' }, secret),
    'the key of another': await provider.sign(good(), {}, stranger.privateKey),
    'an unknown key': await provider.sign(good(), { kid: 'two' }, stranger.privateKey),
    'its own key': await provider.sign(good(), { jwk: { kty: 'oct', k: 'AA' } as never }, stranger.privateKey),
    'a signature of another': `${signed.split('.').slice(0, 2).join('.')}.${(await provider.sign(good())).split('.')[2]}`,
    'no signature': `${signed.split('.').slice(0, 2).join('.')}.`,
    'no token': 'logout',
    empty: ''
  }
  for (const [what, token] of Object.entries(forged)) {
    t.match(await one.logout(token), { status: 400, cache: 'no-store', text: '{"error":"invalid_request"}' }, what)
  }
  const forms: Record<string, [body: string | URLSearchParams, type?: string | undefined, status?: number]> = {
    'no logout_token': [new URLSearchParams({ token: signed })],
    two: [new URLSearchParams([['logout_token', signed], ['logout_token', signed]])],
    'nothing at all': [''],
    JSON: [JSON.stringify({ logout_token: signed }), 'application/json'],
    'another kind': [`logout_token=${signed}`, 'application/octet-stream', 415],
    large: [new URLSearchParams({ logout_token: 'x'.repeat(20_000) }), undefined, 413]
  }
  for (const [what, [body, type, status = 400]] of Object.entries(forms)) {
    t.match(await one.post(body, type === undefined ? {} : { 'content-type': type }), { status }, what)
  }
  t.ok(sockets.every(isOpen), 'nobody was disconnected')
  t.equal(await alice.me(), 200)
  t.ok(isOpen(await alice.enter(two.url, ticket)), 'the ticket is good')

  const replayed = await provider.sign(without('sid'))
  t.match(await one.logout(replayed), { status: 200, cache: 'no-store' }, 'what all of them differ from')
  t.strictSame(await Promise.all(sockets.map(({ closed }) => closed)), ['4403 logged out', '4403 logged out'])
  const later = one.begin({ sub: 'alice', sid: 'later', auth_time: now() + 2 })
  const socket = await later.enter(two.url)
  for (const node of [one, two]) t.match(await node.logout(replayed), { status: 400, text: '{"error":"invalid_request"}' }, 'a replay, at any node')
  t.ok(isOpen(socket), 'and it has no effect')
  t.equal(await later.me(), 200)
})

t.test('two nodes get the same token at once', async t => {
  const { provider, one, two } = await start(t)
  const token = await provider.sign({ iss: provider.issuer, aud: CLIENT.id, iat: now(), exp: now() + 120, jti: 'once', sid: 's', events: { [EVENT]: {} } })
  const statuses = (await Promise.all([one, one, two].map(async node => await node.logout(token)))).map(({ status }) => status)
  t.equal(statuses.filter(status => status === 200).length >= 1, true)
  t.equal(statuses.slice(0, 2).sort().join(' '), '200 400', 'one node takes it once')
})

t.test('what fails here is told to the provider, which may try again', async t => {
  const { provider, one } = await start(t)
  const token = await provider.sign({ iss: provider.issuer, aud: CLIENT.id, iat: now(), exp: now() + 120, jti: 'j', sid: 's', events: { [EVENT]: {} } })
  const { revoke } = one.app.wsTickets
  t.intercept(one.app.wsTickets, 'revoke', { value: async () => { throw new Error('the store is away') } })
  t.match(await one.logout(token), { status: 400 })
  t.equal(one.app.isLoggedOut({ sub: 'x', sid: 's' }), true, 'nobody gets in all the same')
  t.intercept(one.app.wsTickets, 'revoke', { value: revoke })
  t.match(await one.logout(token), { status: 200 })
})
