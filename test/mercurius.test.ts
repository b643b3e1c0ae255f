import wsGuard from '@fastify-airlock/guard'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsTickets from '@fastify-airlock/ticket'
import Fastify from 'fastify'
import mercurius from 'mercurius'
import { createClient } from 'graphql-ws'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { connect } from './helpers.js'

async function build (t: Test) {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(wsGuard)
  await app.register(wsTickets, { route: false })
  // mercurius takes the WebSocket server that is there. Its routes are in a scope, so a hook of that scope guards them.
  await app.register(async scope => {
    const guard = app.wsGuard({ protocols: ['graphql-transport-ws'] })
    scope.addHook('preValidation', async function (request, reply) {
      if (request.ws) await guard.call(app, request, reply)
    })
    await scope.register(mercurius, {
      schema: 'type Query { hello: String } type Subscription { count: Int }',
      resolvers: {
        Query: { hello: () => 'world' },
        Subscription: {
          count: {
            subscribe: async function * () {
              yield { count: 1 }
              yield { count: 2 }
            }
          }
        }
      },
      subscription: { context: (_socket, request) => ({ subject: request.wsIdentity?.subject }) }
    })
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, url: `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}/graphql` }
}

t.test('GraphQL subscriptions over graphql-ws behind the first door', async t => {
  const { app, url } = await build(t)
  // The bodies of errors on its routes are mercurius' own.
  await t.rejects(connect(t, url, ['graphql-transport-ws']), { message: 'HTTP 401 ' })
  const { ticket } = await app.wsTickets.issue('alice')
  class Ticketed extends WebSocket {
    constructor (address: string) {
      // The carrier comes first on purpose: it must not be what is selected.
      super(address, [`ticket.${ticket}`, 'graphql-transport-ws'])
    }
  }
  const client = createClient({ url, webSocketImpl: Ticketed, retryAttempts: 0 })
  t.teardown(() => client.dispose())
  const counts: unknown[] = []
  for await (const { data } of client.iterate({ query: 'subscription { count }' })) counts.push(data?.count)
  t.same(counts, [1, 2])
  await t.rejects(connect(t, url, [`ticket.${ticket}`, 'graphql-transport-ws']), { message: 'HTTP 401 ' })
})
