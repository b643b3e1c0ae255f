import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard from '@fastify-airlock/guard'
import wsHub from '@fastify-airlock/hub'
import { memoryAdapter } from 'better-auth/adapters/memory'
import Fastify from 'fastify'
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { connect } from '../client.js'
import { betterAuthRoutes } from './servers-better-auth.js'

t.test('docs/recipes/better-auth.md has exactly the code that runs here', async t => {
  const document = await readFile(new URL('../../docs/recipes/better-auth.md', import.meta.url), 'utf8')
  const [code] = /^```ts\n.*?^```$/ms.exec(document) ?? []
  t.equal(code, `\`\`\`ts\n${await readFile(new URL('servers-better-auth.ts', import.meta.url), 'utf8')}\`\`\``)
})

for (const enabled of [false, true]) {
  t.test(`a session of better-auth gets tickets, and its sockets end with it; without any JWT${enabled ? '; with its cookie cache' : ''}`, async t => {
    const app = Fastify({ forceCloseConnections: true })
    t.teardown(() => app.close())
    await app.register(websocket, websocketOptions())
    await app.register(wsGuard)
    await app.register(wsHub)
    await betterAuthRoutes(app, {
      database: memoryAdapter({ user: [], session: [], account: [], verification: [] }),
      secret: 'a secret of better-auth for tests, long enough',
      emailAndPassword: { enabled: true },
      session: { cookieCache: { enabled } },
      rateLimit: { enabled: false },
      logger: { disabled: true }
    })
    const origin = await app.listen({ port: 0, host: '127.0.0.1' })
    t.notOk(app.hasDecorator('jwt'))

    const post = async (path: string, body: object | null, headers: Record<string, string> = {}) => await fetch(origin + path, {
      method: 'POST',
      headers: { origin, ...body !== null && { 'content-type': 'application/json' }, ...headers },
      body: body === null ? null : JSON.stringify(body)
    })

    /** A browser in which somebody has signed in. */
    async function signIn (path: string, body: object) {
      const response = await post(`/api/auth/${path}`, body)
      t.equal(response.status, 200, path)
      const { user } = await response.json() as { user: { id: string } }
      const lines = response.headers.getSetCookie()
      t.match(lines.find(line => line.includes('session_token')), /; HttpOnly/)
      t.match(lines.find(line => line.includes('session_token')), /; SameSite=Lax/)
      const cookie = lines.map(line => line.split(';')[0]).join('; ')
      const askTicket = async (headers: Record<string, string> = {}) => await post('/ws/ticket', null, { cookie, ...headers })
      return {
        user,
        cookie,
        askTicket,
        async enter (ticket?: string) {
          ticket ??= (await (await askTicket()).json() as { ticket: string }).ticket
          const client = await connect(t, `${origin.replace('http', 'ws')}/ws`, ['airlock.v1', `ticket.${ticket}`], { origin })
          const answer = new Promise(resolve => client.socket.once('message', data => resolve(String(data))))
          client.socket.send('hi')
          t.equal(await answer, `${user.id}: hi`)
          return client
        }
      }
    }

    const account = { email: 'alice@example.com', password: 'wonderland is long enough' }
    const phone = await signIn('sign-up/email', { name: 'Alice', ...account })
    const laptop = await signIn('sign-in/email', account)
    t.equal(phone.user.id, laptop.user.id)

    t.equal((await post('/ws/ticket', null)).status, 401, 'without a session')
    t.equal((await post('/ws/ticket', null, { cookie: phone.cookie.replace(/session_token=.{5}/, 'session_token=wrong') })).status, 401, 'a cookie of nobody')
    t.equal((await phone.askTicket({ origin: 'https://evil.example', 'content-type': 'application/x-www-form-urlencoded' })).status, 403, 'a form of another page')
    await t.rejects(connect(t, `${origin.replace('http', 'ws')}/ws`, ['airlock.v1'], { headers: { cookie: phone.cookie }, origin }), { message: /^HTTP 401/ }, 'the cookie alone opens nothing')

    const ended = [await phone.enter(), await phone.enter()]
    const kept = await laptop.enter()
    const { ticket } = await (await phone.askTicket()).json() as { ticket: string }
    t.equal((await post('/api/auth/sign-out', {}, { cookie: phone.cookie })).status, 200)
    t.strictSame(await Promise.all(ended.map(({ closed }) => closed)), ['4403 logged out', '4403 logged out'], 'signing out ends the sockets of the session')
    t.equal((await phone.askTicket()).status, 401, 'also by a cookie that somebody has kept, whatever the cache says')
    await t.rejects(phone.enter(ticket), { message: /^HTTP 401/ }, 'and its unused tickets')
    t.equal(kept.socket.readyState, kept.socket.OPEN, 'another session of the user goes on')

    const tablet = await signIn('sign-in/email', account)
    const third = await tablet.enter()
    t.equal((await post('/api/auth/revoke-other-sessions', {}, { cookie: laptop.cookie })).status, 200)
    t.equal(await third.closed, '4403 logged out', 'one session revokes the others')
    t.equal(kept.socket.readyState, kept.socket.OPEN)
  })
}
