import wsGuard from '@fastify-airlock/guard'
import { websocketOptions } from '@fastify-airlock/core'
import wsTickets from '@fastify-airlock/ticket'
import websocket from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import { buildSchema } from 'graphql'
import { createClient } from 'graphql-ws'
import { makeHandler } from 'graphql-ws/use/@fastify/websocket'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { connect } from './helpers.js'

/** The routes of three kinds on one server: graphql-ws alone, graphql-ws behind the first door, and the application's own. */
async function routes (app: FastifyInstance): Promise<void> {
  const handler = makeHandler({ schema: buildSchema('type Query { hello: String }'), roots: { query: { hello: () => 'world' } } })
  app.get('/graphql', { websocket: true }, handler)
  app.get('/guarded', { websocket: true, preValidation: app.wsGuard({ protocols: ['graphql-transport-ws'] }) }, handler)
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, socket => { socket.send('in') })
}

/** The handlers of graphql-ws are made before the guard is there, or after it. */
async function build (t: Test, guardFirst: boolean) {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(wsTickets, { route: false })
  const early = makeHandler({ schema: buildSchema('type Query { hello: String }'), roots: { query: { hello: () => 'world' } } })
  if (!guardFirst) app.get('/early', { websocket: true }, early)
  await app.register(wsGuard)
  if (guardFirst) app.get('/early', { websocket: true }, early)
  await app.register(routes)
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, url: `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}` }
}

async function hello (t: Test, url: string, carrier: string[] = []): Promise<unknown> {
  class Ticketed extends WebSocket {
    constructor (address: string) {
      super(address, [...carrier, 'graphql-transport-ws'])
    }
  }
  const client = createClient({ url, webSocketImpl: Ticketed, retryAttempts: 0 })
  t.teardown(() => client.dispose())
  const { value } = await client.iterate({ query: '{ hello }' }).next()
  return value.data?.hello
}

for (const guardFirst of [true, false]) {
  t.test(`graphql-ws beside guarded routes, registered ${guardFirst ? 'after' : 'before'} the guard`, async t => {
    const { app, url } = await build(t, guardFirst)
    const ticket = async () => `ticket.${(await app.wsTickets.issue('alice')).ticket}`
    // graphql-ws takes the server's one choice of subprotocols at each of its connections.
    for (let round = 0; round < 3; round++) {
      for (const path of ['/early', '/graphql']) t.equal(await hello(t, `${url}${path}`), 'world', path)
      t.equal(await hello(t, `${url}/guarded`, [await ticket()]), 'world')
      const { socket } = await connect(t, `${url}/ws`, ['airlock.v1', await ticket()])
      t.equal(socket.protocol, 'airlock.v1')
    }
    await t.rejects(connect(t, `${url}/guarded`, ['graphql-transport-ws']), { message: /^HTTP 401/ })
  })
}
