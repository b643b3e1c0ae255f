import wsHub from '@fastify-airlock/hub'
import wsTopics, { type WsTopicsOptions } from '@fastify-airlock/topics'
import type { FastifyInstance } from 'fastify'

/** Kept for clients that come back: who was away for longer takes a snapshot. */
const HISTORY = { size: 200, ttl: 60_000 }

/**
 * Figures that change one at a time: all of them at `GET /dashboard`, and each change in the topic `dashboard`.
 *
 * @param mayWatch who may see them
 * @returns what changes a figure
 */
export async function dashboard (app: FastifyInstance, mayWatch: (user: string) => boolean, history = HISTORY, options: WsTopicsOptions = {}) {
  const figures = new Map<string, number>()
  await app.register(wsHub, { authorizeTopic: ({ subject }, topic) => topic === 'dashboard' && mayWatch(subject) })
  await app.register(wsTopics, { ...options, topics: { dashboard: { history } } })

  app.get('/dashboard', { onRequest: async request => { await request.jwtVerify() } }, async ({ user }, reply) => {
    if (!mayWatch((user as { sub: string }).sub)) return await reply.code(403).send()
    // The position first: a change between the two lines comes twice, which does no harm. The other way round it would be lost.
    const position = await app.wsTopics.position('dashboard')
    return { position, figures: Object.fromEntries(figures) }
  })

  return async (name: string, value: number): Promise<void> => {
    figures.set(name, value)
    await app.wsTopics.publish('dashboard', { name, value })
  }
}
