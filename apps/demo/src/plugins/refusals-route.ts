import { addressKey } from '@fastify-airlock/core'
import fp from 'fastify-plugin'
import { NoRefusal } from '../errors.js'
import { RefusalSearch } from '../refusal-search.js'
import { Refusals } from '../refusals.js'

/** `GET /refusals/:attempt`: the answer to the refused upgrade with `?attempt=`, since the browser hides it from the page. */
export const refusalsRoute = fp(async fastify => {
  const kept = new Refusals()
  const others = fastify.bus === null ? null : new RefusalSearch({ cluster: fastify.wsHub, find: attempt => kept.find(attempt) })
  fastify.addHook('preClose', async () => others?.close())
  fastify.addHook('onClose', async () => kept.close())

  // Every refusal passes this hook: from the guard, from a schema, from other hooks, and for an unknown route.
  fastify.addHook('onSend', (request, reply, body, done) => {
    if (request.ws) kept.keep((request.query as { attempt?: unknown }).attempt, reply.statusCode, body, addressKey(request.ip))
    done()
  })

  fastify.get<{ Params: { attempt: string } }>('/refusals/:attempt', async (request, reply) => {
    reply.header('cache-control', 'no-store')
    const { attempt } = request.params
    const refusal = kept.find(attempt) ?? await others?.find(attempt) ?? null
    if (refusal === null) throw new NoRefusal()
    return refusal
  })
}, { name: 'demo-refusals', dependencies: ['demo-bus', 'demo-websocket'] })
