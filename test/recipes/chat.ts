import wsHub, { type HubBus } from '@fastify-airlock/hub'
import wsTopics, { type TopicPosition, type TopicStore } from '@fastify-airlock/topics'
import type { FastifyInstance } from 'fastify'

/** Who is in which room. Replace it by your database. */
export interface Rooms {
  has (room: string, user: string): boolean | Promise<boolean>
  remove (room: string, user: string): void | Promise<void>
}

/** What was said in a room is kept: so much of it, and so long. */
const HISTORY = { size: 1_000, ttl: 30 * 86_400_000 }

/** How many messages a client gets that enters a room. */
const SHOWN = 50

/**
 * Rooms: the topic `room/x` has what is said in it, and `room/x/typing` who is typing.
 *
 * @param shared bus and store, if there are several nodes
 */
export async function chat (app: FastifyInstance, rooms: Rooms, { bus, store }: { bus?: HubBus, store?: TopicStore } = {}) {
  const isIn = async (user: string, topic: string): Promise<boolean> => {
    const [, room] = /^room\/([^/]+)(?:\/typing)?$/.exec(topic) ?? []
    return room !== undefined && await rooms.has(room, user)
  }
  await app.register(wsHub, { authorizeTopic: async ({ subject }, topic) => await isIn(subject, topic), ...bus && { bus } })
  await app.register(wsTopics, {
    topics: { 'room/+': { history: HISTORY } },
    // Nobody speaks in the name of somebody else.
    authorizePublish: async ({ subject }, topic, { data }) => (data as { from?: unknown } | null)?.from === subject && await isIn(subject, topic),
    ...store && { store }
  })

  // Where a client begins that enters a room.
  app.get<{ Params: { room: string } }>('/rooms/:room', { onRequest: async request => { await request.jwtVerify() } }, async ({ params: { room }, user }, reply) => {
    if (!await rooms.has(room, (user as { sub: string }).sub)) return await reply.code(403).send()
    // It is kept, so it has one.
    const { epoch, offset } = await app.wsTopics.position(`room/${room}`) as TopicPosition
    return { since: { epoch, offset: Math.max(0, offset - SHOWN) } }
  })

  return {
    /** Takes a member out of a room, on all of their devices: they get nothing more of it, nor what they have missed. */
    async remove (room: string, user: string): Promise<void> {
      await rooms.remove(room, user)
      for (const topic of [`room/${room}`, `room/${room}/typing`]) app.wsHub.evict({ subject: user, topic })
    }
  }
}
