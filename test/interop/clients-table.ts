import { ApolloClient, gql, InMemoryCache } from '@apollo/client'
import { GraphQLWsLink } from '@apollo/client/link/subscriptions'
import { closeMaps, type CloseMap } from '@fastify-airlock/client/websocket'
import type { WsHandler } from '@fastify-airlock/handshake'
import { HocuspocusProvider, HocuspocusProviderWebsocket } from '@hocuspocus/provider'
import { Hocuspocus } from '@hocuspocus/server'
import { createTRPCClient, createWSClient, wsLink } from '@trpc/client'
import { initTRPC } from '@trpc/server'
import { getWSConnectionHandler } from '@trpc/server/adapters/ws'
import { Client as UrqlClient, subscriptionExchange } from '@urql/core'
import { docs, setupWSConnection } from '@y/websocket-server/utils'
import { Aedes } from 'aedes'
import { buildSchema } from 'graphql'
import { createClient } from 'graphql-ws'
import { makeHandler } from 'graphql-ws/use/@fastify/websocket'
import { connect as connectMqtt } from 'mqtt'
import type { Test } from 'tap'
import PartySocket from 'partysocket/ws'
import Reconnecting from 'reconnecting-websocket'
import { createWebSocketStream } from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { until } from './clients-doors.js'

/** A client that has been started. */
export interface Running {
  /** Sends something through the library to the server and back. Resolves when it has arrived. */
  exchange (): Promise<void>
  stop (): unknown
}

/** A client library, and a server for it. */
export interface Row {
  protocols?: string[]
  /** The map that its users should take. */
  mapClose: CloseMap
  /** Makes the server's part, anew for each test. */
  handler (t: Test): WsHandler
  start (url: string, WebSocket: any): Running
}

let names = 0
const unique = (): string => `name-${names++}`
const wait = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))

const echo = (): WsHandler => socket => { socket.on('message', (data, isBinary) => { socket.send(data as Buffer, { binary: isBinary }) }) }

function graphqlHandler (): WsHandler {
  const schema = buildSchema('type Query { hello: String } type Subscription { ticks: Int }')
  const ticks = async function * () {
    for (let n = 0; ; n++) {
      yield { ticks: n }
      await wait(5)
    }
  }
  return makeHandler({ schema, roots: { query: { hello: () => 'world' }, subscription: { ticks } } }) as unknown as WsHandler
}

const graphqlClient = (url: string, webSocketImpl: unknown) => createClient({ url, webSocketImpl, retryWait: () => wait(20), retryAttempts: 1_000 })

/** Both kinds of classes that reconnect around a socket. */
function reconnecting (Class: typeof PartySocket | typeof Reconnecting): Row['start'] {
  return (url, WebSocket) => {
    const socket = new (Class as typeof PartySocket)(url, [], { WebSocket, minReconnectionDelay: 10, maxReconnectionDelay: 40, connectionTimeout: 60_000 })
    return {
      async exchange () {
        await insist(() => new Promise<void>(resolve => {
          const text = unique()
          socket.addEventListener('message', ((event: MessageEvent) => { if (event.data === text) resolve() }) as never)
          socket.send(text)
        }))
      },
      stop () { socket.close() }
    }
  }
}

/** Repeats an exchange that may have been lost with a connection until one succeeds, as its user would. */
async function insist (exchange: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await Promise.race([exchange(), wait(2_000).then(() => { throw new Error('lost') })])
      return
    } catch {
      await wait(5)
    }
  }
}

/** The library under Node's entry of mqtt.js, which wants a socket of `ws`, or under the one for browsers. */
function mqtt (forceNativeWebSocket: boolean): Row {
  return {
    protocols: ['mqtt'],
    mapClose: closeMaps.any,
    handler (t) {
      t.teardown(async () => { (await broker)?.close() })
      let broker: Promise<Aedes> | undefined
      return (socket, request) => {
        broker ??= Aedes.createBroker()
        const stream = createWebSocketStream(socket)
        broker.then(aedes => aedes.handle(stream as never, request.raw)).catch(() => { stream.destroy() })
      }
    },
    start (url, WebSocket) {
      const client = connectMqtt(url, {
        reconnectPeriod: 20,
        forceNativeWebSocket,
        createWebsocket: (url, protocols) => new WebSocket(url, protocols)
      })
      client.on('error', () => {})
      const topic = unique()
      const arrived = new Set<string>()
      client.on('message', (_topic, message) => { arrived.add(String(message)) })
      client.subscribe(topic)
      return {
        async exchange () {
          const text = unique()
          await insist(async () => {
            client.publish(topic, text)
            await until(() => arrived.has(text))
          })
        },
        stop: () => client.endAsync(true)
      }
    }
  }
}

const t = initTRPC.create()
const router = t.router({
  hello: t.procedure.query(() => 'world'),
  ticks: t.procedure.subscription(async function * () {
    for (let n = 0; ; n++) {
      yield n
      await wait(5)
    }
  })
})

const graphql = { protocols: ['graphql-transport-ws'], mapClose: closeMaps.graphqlWs, handler: graphqlHandler }

/** The libraries, by name. */
export const rows: Record<string, Row> = {
  'graphql-ws': {
    ...graphql,
    start (url, WebSocket) {
      const client = graphqlClient(url, WebSocket)
      // Something to stay connected for.
      const unsubscribe = client.subscribe({ query: 'subscription { ticks }' }, { next () {}, error () {}, complete () {} })
      return {
        exchange: () => insist(async () => {
          const { value } = await client.iterate({ query: '{ hello }' }).next()
          if (value.data?.hello !== 'world') throw new Error('no answer')
        }),
        async stop () {
          unsubscribe()
          await client.dispose()
        }
      }
    }
  },
  'Apollo client': {
    ...graphql,
    start (url, WebSocket) {
      const socket = graphqlClient(url, WebSocket)
      const client = new ApolloClient({ link: new GraphQLWsLink(socket), cache: new InMemoryCache() })
      const subscription = client.subscribe({ query: gql`subscription { ticks }` }).subscribe({ next () {}, error () {} })
      return {
        exchange: () => insist(async () => {
          const { data } = await client.query<{ hello: string }>({ query: gql`{ hello }`, fetchPolicy: 'network-only' })
          if (data?.hello !== 'world') throw new Error('no answer')
        }),
        async stop () {
          subscription.unsubscribe()
          client.stop()
          await socket.dispose()
        }
      }
    }
  },
  urql: {
    ...graphql,
    start (url, WebSocket) {
      const socket = graphqlClient(url, WebSocket)
      const client = new UrqlClient({
        url: 'http://127.0.0.1:1/unused',
        preferGetMethod: false,
        exchanges: [subscriptionExchange({
          forwardSubscription: ({ query = '', ...rest }) => ({ subscribe: sink => ({ unsubscribe: socket.subscribe({ ...rest, query } as never, sink as never) }) })
        })]
      })
      let ticks = 0
      const { unsubscribe } = client.subscription('subscription { ticks }', {}).subscribe(({ data }) => { if (data !== undefined) ticks++ })
      return {
        async exchange () {
          const before = ticks
          await until(() => ticks > before)
        },
        async stop () {
          unsubscribe()
          await socket.dispose()
        }
      }
    }
  },
  'tRPC wsLink': {
    mapClose: closeMaps.any,
    handler () {
      // The type asks for a server of `ws`, of which the handler of a connection needs nothing.
      const onConnection = getWSConnectionHandler({ router, createContext: () => ({}) } as never)
      return (socket, request) => { onConnection(socket, request.raw) }
    },
    start (url, WebSocket) {
      const socket = createWSClient({ url, WebSocket, retryDelayMs: () => 20 })
      const client = createTRPCClient<typeof router>({ links: [wsLink({ client: socket })] })
      const subscription = client.ticks.subscribe(undefined, { onError () {} })
      return {
        exchange: () => insist(async () => { if (await client.hello.query() !== 'world') throw new Error('no answer') }),
        stop () {
          subscription.unsubscribe()
          // It waits for a socket that is about to open.
          socket.close().catch(() => {})
        }
      }
    }
  },
  'y-websocket': {
    mapClose: closeMaps.yWebsocket,
    handler: t => {
      // They keep the process alive.
      t.teardown(() => { for (const doc of docs.values()) doc.destroy() })
      return (socket, request) => { setupWSConnection(socket as never, request.raw as never, { docName: request.url.split('/').at(-1) as string }) }
    },
    start (url, WebSocket) {
      const doc = new Y.Doc()
      const room = unique()
      const provider = new WebsocketProvider(url, room, doc, { WebSocketPolyfill: WebSocket, disableBc: true, maxBackoffTime: 40 })
      return {
        async exchange () {
          const key = unique()
          doc.getMap('map').set(key, 1)
          await until(() => docs.get(room)?.getMap('map').has(key) === true)
        },
        stop () {
          provider.destroy()
          doc.destroy()
        }
      }
    }
  },
  'Hocuspocus provider': {
    mapClose: closeMaps.any,
    handler () {
      const server = new Hocuspocus({ quiet: true, debounce: 0 })
      return (socket, request) => { server.handleConnection(socket as never, request.raw) }
    },
    start (url, WebSocket) {
      const document = new Y.Doc()
      const socket = new HocuspocusProviderWebsocket({ url, WebSocketPolyfill: WebSocket, delay: 20, minDelay: 10, maxDelay: 40 })
      const provider = new HocuspocusProvider({ websocketProvider: socket, name: unique(), document })
      provider.attach()
      return {
        async exchange () {
          document.getMap('map').set(unique(), 1)
          await until(() => provider.isSynced && !provider.hasUnsyncedChanges)
        },
        stop () {
          provider.destroy()
          socket.destroy()
        }
      }
    }
  },
  'mqtt.js': mqtt(false),
  'mqtt.js, as in browsers': mqtt(true),
  partysocket: { mapClose: closeMaps.any, handler: echo, start: reconnecting(PartySocket) },
  'reconnecting-websocket': { mapClose: closeMaps.any, handler: echo, start: reconnecting(Reconnecting) }
}
