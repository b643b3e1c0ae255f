import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard from '@fastify-airlock/guard'
import wsTickets from '@fastify-airlock/ticket'
import { HocuspocusProvider, HocuspocusProviderWebsocket } from '@hocuspocus/provider'
import { docs } from '@y/websocket-server/utils'
import { createTRPCClient, createWSClient, httpLink, wsLink } from '@trpc/client'
import Fastify, { type FastifyInstance } from 'fastify'
import { createClient } from 'graphql-ws'
import { connectAsync } from 'mqtt'
import { readFile } from 'node:fs/promises'
import { Server } from 'socket.io'
import { io } from 'socket.io-client'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { graphqlRoutes } from './servers-graphql-ws.js'
import { mercuriusRoutes } from './servers-mercurius.js'
import { mqttRoutes } from './servers-mqtt.js'
import { attachSocketIo } from './servers-socket-io.js'
import { type Router, trpcRoutes } from './servers-trpc.js'
import { yjsRoutes } from './servers-yjs.js'

for (const name of ['trpc', 'graphql-ws', 'mercurius', 'mqtt', 'yjs', 'socket-io']) {
  t.test(`docs/recipes/${name}.md has exactly the code that runs here`, async t => {
    const document = await readFile(new URL(`../../docs/recipes/${name}.md`, import.meta.url), 'utf8')
    const [code] = /^```ts\n.*?^```$/ms.exec(document) ?? []
    t.equal(code, `\`\`\`ts\n${await readFile(new URL(`servers-${name}.ts`, import.meta.url), 'utf8')}\`\`\``)
  })
}

/** All recipes on one server: their routes, in this order or the other, and a route of our own. */
async function build (t: Test, reverse: boolean) {
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(async () => {
    await app.close()
    // Nothing else forgets a document of Yjs, whose timer would keep the process alive.
    for (const doc of docs.values()) doc.destroy()
    docs.clear()
  })
  await app.register(websocket, websocketOptions({ maxPayload: 1024 * 1024 }))
  await app.register(wsGuard)
  await app.register(wsTickets, { route: false })
  const recipes = [trpcRoutes, graphqlRoutes, mercuriusRoutes, mqttRoutes, yjsRoutes]
  for (const recipe of reverse ? recipes.reverse() : recipes) await app.register(recipe)
  app.get('/own', { websocket: true, preValidation: app.wsGuard() }, (socket, { wsIdentity }) => { socket.send(wsIdentity?.subject as string) })
  const sockets = new Server()
  sockets.on('connection', socket => { socket.on('echo', (text, answer) => answer(text)) })
  attachSocketIo(app, sockets)
  const http = await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, http, url: http.replace('http', 'ws') }
}

/** A class of WebSockets that shows a ticket, or none. */
async function shows (app: FastifyInstance, subject: string | null) {
  const ticket = subject === null ? null : (await app.wsTickets.issue(subject)).ticket
  return class extends WebSocket {
    constructor (url: string | URL, protocols?: string | string[]) {
      const offered = [protocols ?? []].flat()
      // The carrier comes first on purpose: it must not be what is selected. tRPC and Yjs offer nothing of their own.
      super(url, ticket === null ? offered : [`ticket.${ticket}`, ...offered.length === 0 ? ['airlock.v1'] : offered])
    }
  } as never
}

async function graphql (t: Test, url: string, webSocketImpl: never, query: string): Promise<unknown> {
  const client = createClient({ url, webSocketImpl, retryAttempts: 0 })
  t.teardown(() => client.dispose())
  const { value } = await client.iterate<{ me: unknown }>({ query }).next()
  return value.data?.me
}

/** A document whose timers end with the test. */
function document (t: Test): Y.Doc {
  const doc = new Y.Doc()
  t.teardown(() => doc.destroy())
  return doc
}

/** What a user sees of each recipe: who the server takes them for, or what they have written. */
const visits: Record<string, (t: Test, url: string, WebSocket: never) => Promise<unknown>> = {
  async trpc (t, url, WebSocket) {
    const client = createWSClient({ url: `${url}/trpc`, WebSocket })
    t.teardown(() => client.close())
    const trpc = createTRPCClient<Router>({ links: [wsLink({ client })] })
    const first = await new Promise((resolve, reject) => {
      const { unsubscribe } = trpc.ticks.subscribe(undefined, { onData (data) { resolve(data); unsubscribe() }, onError: reject })
    })
    t.equal(first, 'alice 0', 'a subscription')
    return await trpc.me.query()
  },
  'graphql-ws': (t, url, WebSocket) => graphql(t, `${url}/graphql`, WebSocket, '{ me }'),
  mercurius: (t, url, WebSocket) => graphql(t, `${url}/mercurius`, WebSocket, 'subscription { me }'),
  async mqtt (t, url, WebSocketClass) {
    const client = await connectAsync(`${url}/mqtt`, { reconnectPeriod: 0, createWebsocket: (url: string, protocols: string[]) => new (WebSocketClass as typeof WebSocket)(url, protocols) } as object, false)
    t.teardown(() => client.endAsync(true))
    const heard = new Promise(resolve => client.on('message', (topic, payload) => resolve(`${topic.split('/')[1] as string}${String(payload)}`)))
    await client.subscribeAsync('users/alice/x')
    await t.rejects(client.subscribeAsync('users/bob/x'), 'not what is of others')
    await client.publishAsync('users/alice/x', '')
    return await heard
  },
  async yjs (t, url, WebSocketPolyfill) {
    const [one, two] = [document(t), document(t)]
    const open = (doc: Y.Doc, WebSocketPolyfill: never) => {
      const provider = new WebsocketProvider(`${url}/yjs`, 'alice-notes', doc, { WebSocketPolyfill, disableBc: true })
      t.teardown(() => provider.destroy())
      return new Promise<void>(resolve => provider.on('sync', () => resolve()))
    }
    const seen = new Promise(resolve => two.getMap('m').observe(() => resolve(two.getMap('m').get('user'))))
    await open(one, WebSocketPolyfill)
    one.getMap('m').set('user', 'alice')
    await open(two, await more())
    return await seen
  },
  async hocuspocus (t, url, WebSocketPolyfill) {
    const socket = new HocuspocusProviderWebsocket({ url: `${url}/hocuspocus`, WebSocketPolyfill })
    t.teardown(() => socket.destroy())
    const synced = (name: string) => new Promise((resolve, reject) => {
      const provider = new HocuspocusProvider({ websocketProvider: socket, name, document: document(t), onSynced: () => resolve('alice'), onClose: () => reject(new Error('closed')) })
      t.teardown(() => provider.destroy())
      provider.attach()
    })
    return await synced('alice-notes')
  }
}

/** The status with which an upgrade is refused. */
async function refusal (url: string, protocols: string[] = []): Promise<unknown> {
  const socket = new WebSocket(url, protocols)
  return await new Promise((resolve, reject) => {
    socket.on('unexpected-response', (_request, { statusCode }) => { resolve(statusCode); socket.terminate() }).on('open', () => reject(new Error('open'))).on('error', () => {})
  })
}

/** Makes one more class with a ticket of alice, for a second client of a visit. */
let more: () => Promise<never>

for (const reverse of [false, true]) {
  t.test(`all recipes on one server${reverse ? ', registered the other way around' : ''}`, async t => {
    const { app, http, url } = await build(t, reverse)
    more = () => shows(app, 'alice')
    const socketIo = async (transport: string) => {
      const client = io(http, { transports: [transport], reconnection: false, forceNew: true })
      t.teardown(() => client.close())
      return await new Promise((resolve, reject) => { client.on('connect_error', reject).emit('echo', transport, resolve) })
    }
    for (let round = 0; round < 2; round++) {
      for (const [name, visit] of Object.entries(visits)) {
        t.equal(await visit(t, url, await shows(app, 'alice')), 'alice', name)
        const { ticket } = await app.wsTickets.issue('bob')
        const own = new WebSocket(`${url}/own`, ['airlock.v1', `ticket.${ticket}`])
        t.teardown(() => own.terminate())
        t.equal(await new Promise((resolve, reject) => own.on('message', data => resolve(`${own.protocol} ${String(data)}`)).on('error', reject)), 'airlock.v1 bob', 'our own route')
      }
      for (const transport of ['polling', 'websocket']) t.equal(await socketIo(transport), transport, 'Socket.IO')
    }
    for (const path of ['/trpc', '/graphql', '/mercurius', '/mqtt', '/yjs/alice-notes', '/hocuspocus', '/own']) {
      t.equal(await refusal(url + path), 401, `${path} without a ticket`)
    }
    const { ticket } = await app.wsTickets.issue('bob')
    t.equal(await refusal(`${url}/yjs/alice-notes`, ['airlock.v1', `ticket.${ticket}`]), 403, 'a document of somebody else')
    t.equal(await refusal(`${url}/yjs/bob-notes`, ['airlock.v1', `ticket.${ticket}`]), 401, 'for which the ticket is spent')
    // Over HTTP nobody has shown anything.
    const overHttp = createTRPCClient<Router>({ links: [httpLink({ url: `${http}/trpc` })] })
    t.match(await overHttp.me.query().catch((error: unknown) => error), { data: { code: 'UNAUTHORIZED' } })
  })
}

t.test('Socket.IO by a ticket, as its recipe says', async t => {
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(wsGuard)
  await app.register(wsTickets, { route: false })
  const sockets = new Server()
  const document = await readFile(new URL('../../docs/recipes/socket-io.md', import.meta.url), 'utf8')
  const [, use] = /^```js\n(sockets\.use\(.*?)^```$/ms.exec(document) as unknown as [string, string]
  new Function('app', 'sockets', use)(app, sockets) // eslint-disable-line no-new-func
  sockets.on('connection', socket => { socket.on('me', answer => answer(socket.data.identity.subject)) })
  attachSocketIo(app, sockets)
  const http = await app.listen({ port: 0, host: '127.0.0.1' })
  const { ticket } = await app.wsTickets.issue('alice')
  const enter = async (auth: object, transports: string[]) => {
    const client = io(http, { auth, transports, reconnection: false, forceNew: true })
    t.teardown(() => client.close())
    return await new Promise(resolve => { client.on('connect_error', ({ message }) => resolve(message)).emit('me', resolve) })
  }
  t.equal(await enter({ ticket }, ['websocket']), 'alice')
  t.equal(await enter({ ticket }, ['websocket']), 'Sign in again', 'it was used')
  t.equal(await enter({ ticket: (await app.wsTickets.issue('bob')).ticket }, ['polling']), 'bob')
  for (const ticket of [undefined, null, 1, '', 'invented', {}]) t.equal(await enter({ ticket }, ['websocket']), 'Sign in again', String(ticket))
})
