import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsHandshake from '@fastify-airlock/handshake'
import { retryAfterClose } from '@fastify-airlock/protocol'
import { createTRPCClient, createWSClient, wsLink } from '@trpc/client'
import { docs, setupWSConnection } from '@y/websocket-server/utils'
import Fastify from 'fastify'
import { createClient } from 'graphql-ws'
import PartySocket from 'partysocket/ws'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { serve, until } from './clients-doors.js'
import type { Router } from './servers-trpc.js'

/** What section 12 of the protocol advises, where a library has a socket of its own. */

/** Long enough for each of the libraries to come back, with the waits that it is given. */
const QUIET_MS = 500

/** A class that tells how its sockets end. */
function watched () {
  const ends: number[] = []
  class Watched extends WebSocket {
    constructor (...args: ConstructorParameters<typeof WebSocket>) {
      super(...args)
      this.on('error', () => {}).on('close', code => { ends.push(code) })
    }
  }
  return { Watched: Watched as any, ends }
}

const mayReturn = ({ code }: { code: number }): boolean => retryAfterClose(code) !== 'never'

const deciding: Record<string, (t: Test, url: string, WebSocket: any) => void> = {
  'y-websocket, shouldReconnect' (t, url, WebSocketPolyfill) {
    const doc = new Y.Doc()
    const provider = new WebsocketProvider(url, 'room', doc, { WebSocketPolyfill, disableBc: true, maxBackoffTime: 40, shouldReconnect: mayReturn })
    t.teardown(() => { provider.destroy(); doc.destroy() })
  },
  'partysocket, shouldReconnectOnClose' (t, url, WebSocket) {
    const socket = new PartySocket(url, [], { WebSocket, minReconnectionDelay: 10, maxReconnectionDelay: 40, connectionTimeout: 60_000, shouldReconnectOnClose: mayReturn })
    t.teardown(() => socket.close())
  }
}

for (const [name, start] of Object.entries(deciding)) {
  t.test(`${name}: a library that decides by the code does at each what section 8 says`, async t => {
    await Promise.all([1000, 1001, 1009, 1012, 1013, 4400, 4401, 4403, 4408, 4409, 4410, 4413, 4429, 4500].map(async code => {
      const server = await serve(t, { handler: () => {} })
      start(t, server.bare, watched().Watched)
      await until(() => server.seen.connections === 1)
      server.closeAll(code, 'told')
      if (mayReturn({ code })) {
        await until(() => server.seen.connections === 2)
        t.pass(`${code}: comes back`)
      } else {
        await new Promise(resolve => setTimeout(resolve, QUIET_MS))
        t.equal(server.seen.connections, 1, `${code}: stays away`)
      }
    }))
  })
}

t.test('graphql-ws gives up when the server is away, unless shouldRetry says otherwise', async t => {
  for (const shouldRetry of [undefined, () => true]) {
    const { Watched, ends } = watched()
    const client = createClient({ url: 'ws://127.0.0.1:9', webSocketImpl: Watched, retryAttempts: 3, retryWait: async () => {}, ...shouldRetry && { shouldRetry } })
    await t.rejects(client.iterate({ query: '{ me }' }).next())
    t.equal(ends.length, shouldRetry ? 4 : 1)
    await client.dispose()
  }
})

t.test('a library that sends at once is closed with 4400 at door two', async t => {
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(wsHandshake, { jwt: { verify: () => ({}) } })
  app.get('/ws', { websocket: true }, app.wsHandshake(() => { t.fail('nobody is let in') }))
  const http = await app.listen({ port: 0, host: '127.0.0.1' })
  const { Watched, ends } = watched()
  const client = createWSClient({ url: `${http.replace('http', 'ws')}/ws`, WebSocket: Watched, retryDelayMs: () => 20 })
  t.teardown(() => { client.close().catch(() => {}) })
  createTRPCClient<Router>({ links: [wsLink({ client })] }).me.query().catch(() => {})
  await until(() => ends.length > 0)
  t.equal(ends[0], 4400)
})

t.test('a document of Yjs that is larger than maxPayload ends with 1009, again and again', async t => {
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(async () => {
    await app.close()
    for (const doc of docs.values()) doc.destroy()
    docs.clear()
  })
  await app.register(websocket, websocketOptions())
  app.get('/yjs/:room', { websocket: true }, (socket, { raw }) => { setupWSConnection(socket as never, raw as never, { docName: 'room' }) })
  const http = await app.listen({ port: 0, host: '127.0.0.1' })
  const { Watched, ends } = watched()
  const doc = new Y.Doc()
  doc.getText('text').insert(0, 'x'.repeat(70_000))
  const provider = new WebsocketProvider(`${http.replace('http', 'ws')}/yjs`, 'room', doc, { WebSocketPolyfill: Watched, disableBc: true, maxBackoffTime: 20 })
  t.teardown(() => { provider.destroy(); doc.destroy() })
  await until(() => ends.length >= 3)
  t.same(ends.slice(0, 3), [1009, 1009, 1009])
})
