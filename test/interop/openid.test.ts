import websocket from '@fastify/websocket'
import { connect, type Events, raw } from '@fastify-airlock/client'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsHub from '@fastify-airlock/hub'
import Fastify, { type FastifyInstance } from 'fastify'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { readFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { AUDIENCE, SERVER, startProvider, type Tokens } from './openid-provider.js'
import { jwtTokens, opaqueTokens } from './servers-openid.js'

type Provider = Awaited<ReturnType<typeof startProvider>>

t.test('docs/recipes/openid.md has exactly the code that runs here', async t => {
  const document = await readFile(new URL('../../docs/recipes/openid.md', import.meta.url), 'utf8')
  const [code] = /^```ts\n.*?^```$/ms.exec(document) ?? []
  t.equal(code, `\`\`\`ts\n${await readFile(new URL('servers-openid.ts', import.meta.url), 'utf8')}\`\`\``)
})

async function build (t: Test, provider: Provider, tokens: (app: FastifyInstance) => Promise<void>) {
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(wsGuard)
  await app.register(wsHandshake, { authTimeout: 60_000 })
  await app.register(wsHub)
  await tokens(app)
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const askTicket = async (token: string | null, signal?: AbortSignal): Promise<Response> =>
    await fetch(`${url}/ws/ticket`, { method: 'POST', signal: signal ?? null, headers: token === null ? {} : { authorization: `Bearer ${token}` } })

  /** The page of somebody who has signed in at the provider. */
  async function openPage (sub: string) {
    let tokens: Tokens | null = await provider.login(sub)
    const first = tokens
    const connection = connect({
      url: `${url.replace('http', 'ws')}/ws`,
      codec: raw,
      getTicket: async ({ signal }) => await askTicket(tokens?.access_token ?? null, signal),
      async getToken ({ reason }) {
        if (reason === 'refresh' && tokens !== null) tokens = await provider.renew(tokens)
        return tokens?.access_token ?? null
      },
      WebSocket,
      reconnect: { min: 1, max: 10 }
    })
    t.teardown(() => connection.close())
    await connection.ready()
    const next = async <Name extends keyof Events<unknown>>(name: Name): Promise<Events<unknown>[Name]> => await new Promise(resolve => {
      const stop = connection.on(name, event => {
        stop()
        resolve(event as Events<unknown>[Name])
      })
    })
    const echo = async (text: string): Promise<unknown> => {
      const heard = next('message')
      connection.send(text)
      return await heard
    }
    return { connection, next, echo, first, current: () => tokens as Tokens }
  }
  return { app, askTicket, openPage }
}

t.test('opaque access tokens: login, ticket, first frame, refresh, revocation', async t => {
  const provider = await startProvider(t, 'opaque')
  // Patience, for a machine that has much to do.
  const asked = { issuer: provider.issuer, endpoint: provider.endpoint, ...SERVER, audience: AUDIENCE, timeout: 60_000 }
  const { app, askTicket, openPage } = await build(t, provider, async app => await opaqueTokens(app, asked))
  t.equal((await askTicket(null)).status, 401, 'without a token')
  t.equal((await askTicket('invented')).status, 401, 'the provider does not know it')

  const alice = await openPage('alice')
  const bob = await openPage('bob')
  t.notMatch(alice.first.access_token, /\./, 'it is no JWT')
  t.match(alice.connection.user, { id: 'alice' })
  t.equal(await alice.echo('hi'), 'alice: hi')
  t.equal(app.wsIntrospect.size, 2, 'both are watched')

  await alice.connection.refresh()
  t.not(alice.current().access_token, alice.first.access_token)
  t.equal(await alice.echo('still here'), 'alice: still here')
  await provider.expire(alice.first.access_token)
  t.strictSame(await app.wsIntrospect.recheck('alice'), { kept: 1, closed: 0, unknown: 0 }, 'the new token is the one that counts')
  t.equal((await askTicket(alice.first.access_token)).status, 401)

  const ended = alice.next('close')
  await provider.revoke(alice.current().refresh_token)
  t.strictSame(await app.wsIntrospect.recheck('alice'), { kept: 0, closed: 1, unknown: 0 })
  t.match(await ended, { code: 4410, reason: 'token revoked', willReconnect: false })
  t.equal((await askTicket(alice.current().access_token)).status, 401)
  t.equal(await provider.renew(alice.current()), null)
  t.equal(await bob.echo('hi'), 'bob: hi', 'nobody else notices')

  const { access_token: unseen } = await provider.login('carol')
  await provider.stop()
  t.equal((await askTicket(unseen)).status, 503, 'while the provider is away nobody is told that a token is not valid')
  t.equal(await bob.echo('hi'), 'bob: hi')
})

t.test('JWT access tokens: login, ticket, first frame, refresh, the end', async t => {
  const provider = await startProvider(t, 'jwt')
  const { app, askTicket, openPage } = await build(t, provider, async app => await jwtTokens(app, { issuer: provider.issuer, audience: AUDIENCE }))
  t.equal((await askTicket(null)).status, 401, 'without a token')

  const alice = await openPage('alice')
  t.match(decodeProtectedHeader(alice.first.access_token), { typ: 'at+jwt', kid: 'one' })
  t.match(decodeJwt(alice.first.access_token), { iss: provider.issuer, aud: AUDIENCE, sub: 'alice' })
  t.match(alice.connection.user, { id: 'alice' })
  t.equal(await alice.echo('hi'), 'alice: hi')
  t.equal((await askTicket(alice.first.id_token)).status, 401, 'an ID token is for the page')
  const [header, claims] = alice.first.access_token.split('.') as [string, string]
  t.equal((await askTicket(`${header}.${claims}.${'A'.repeat(342)}`)).status, 401, 'a signature of nobody')

  await alice.connection.refresh()
  t.not(alice.current().access_token, alice.first.access_token)
  t.equal(await alice.echo('still here'), 'alice: still here')

  await provider.revoke(alice.current().refresh_token)
  t.equal((await askTicket(alice.current().access_token)).status, 201, 'nobody asks the provider: the JWT counts until it expires')
  t.equal(await alice.echo('still here'), 'alice: still here')
  await t.rejects(alice.connection.refresh(), { code: 'WSA_CLIENT_ERR_UNAUTHENTICATED' }, 'and cannot be renewed')
  const ended = alice.next('close')
  t.match(await app.wsHub.disconnectAll('alice'), { nodes: 1 }, 'the server can end it before')
  t.match(await ended, { code: 4410, willReconnect: false })

  const { access_token: unseen } = await provider.login('carol')
  await provider.stop()
  t.equal((await askTicket(unseen)).status, 201, 'while the provider is away its keys count')
})

t.test('JWT access tokens, while the keys were never to be had', async t => {
  const provider = await startProvider(t, 'jwt')
  const { askTicket } = await build(t, provider, async app => await jwtTokens(app, { issuer: provider.issuer, audience: AUDIENCE }))
  const { access_token: token } = await provider.login('alice')
  await provider.stop()
  t.equal((await askTicket(token)).status, 503)
  t.equal((await askTicket('no.jwt.at-all')).status, 401)
})
