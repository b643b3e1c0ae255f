import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard, { guardScope, identityOf } from '@fastify-airlock/guard'
import wsTickets from '@fastify-airlock/ticket'
import { createTRPCClient, createWSClient, httpLink, wsLink } from '@trpc/client'
import { initTRPC } from '@trpc/server'
import { type CreateFastifyContextOptions, fastifyTRPCPlugin, type FastifyTRPCPluginOptions } from '@trpc/server/adapters/fastify'
import { Aedes, type AuthenticateError, type Client } from 'aedes'
import Fastify, { type FastifyInstance } from 'fastify'
import { buildSchema } from 'graphql'
import { createClient } from 'graphql-ws'
import { makeHandler } from 'graphql-ws/use/@fastify/websocket'
import mercurius from 'mercurius'
import { connectAsync } from 'mqtt'
import type { IncomingMessage } from 'node:http'
import { Server as SocketServer } from 'socket.io'
import { io } from 'socket.io-client'
import t, { type Test } from 'tap'
import { createWebSocketStream, WebSocket } from 'ws'
import { attachSocketIo } from './servers-socket-io.js'

/*
 * Libraries that bring their own subprotocols, routes and listeners for upgrades, all on one server with the guard, which is
 * registered before them or after.
 */

interface Context {
  user: string | null
}

const trpc = initTRPC.context<Context>().create()
const router = trpc.router({ me: trpc.procedure.query(({ ctx }) => ctx.user) })
type Router = typeof router

/** A library: how it is registered, with its routes behind the guard or not, and who its client is said to be. */
interface Library {
  protocol: string | null
  /** `scope` has a prefix of its own. */
  register (scope: FastifyInstance): Promise<unknown> | unknown
  /** Says who the server takes the client for. */
  ask (t: Test, url: string, WebSocketClass: typeof WebSocket): Promise<unknown>
}

const libraries: Record<string, Library> = {
  trpc: {
    protocol: null,
    register: scope => scope.register(fastifyTRPCPlugin, {
      prefix: '/of',
      useWSS: true,
      trpcOptions: { router, createContext: ({ req }: CreateFastifyContextOptions): Context => ({ user: identityOf(req)?.subject ?? null }) }
    } satisfies FastifyTRPCPluginOptions<Router>),
    async ask (t, url, WebSocket) {
      const client = createWSClient({ url: `${url}/of`, WebSocket: WebSocket as never, retryDelayMs: () => 3_600_000 })
      t.teardown(() => client.close())
      return await createTRPCClient<Router>({ links: [wsLink({ client })] }).me.query()
    }
  },
  mercurius: {
    protocol: 'graphql-transport-ws',
    register: scope => scope.register(mercurius, {
      schema: 'type Query { me: String } type Subscription { me: String }',
      resolvers: { Subscription: { me: { subscribe: async function * (_root: unknown, _args: unknown, { user }: Context) { yield { me: user } } } } } as never,
      path: '/of',
      subscription: { context: (_socket, { raw }) => ({ user: identityOf(raw)?.subject ?? null }) as never }
    }),
    ask: (t, url, WebSocket) => graphql(t, `${url}/of`, WebSocket, 'subscription { me }')
  },
  'graphql-ws': {
    protocol: 'graphql-transport-ws',
    register (scope) {
      scope.get('/of', { websocket: true }, makeHandler({
        schema: buildSchema('type Query { me: String }'),
        roots: { query: { me: (_args: unknown, { user }: Context) => user } },
        context: ({ extra }) => ({ user: identityOf((extra as { request: object }).request)?.subject ?? null })
      }) as never)
    },
    ask: (t, url, WebSocket) => graphql(t, `${url}/of`, WebSocket, '{ me }')
  },
  aedes: {
    protocol: 'mqtt',
    async register (scope) {
      const broker = await Aedes.createBroker({
        authenticate (client: Client & { req?: IncomingMessage }, _name, _password, done) {
          const user = identityOf(client.req)?.subject ?? 'nobody'
          ;(client as { user?: string }).user = user
          done(null as unknown as AuthenticateError, true)
        }
      })
      broker.on('clientReady', client => {
        client.publish({ cmd: 'publish', topic: 'me', payload: (client as { user?: string }).user as string, qos: 0, dup: false, retain: false }, () => {})
      })
      scope.addHook('preClose', done => { broker.close(done) })
      scope.get('/of', { websocket: true }, (socket, { raw }) => { broker.handle(createWebSocketStream(socket) as never, raw) })
    },
    async ask (t, url, WebSocketClass) {
      const client = await connectAsync(`${url}/of`, { reconnectPeriod: 0, createWebsocket: (url: string, protocols: string[]) => new WebSocketClass(url, protocols) } as object, false)
      t.teardown(() => client.endAsync(true))
      return await new Promise(resolve => client.on('message', (_topic, payload) => resolve(String(payload))))
    }
  }
}

async function graphql (t: Test, url: string, webSocketImpl: typeof WebSocket, query: string): Promise<unknown> {
  const client = createClient({ url, webSocketImpl, retryAttempts: 0 })
  t.teardown(() => client.dispose())
  const { value } = await client.iterate<{ me: unknown }>({ query }).next()
  return value.data?.me
}

/** A class of WebSockets that shows a ticket. */
const withTicket = (ticket: string | null): typeof WebSocket => class extends WebSocket {
  constructor (url: string | URL, protocols: string | string[] = []) {
    const offered = [protocols].flat()
    // The carrier comes first on purpose: it must not be what is selected. tRPC offers nothing of its own.
    super(url, ticket === null ? offered : [`ticket.${ticket}`, ...offered.length === 0 ? ['airlock.v1'] : offered])
  }
} as unknown as typeof WebSocket

/** The routes of each library twice, open and guarded, and one of our own. */
async function build (t: Test, order: 'before' | 'after') {
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(wsTickets, { route: false })
  const open = async () => {
    for (const [name, library] of Object.entries(libraries)) await app.register(async scope => { await library.register(scope) }, { prefix: `/open/${name}` })
  }
  if (order === 'before') await open()
  await app.register(wsGuard)
  if (order === 'after') await open()
  for (const [name, library] of Object.entries(libraries)) {
    await app.register(async scope => {
      guardScope(scope, library.protocol === null ? {} : { protocols: [library.protocol] })
      await library.register(scope)
    }, { prefix: `/guarded/${name}` })
  }
  app.get('/own', { websocket: true, preValidation: app.wsGuard() }, (socket, { raw }) => { socket.send(identityOf(raw)?.subject as string) })
  const sockets = new SocketServer()
  sockets.on('connection', socket => { socket.on('me', (text, answer) => answer(text)) })
  attachSocketIo(app, sockets)
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, http: url, url: url.replace('http', 'ws') }
}

async function own (t: Test, url: string, protocols: string[]): Promise<string> {
  const socket = new WebSocket(`${url}/own`, protocols)
  t.teardown(() => socket.terminate())
  return await new Promise((resolve, reject) => socket.on('message', data => resolve(`${socket.protocol} ${String(data)}`)).on('error', reject))
}

async function socketIo (t: Test, http: string, transports: string[]): Promise<unknown> {
  const client = io(http, { transports, reconnection: false, forceNew: true })
  t.teardown(() => client.close())
  return await new Promise((resolve, reject) => {
    client.on('connect_error', reject)
    client.emit('me', transports.join(), resolve)
  })
}

for (const order of ['before', 'after'] as const) {
  t.test(`all on one server, registered ${order} the guard`, async t => {
    const { app, http, url } = await build(t, order)
    const ticket = async () => (await app.wsTickets.issue('alice')).ticket
    const names = Object.keys(libraries)
    // Each leaves the server as the next finds it, whoever comes first.
    for (const first of names) {
      for (const name of [first, ...names.filter(name => name !== first)]) {
        const { ask, protocol } = libraries[name] as Library
        const nobody = name === 'aedes' ? 'nobody' : null
        t.equal(await ask(t, `${url}/open/${name}`, withTicket(null)), nobody, `${name}, open`)
        t.equal(await ask(t, `${url}/guarded/${name}`, withTicket(await ticket())), 'alice', `${name}, guarded`)
        const refused = new WebSocket(`${url}/guarded/${name}/of`, protocol ?? [])
        t.equal(await new Promise(resolve => refused.on('unexpected-response', (_request, { statusCode }) => { resolve(statusCode); refused.terminate() }).on('error', () => {})), 401, `${name}, without a ticket`)
        t.equal(await own(t, url, ['airlock.v1', `ticket.${await ticket()}`]), 'airlock.v1 alice', `a route of our own, after ${name}`)
      }
      for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) t.equal(await socketIo(t, http, transports), transports.join(), `Socket.IO, ${transports.join()}`)
    }
    // What is no upgrade passes guardScope: plain requests need a check of the application's own.
    const client = createTRPCClient<Router>({ links: [httpLink({ url: `${http}/guarded/trpc/of` })] })
    t.equal(await client.me.query(), null, 'tRPC over HTTP')
  })
}
