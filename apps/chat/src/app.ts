import { createMetrics } from '@fastify-airlock/metrics'
import wsPresence from '@fastify-airlock/presence'
import type { TicketStore } from '@fastify-airlock/ticket'
import wsTopics, { type TopicStore } from '@fastify-airlock/topics'
import airlock, { type HubBus } from 'fastify-airlock'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { randomUUID } from 'node:crypto'
import type { Rooms } from './rooms.js'
import type { Users } from './users.js'

/** What nodes share. */
export interface Shared {
  secret: string
  users: Users
  rooms: Rooms
  tickets: TicketStore
  topics: TopicStore
}

/** One node of the chat. */
export async function createChat ({ secret, users, rooms, tickets, topics }: Shared, bus: HubBus): Promise<FastifyInstance> {
  const app: FastifyInstance = Fastify()
  await app.register(airlock, {
    jwt: { secret },
    ticket: { store: tickets },
    hub: { bus, authorizeTopic: ({ subject }, topic) => topic === 'all' || topic === `inbox/${subject}` || rooms.has(topic, subject) }
  })
  await app.register(wsTopics, {
    store: topics,
    topics: { '#': { history: { size: 1_000, ttl: 86_400_000 } } },
    authorizePublish: ({ subject }, topic) => rooms.has(topic, subject)
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

  app.post<{ Body: { name: string, password: string } }>('/login', async ({ body }, reply) => {
    const user = users.check(body.name, body.password)
    if (user === null) return await reply.code(401).send({ message: 'Wrong name or password' })
    return { token: app.jwt.sign({ sub: user.name, role: user.role, sid: randomUUID() }, { expiresIn: '15m' }) }
  })

  app.post<{ Querystring: { everywhere?: string } }>('/logout', { onRequest }, async (request, reply) => {
    const { sub: subject, sid: session } = userOf(request)
    const target = request.query.everywhere === undefined ? { subject, session } : { subject }
    await app.wsTickets.revoke(target)
    await app.wsHub.disconnectAll(target)
    return await reply.code(204).send()
  })

  app.put<{ Params: { room: string, user: string } }>('/rooms/:room/members/:user', { onRequest: admins }, async ({ params }, reply) => {
    rooms.add(`room/${params.room}`, params.user)
    return await reply.code(204).send()
  })

  app.delete<{ Params: { room: string, user: string } }>('/rooms/:room/members/:user', { onRequest: admins }, async ({ params }, reply) => {
    rooms.remove(`room/${params.room}`, params.user)
    await app.wsHub.reauthorize({ subject: params.user, topic: `room/${params.room}` })
    return await reply.code(204).send()
  })

  app.post<{ Params: { user: string }, Body: { text: string } }>('/notify/:user', { onRequest: admins }, async ({ params, body }) => {
    return await app.wsTopics.publish(`inbox/${params.user}`, { text: body.text })
  })

  app.post<{ Body: { text: string } }>('/broadcast', { onRequest: admins }, async ({ body }) => await app.wsTopics.publish('all', { text: body.text }))

  app.get('/metrics', async (_request, reply) => await reply.type(registry.contentType).send(await registry.metrics()))
  return app
}
