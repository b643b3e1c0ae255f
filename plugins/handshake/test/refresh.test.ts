import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { websocketOptions, type WsIdentity } from '@fastify-airlock/core'
import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { wsHandshake } from '../src/index.js'
import { build, connect, deferred, refused, secret, type Setup } from './helpers.js'

/** A client that has authenticated with the given claims. */
async function open (t: Test, claims: object, setup: Setup = {}) {
  const server = await build(t, setup)
  const client = server.connect()
  await client.auth(server.sign(claims))
  return { ...server, client, refresh: (claims: object, expiresIn = 60) => client.json({ type: 'refresh', token: server.sign(claims, expiresIn) }) }
}

t.test('a good token updates the identity in place', async t => {
  let identity: WsIdentity | undefined
  const { client, refresh } = await open(t, { role: 'user', old: 1 }, {
    guard: () => ({ subject: 'alice', claims: { room: 7 }, expiresAt: null }),
    handler: (_, request) => { identity = request.wsIdentity }
  })
  const before = identity
  refresh({ role: 'user', fresh: 1 }, 600)
  const answer = await client.next()
  t.match(answer, { type: 'refresh_ok' })
  t.equal(identity, before)
  t.equal(identity?.expiresAt, answer.expiresAt)
  t.ok(answer.expiresAt > Date.now() + 590_000)
  t.match(identity?.claims, { room: 7, fresh: 1 }, 'the claims of the upgrade stay')
  t.notMatch(identity?.claims, { old: 1 }, 'the claims of the old token go')
  refresh({}, 600)
  t.match(await client.next(), { type: 'refresh_ok' }, 'as often as it likes')
})

t.test('a token that is not good enough closes the connection', async t => {
  const before = { role: 'user', scope: 'read write' }
  const cases: Array<[string, object, number, string]> = [
    ['another subject', { sub: 'bob' }, 4403, 'subject mismatch'],
    ['a wider scope', { ...before, scope: 'read write admin' }, 4403, 'scope wider'],
    ['another role', { ...before, role: 'admin' }, 4403, 'scope wider'],
    ['a new kind of claim', { ...before, groups: ['staff'] }, 4403, 'scope wider'],
    ['expired', { exp: 1 }, 4401, 'token expired']
  ]
  for (const [name, claims, code, reason] of cases) {
    await t.test(name, async t => {
      const { app, client } = await open(t, before)
      client.json({ type: 'refresh', token: app.jwt.sign({ sub: 'alice', ...('exp' in claims ? {} : { exp: Date.now() / 1000 + 60 | 0 }), ...claims }) })
      await refused(t, client, code, reason, code === 4401)
    })
  }
  await t.test('no token at all', async t => {
    const { client } = await open(t, before)
    client.json({ type: 'refresh', token: 'x' })
    await refused(t, client, 4401, 'token invalid', true)
  })
})

t.test('rights that were given up do not come back', async t => {
  const { client, refresh } = await open(t, { scope: 'read write' })
  refresh({ scope: 'read' })
  t.match(await client.next(), { type: 'refresh_ok' })
  refresh({ scope: 'read write' })
  await refused(t, client, 4403, 'scope wider', false)
})

t.test('an app that writes to the identity does not widen the scope', async t => {
  const { client, refresh } = await open(t, { role: 'user' }, {
    handler: (_, request) => { request.wsIdentity.claims.role = 'admin' }
  })
  refresh({ role: 'admin' })
  await refused(t, client, 4403, 'scope wider', false)
})

t.test('an option says which claims are a scope', async t => {
  const { client, refresh } = await open(t, {}, { options: { scopeClaims: ['tier'] } })
  refresh({ role: 'admin' })
  t.match(await client.next(), { type: 'refresh_ok' })
  refresh({ tier: 'gold' })
  await refused(t, client, 4403, 'scope wider', false)
})

t.test('the hooks are asked again about the new token', async t => {
  let identity: WsIdentity | undefined
  const { client, refresh } = await open(t, { role: 'user', seat: 1 }, {
    handler: (_, request) => { identity = request.wsIdentity },
    options: { authorize: ({ claims }, request) => claims.seat === 1 && (request.wsIdentity === null || request.wsIdentity.claims.seat === 1) }
  })
  refresh({ role: 'user', seat: 2 })
  await refused(t, client, 4403, 'not authorized', false)
  t.equal(identity?.claims.seat, 1, 'a refused token changes nothing')
})

t.test('messages flow while a refresh is checked; a second refresh is too many', async t => {
  const answers = [async () => false, async () => await new Promise<boolean>(() => {})]
  const { client, refresh } = await open(t, {}, { options: { isRevoked: async () => await answers.shift()?.() as boolean } })
  refresh({})
  client.socket.send('meanwhile')
  t.equal(await client.next(), 'meanwhile')
  refresh({})
  await refused(t, client, 4429, 'refresh pending', true)
})

t.test('refreshes are limited to 20 at once, then one per interval', async t => {
  const { client, refresh } = await open(t, {}, { options: { refreshInterval: 60_000 } })
  for (let i = 0; i < 20; i++) {
    refresh({})
    t.match(await client.next(), { type: 'refresh_ok' })
  }
  refresh({})
  await refused(t, client, 4429, 'too many refreshes', true)
})

t.test('a token that is revoked while authorize is pending is refused', async t => {
  const authorized = deferred<boolean>()
  const asked = deferred()
  let revoked = false
  const { connect, sign } = await build(t, {
    options: {
      isRevoked: () => revoked,
      authorize: async () => {
        asked.resolve()
        return await authorized.promise
      }
    }
  })
  const client = connect()
  const answer = client.auth(sign())
  await asked.promise
  revoked = true
  authorized.resolve(true)
  t.match(await answer, { type: 'auth_error', code: 4403, reason: 'token revoked' })
})

t.test('a refresh does nothing if its check ends after the connection', async t => {
  const asked = deferred()
  const answer = deferred<boolean>()
  let identity: WsIdentity | undefined
  const { client, refresh, lines } = await open(t, { seat: 1 }, {
    handler: (_, request) => { identity = request.wsIdentity },
    options: {
      isRevoked: async () => {
        if (identity === undefined) return false
        asked.resolve()
        return await answer.promise
      }
    }
  })
  refresh({ seat: 2 })
  await asked.promise
  client.socket.close()
  await client.closed
  answer.resolve(false)
  await new Promise(resolve => setImmediate(resolve))
  t.equal(identity?.claims.seat, 1)
  t.notOk(lines.some(line => line.includes('websocket refused')))
})

t.test('who verifies a token with the request at hand has it at a refresh too', async t => {
  /** The paths of the requests, or what there was instead. */
  let seen: unknown[] = []
  const claims = (token: string) => ({ sub: token, exp: Date.now() / 1000 + 60 })
  const note = (request: { url: string, headers: object } | null | undefined): void => { seen.push(request == null ? request : [request.url, 'sec-websocket-key' in request.headers]) }
  const secretOf = async (request: { url: string, headers: object }): Promise<string> => { note(request); return secret }
  const both = Array(2).fill(['/ws', true])
  const rows: Array<{ name: string, options?: Setup['options'], jwt?: object, sees: unknown[] }> = [
    { name: 'verify with two parameters', options: { jwt: { verify: (token, request) => { note(request); return claims(token) } } }, sees: both },
    { name: 'an asynchronous one', options: { jwt: { verify: async (token, request) => { await null; note(request); return claims(token) } } }, sees: both },
    { name: 'perRequest', options: { jwt: { perRequest: true, verify: (...[token, request]) => { note(request); return claims(token) } } }, sees: both },
    { name: 'not asked for', options: { jwt: { verify: (...[token, request]) => { note(request); return claims(token) } } }, sees: [['/ws', true], null] },
    { name: 'asked for by a hook', options: { authorize: () => true, isRevoked: (_token, request) => { note(request); return false } }, sees: both },
    { name: 'a function as the secret', jwt: { secret: secretOf }, sees: both },
    { name: 'trusted', jwt: { secret, trusted: async (request: never) => { note(request); return true } }, options: { jwt: { perRequest: true } }, sees: both },
    { name: 'a namespace', jwt: { secret: secretOf, namespace: 'ws' }, options: { jwt: { namespace: 'ws' } }, sees: both }
  ]
  // Where the secret is a function, `app.jwt.sign` would ask it.
  const signer = Fastify()
  await signer.register(fastifyJwt, { secret })
  await signer.ready()
  for (const { name, options = {}, jwt, sees } of rows) {
    seen = []
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(websocket, websocketOptions())
    await app.register(fastifyJwt, (jwt ?? { secret }) as { secret: string })
    await app.register(wsHandshake)
    app.get('/ws', { websocket: true }, app.wsHandshake(() => {}, options))
    await app.listen({ port: 0, host: '127.0.0.1' })
    const client = connect(t, (app.server.address() as AddressInfo).port)
    const token = options.jwt?.verify === undefined ? signer.jwt.sign({ sub: 'alice' }, { expiresIn: 60 }) : 'alice'
    t.match(await client.auth(token), { type: 'auth_ok', user: { id: 'alice' } }, name)
    t.match(await client.auth(token, 'refresh'), { type: 'refresh_ok' }, name)
    t.same(seen, sees, name)
  }
})
