import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { createWebSocketClass, type CloseMap } from '@fastify-airlock/client/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard from '@fastify-airlock/guard'
import wsHandshake, { type WsHandler } from '@fastify-airlock/handshake'
import wsTickets from '@fastify-airlock/ticket'
import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { WebSocket } from 'ws'

/** What a server does when it is not closed by a test. */
export interface Route {
  /** Subprotocols of the library. */
  protocols?: string[]
  handler: WsHandler
}

/** A server that has a route behind both doors and one without, and counts what arrives at them. */
export async function serve (t: Test, route: Route) {
  const seen = { tickets: 0, connections: 0 }
  /** The sockets that are past the doors. */
  const sockets = new Set<WebSocket>()
  /** What each new connection is closed with, if anything, as soon as it is past the doors. */
  let closeWith: { code: number, reason: string } | undefined
  let current: Awaited<ReturnType<typeof start>>

  async function start (port: number) {
    const app = Fastify({ forceCloseConnections: true })
    await app.register(websocket, websocketOptions({ maxPayload: 1_048_576 }))
    await app.register(wsGuard)
    await app.register(fastifyJwt, { secret: 'a secret for tests that is long enough' })
    await app.register(wsTickets)
    await app.register(wsHandshake)
    app.addHook('onRequest', async request => { if (request.method === 'POST') seen.tickets++ })
    const handler: WsHandler = function (socket, request) {
      seen.connections++
      sockets.add(socket)
      socket.on('close', () => { sockets.delete(socket) })
      if (closeWith) return socket.close(closeWith.code, closeWith.reason)
      return route.handler.call(this, socket, request)
    }
    const preValidation = app.wsGuard(route.protocols ? { protocols: route.protocols } : {})
    // Yjs appends the name of the room to the path.
    for (const path of ['/ws', '/ws/*']) app.get(path, { websocket: true, preValidation }, app.wsHandshake(handler))
    for (const path of ['/bare', '/bare/*']) app.get(path, { websocket: true }, handler as never)
    await app.listen({ port, host: '127.0.0.1' })
    return app
  }

  current = await start(0)
  t.teardown(() => current.close())
  const { port } = current.server.address() as AddressInfo
  const base = `http://127.0.0.1:${port}`
  let jti = 0
  const sign = (): string => current.jwt.sign({ sub: 'alice', jti: `${jti++}` }, { expiresIn: 60 })

  return {
    seen,
    sockets,
    url: `ws://127.0.0.1:${port}/ws`,
    bare: `ws://127.0.0.1:${port}/bare`,
    /** The class that the library is given, and the errors that the application is told of. */
    socketClass (mapClose?: CloseMap) {
      const errors: Array<{ code: string, closeCode: number | undefined, final: boolean }> = []
      const Class = createWebSocketClass({
        getTicket: ({ signal }) => fetch(`${base}/ws/ticket`, { method: 'POST', headers: { authorization: `Bearer ${sign()}` }, signal }),
        getToken: () => sign(),
        WebSocket,
        mapClose,
        reconnect: { min: 10, max: 40 },
        onError: ({ code, closeCode, final }) => { errors.push({ code, closeCode, final }) }
      })
      return { Class, errors }
    },
    /** Closes every connection, as the server does. */
    closeAll (code: number, reason = '') {
      for (const socket of sockets) socket.close(code, reason)
    },
    /** From now on, closes each connection as soon as it is past the doors. */
    refuse (code: number, reason = '') { closeWith = { code, reason } },
    admit () { closeWith = undefined },
    async restart () {
      await current.close()
      current = await start(port)
    }
  }
}

/** Waits until `condition` is true. If it never is, the test times out. */
export async function until (condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!await condition()) await new Promise(resolve => setTimeout(resolve, 5))
}
