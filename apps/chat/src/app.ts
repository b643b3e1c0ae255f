import { createMetrics } from '@fastify-airlock/metrics'
import wsPresence from '@fastify-airlock/presence'
import type { TicketStore } from '@fastify-airlock/ticket'
import wsTopics, { type TopicPosition, type TopicStore } from '@fastify-airlock/topics'
import fastifyCookie, { type CookieSerializeOptions } from '@fastify/cookie'
import airlock, { type HubBus, serverOptions } from 'fastify-airlock'
import Fastify, { type FastifyInstance, type FastifyRequest, type FastifyServerOptions } from 'fastify'
import type { Logins } from './logins.js'
import { isMessage } from './message.js'
import type { Rooms } from './rooms.js'
import type { User, Users } from './users.js'

/** What nodes share. */
export interface Shared {
  secret: string
  users: Users
  rooms: Rooms
  logins: Logins
  tickets: TicketStore
  topics: TopicStore
}

/** Messages that somebody sees who enters a room. */
const SHOWN = 50

/** It goes to one route alone, which changes nothing: other sites can do no harm with it. */
function cookieFor ({ protocol }: FastifyRequest): CookieSerializeOptions {
  return { path: '/session', httpOnly: true, sameSite: 'strict', secure: protocol === 'https', maxAge: 30 * 86_400 }
}

/** One node of the chat. Without a bus it stands alone. */
export async function createChat (
  { secret, users, rooms, logins, tickets, topics }: Shared, bus?: HubBus, options: Pick<FastifyServerOptions, 'logger' | 'trustProxy'> = {}
): Promise<FastifyInstance> {
  const app: FastifyInstance = Fastify({ ...serverOptions(), ...options })
  await app.register(fastifyCookie)
  await app.register(airlock, {
    // A JWT ends with its login, at every door.
    jwt: { secret, trusted: async (_request, { sub, sid }) => await logins.has(sub, sid) },
    ticket: { store: tickets },
    hub: { ...bus && { bus }, authorizeTopic: async ({ subject }, topic) => topic === 'all' || topic === `inbox/${subject}` || await rooms.has(topic, subject) }
  })
  await app.register(wsTopics, {
    store: topics,
    topics: { '#': { history: { size: 1_000, ttl: 30 * 86_400_000 } } },
    authorizePublish: async ({ subject }, topic, { data }) => isMessage(data, subject) && await rooms.has(topic, subject)
  })
  await app.register(wsPresence, { topics: ['room/+'] })
  // Messages, presence and typing go by topics: there is nothing left to handle.
  app.wsRoute('/ws', () => {})
  const { registry, close } = createMetrics(app)
  app.addHook('onClose', async () => close())

  const onRequest = async (request: FastifyRequest): Promise<void> => { await request.jwtVerify() }
  const userOf = ({ user }: FastifyRequest) => user as { sub: string, sid: string, role: string }
  const admins = async (request: FastifyRequest): Promise<void> => {
    await onRequest(request)
    if (userOf(request).role !== 'admin') throw Object.assign(new Error('Admins only'), { statusCode: 403 })
  }
  const tell = async (user: string, text: string) => await app.wsTopics.publish(`inbox/${user}`, { text })
  const answer = ({ name, role }: User, sid: string) => ({ user: name, token: app.jwt.sign({ sub: name, role, sid }, { expiresIn: '15m' }) })

  app.post<{ Body: { name: string, password: string } }>('/login', { schema: { body: texts('name', 'password') } }, async (request, reply) => {
    const user = users.check(request.body.name, request.body.password)
    if (user === null) return await reply.code(401).send({ message: 'Wrong name or password' })
    const { cookie, sid } = await logins.begin(user.name)
    reply.setCookie('login', cookie, cookieFor(request))
    return answer(user, sid)
  })

  // A JWT for a device that is logged in: after a reload, and before the last one expires.
  app.post('/session', async ({ cookies }, reply) => {
    const login = await logins.find(cookies.login)
    const user = login && users.get(login.user)
    return user === null ? await reply.code(401).send({ message: 'Log in' }) : answer(user, login!.sid)
  })

  app.post<{ Querystring: { everywhere?: string } }>('/logout', { onRequest }, async (request, reply) => {
    const { sub: subject, sid: session } = userOf(request)
    const target = request.query.everywhere === undefined ? { subject, session } : { subject }
    await logins.end(subject, target.session)
    await app.wsTickets.revoke(target)
    await app.wsHub.disconnectAll(target)
    return await reply.clearCookie('login', cookieFor(request)).code(204).send()
  })

  // Where each room of the user begins on a page.
  app.get('/rooms', { onRequest }, async request => await Promise.all((await rooms.of(userOf(request).sub)).map(async topic => {
    // All topics are kept, so each has one.
    const { epoch, offset } = await app.wsTopics.position(topic) as TopicPosition
    return { topic, since: { epoch, offset: Math.max(0, offset - SHOWN) } }
  })))

  const member = { onRequest: admins, schema: { params: { type: 'object', properties: { room: { type: 'string', pattern: '^[\\w-]{1,40}$' } } } } }
  app.put<{ Params: { room: string, user: string } }>('/rooms/:room/members/:user', member, async ({ params }, reply) => {
    await rooms.add(`room/${params.room}`, params.user)
    await tell(params.user, `You are in the room ${params.room} now.`)
    return await reply.code(204).send()
  })

  app.delete<{ Params: { room: string, user: string } }>('/rooms/:room/members/:user', member, async ({ params }, reply) => {
    await rooms.remove(`room/${params.room}`, params.user)
    await app.wsHub.reauthorize({ subject: params.user, topic: `room/${params.room}` })
    await tell(params.user, `You are not in the room ${params.room} any more.`)
    return await reply.code(204).send()
  })

  const notice = { onRequest: admins, schema: { body: texts('text') } }
  app.post<{ Params: { user: string }, Body: { text: string } }>('/notify/:user', notice, async ({ params, body }) => await tell(params.user, body.text))

  app.post<{ Body: { text: string } }>('/broadcast', notice, async ({ body }) => await app.wsTopics.publish('all', { text: body.text }))

  app.get('/healthz', async () => app.wsHub.health())
  app.get('/metrics', async (_request, reply) => await reply.type(registry.contentType).send(await registry.metrics()))
  return app
}

/** The schema of a body that has these texts. */
function texts (...names: string[]) {
  return { type: 'object', required: names, properties: Object.fromEntries(names.map(name => [name, { type: 'string', maxLength: 1_000 }])) }
}
