import fastifyCookie from '@fastify/cookie'
import { Authenticator } from '@fastify/passport'
import secureSession from '@fastify/secure-session'
import fastifySession from '@fastify/session'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard from '@fastify-airlock/guard'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { connect } from '../helpers.js'
import { sessionTickets, type UserOf } from './sessions.js'

t.test('the document has exactly this code', async t => {
  const document = await readFile(new URL('../../docs/recipes/sessions.md', import.meta.url), 'utf8')
  const [plugin] = /^```ts\n.*?^```$/ms.exec(document) ?? []
  t.equal(plugin, `\`\`\`ts\n${await readFile(new URL('sessions.ts', import.meta.url), 'utf8')}\`\`\``)
})

interface Sessions {
  register (app: FastifyInstance): Promise<void>
  userOf: UserOf
  login (request: FastifyRequest): unknown
}

const passport = new Authenticator()
passport.registerUserSerializer(async (user: string) => user)
passport.registerUserDeserializer(async (id: string) => ({ id }))

const kinds: Record<string, Sessions> = {
  '@fastify/session': {
    async register (app) {
      await app.register(fastifyCookie)
      await app.register(fastifySession, { secret: 'a secret of sessions that is long enough', cookie: { secure: false } })
    },
    userOf: ({ session }) => session.get('user' as never) as string | undefined,
    login: ({ session }) => session.set('user' as never, 'alice' as never)
  },
  '@fastify/secure-session': {
    register: async app => { await app.register(secureSession, { key: randomBytes(32) }) },
    userOf: ({ session }) => session.get('user' as never) as string | undefined,
    login: ({ session }) => session.set('user' as never, 'alice' as never)
  },
  '@fastify/passport': {
    async register (app) {
      await app.register(secureSession, { key: randomBytes(32) })
      await app.register(passport.initialize())
      await app.register(passport.secureSession())
    },
    userOf: request => (request.user as unknown as { id?: string } | null | undefined)?.id,
    login: async request => await request.logIn('alice' as never)
  }
}

for (const [name, { register, userOf, login }] of Object.entries(kinds)) {
  t.test(`${name}: a session gets a ticket, without any JWT`, async t => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(websocket, websocketOptions())
    await app.register(wsGuard)
    await register(app)
    await sessionTickets(app, userOf)
    app.post('/login', async request => { await login(request); return 'in' })
    await app.listen({ port: 0, host: '127.0.0.1' })
    const host = `127.0.0.1:${(app.server.address() as AddressInfo).port}`
    t.notOk(app.hasDecorator('jwt'))

    const { headers } = await fetch(`http://${host}/login`, { method: 'POST' })
    const cookie = headers.getSetCookie().map(line => line.split(';')[0]).join('; ')
    const ask = async (headers: Record<string, string>) => await fetch(`http://${host}/ws/ticket`, { method: 'POST', headers })
    t.equal((await ask({})).status, 401, 'without a session')
    t.equal((await ask({ cookie, origin: 'https://evil.example', 'content-type': 'application/x-www-form-urlencoded' })).status, 403, 'a form of another page')
    const response = await ask({ cookie, origin: `http://${host}` })
    t.equal(response.status, 201)
    const { ticket } = await response.json() as { ticket: string }
    const { socket } = await connect(t, `ws://${host}/ws`, ['airlock.v1', `ticket.${ticket}`], { origin: `http://${host}` })
    const answer = new Promise(resolve => socket.once('message', data => resolve(String(data))))
    socket.send('hi')
    t.equal(await answer, 'alice: hi')
    await t.rejects(connect(t, `ws://${host}/ws`, ['airlock.v1'], { headers: { cookie }, origin: `http://${host}` }), { message: /^HTTP 401/ }, 'the cookie alone opens nothing')
  })
}
