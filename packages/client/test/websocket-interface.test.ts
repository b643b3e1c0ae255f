import type { WsHandler } from '@fastify-airlock/handshake'
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket as Undici } from 'undici'
import { WebSocketServer, WebSocket as Ws, type WebSocket } from 'ws'
import { createWebSocketClass as forBrowsers, type AirlockWebSocketClass } from '../src/websocket.js'
import { createWebSocketClass as forNode } from '../src/websocket-node.js'
import { implementations, serve } from './server.js'
import { rows, type Place } from './websocket-table.js'

/** Echoes, and ends the connection when it is told to. */
function obey (socket: WebSocket): void {
  socket.on('message', (data, isBinary) => {
    const [word, code, reason] = String(data).split(' ')
    if (word === 'close') socket.close(Number(code), reason)
    else if (word === 'cut') socket.terminate()
    else if (word === 'reset') (socket as unknown as { _socket: Socket })._socket.resetAndDestroy()
    else socket.send(data, { binary: isBinary })
  })
}

function place (of: unknown, url: string): Place {
  const Class = of as AirlockWebSocketClass
  return {
    Class,
    url,
    async open (protocols = []) {
      const socket = new Class(url, protocols)
      await once(socket, 'open')
      return socket
    }
  }
}

/** The same rows on sockets that are not ours show that they say what is. */
async function bare (t: Test, Class: unknown): Promise<Place> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'airlock.v1' })
  server.on('connection', obey)
  await once(server, 'listening')
  t.teardown(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  return place(Class, `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`)
}

/** Ours, on sockets of others, behind both doors. */
async function ours (t: Test, create: typeof forBrowsers, implementation: string): Promise<Place> {
  const { app, port } = await serve(t, { handler: obey as WsHandler, hub: { maxConnectionsPerSubject: 1_000 } as never })
  const base = `http://127.0.0.1:${port}`
  let jti = 0
  const sign = (): string => app.jwt.sign({ sub: 'alice', jti: `${jti++}` }, { expiresIn: 60 })
  const Class = create({
    getTicket: ({ signal }) => fetch(`${base}/ws/ticket`, { method: 'POST', headers: { authorization: `Bearer ${sign()}` }, signal }),
    getToken: sign,
    WebSocket: implementations[implementation]!(base),
    reconnect: { min: 1, max: 1 }
  })
  return place(Class, `ws://127.0.0.1:${port}/ws`)
}

const places: Record<string, (t: Test) => Promise<Place>> = {
  ws: async t => await bare(t, Ws),
  undici: async t => await bare(t, Undici),
  'ours on ws': async t => await ours(t, forBrowsers, 'ws'),
  'ours on undici 7': async t => await ours(t, forBrowsers, 'undici 7'),
  'ours on undici 6': async t => await ours(t, forBrowsers, 'undici 6'),
  'ours in Node on ws': async t => await ours(t, forNode as typeof forBrowsers, 'ws')
}

for (const [name, build] of Object.entries(places)) {
  t.test(`the interface of WHATWG WebSockets, ${name}`, async t => {
    const at = await build(t)
    for (const { says, run, expected, except, skip } of rows) {
      if (skip?.includes(name)) continue
      const other = except !== undefined && Object.hasOwn(except, name) ? except[name as 'ws'] : expected
      let got
      try {
        got = await run(at)
      } catch (error) {
        got = (error as Error).name
      }
      t.same(got, other, says)
    }
  })
}
