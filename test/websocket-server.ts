import type { Socket } from 'node:net'
import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsTickets from '@fastify-airlock/ticket'
import Fastify from 'fastify'
import type { Test } from 'tap'
import type { WebSocket } from 'ws'

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

/** A server for the table of the interface: `/ws` behind both doors, `/bare/ws` without any, JWTs at `POST /token`, and a page. */
export async function serveRows (t: Test, script = '') {
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(wsGuard)
  await app.register(fastifyJwt, { secret: 'a secret for tests that is long enough' })
  await app.register(wsTickets)
  await app.register(wsHandshake)
  app.post('/token', async () => app.jwt.sign({ sub: 'alice' }, { expiresIn: 600 }))
  app.get('/', async (_request, reply) => reply.type('text/html').send('<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>rows</title><script type="module" src="/page.js"></script>'))
  app.get('/page.js', async (_request, reply) => reply.type('text/javascript').send(script))
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake(obey))
  app.get('/bare/ws', { websocket: true }, obey)
  return await app.listen({ port: 0, host: '127.0.0.1' })
}

/** For any runtime: makes the class, and runs the table on it or on the platform's own. */
export const SCRIPT = `
  import { createWebSocketClass } from '@fastify-airlock/client/websocket'
  import { runRows } from './websocket-rows.js'

  globalThis.runOn = async (origin, isOwn, otherwise) => {
    const getToken = async () => await (await fetch(origin + '/token', { method: 'POST' })).text()
    const Class = isOwn
      ? createWebSocketClass({
        getTicket: async ({ signal }) => fetch(origin + '/ws/ticket', { method: 'POST', headers: { authorization: 'Bearer ' + await getToken() }, signal }),
        getToken,
        reconnect: { min: 1, max: 1 }
      })
      : WebSocket
    return await runRows(Class, origin.replace('http', 'ws') + (isOwn ? '/ws' : '/bare/ws'), otherwise)
  }`
