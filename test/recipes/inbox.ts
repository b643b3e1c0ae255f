import wsHub, { type HubBus } from '@fastify-airlock/hub'
import wsTopics, { type TopicStore } from '@fastify-airlock/topics'
import type { FastifyInstance, FastifyRequest } from 'fastify'

export interface Notification {
  id: string
  text: string
}

/** What nobody has read yet, by user. Replace it by your database. */
export interface Unread {
  /** Adds one, unless it is there. @returns whether it is unread: `false` if the user has read it before */
  add (user: string, notification: Notification): boolean | Promise<boolean>
  remove (user: string, id: string): void | Promise<void>
  list (user: string): Notification[] | Promise<Notification[]>
}

/** A device that was away for a day gets what it has missed; one that was away for longer asks for all that is unread. */
const HISTORY = { size: 200, ttl: 86_400_000 }

/**
 * An inbox for each user, the same on all of their devices: what is unread at `GET /inbox`, and what happens to it in the topic
 * `inbox/<user>`.
 *
 * @param shared bus and store, if there are several nodes
 */
export async function inbox (app: FastifyInstance, unread: Unread, { bus, store }: { bus?: HubBus, store?: TopicStore } = {}) {
  await app.register(wsHub, { authorizeTopic: ({ subject }, topic) => topic === `inbox/${subject}`, ...bus && { bus } })
  await app.register(wsTopics, { topics: { 'inbox/+': { history: HISTORY } }, ...store && { store } })
  const onRequest = async (request: FastifyRequest): Promise<void> => { await request.jwtVerify() }
  const subjectOf = ({ user }: FastifyRequest): string => (user as { sub: string }).sub

  app.get('/inbox', { onRequest }, async request => {
    // The position first: what comes between the two lines comes twice, and is not lost.
    const position = await app.wsTopics.position(`inbox/${subjectOf(request)}`)
    return { position, unread: await unread.list(subjectOf(request)) }
  })
  app.post<{ Params: { id: string } }>('/inbox/:id/read', { onRequest }, async (request, reply) => {
    await unread.remove(subjectOf(request), request.params.id)
    await app.wsTopics.publish(`inbox/${subjectOf(request)}`, { type: 'read', id: request.params.id })
    return await reply.code(204).send()
  })

  /** Notifies a user, once for each id, however often it is called. */
  return async (user: string, notification: Notification): Promise<void> => {
    if (!await unread.add(user, notification)) return
    await app.wsTopics.publish(`inbox/${user}`, { type: 'new', notification }, { id: notification.id })
  }
}
