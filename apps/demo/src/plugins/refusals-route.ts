import fp from 'fastify-plugin'
import { NoRefusal } from '../errors.js'
import { Refusals } from '../refusals.js'

/** `GET /refusals/:attempt`: what the upgrade with `?attempt=` was answered with, for a page that cannot see it. */
export const refusalsRoute = fp(async fastify => {
  const kept = new Refusals()
  fastify.addHook('onClose', async () => kept.close())

  // Every refusal comes by here: those of the guard, of a schema and of other hooks, and a route that is not there.
  fastify.addHook('onSend', (request, reply, body, done) => {
    if (request.ws) kept.keep((request.query as { attempt?: unknown }).attempt, reply.statusCode, body)
    done()
  })

  fastify.get<{ Params: { attempt: string } }>('/refusals/:attempt', async (request, reply) => {
    reply.header('cache-control', 'no-store')
    const refusal = kept.find(request.params.attempt)
    if (refusal === null) throw new NoRefusal()
    return refusal
  })
}, { name: 'demo-refusals', dependencies: ['demo-websocket'] })
