import type { FastifyInstance } from 'fastify'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Server } from 'socket.io'

type OnUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/**
 * Attaches Socket.IO to the server of Fastify. Each upgrade goes to one of them, by its path: both would answer, and
 * Socket.IO would end upgrades of others that take longer than a second. Call it after all plugins are registered.
 */
export function attachSocketIo (app: FastifyInstance, sockets: Server, path = '/socket.io/'): void {
  const { server } = app
  const others = server.listeners('upgrade') as OnUpgrade[]
  server.removeAllListeners('upgrade')
  sockets.attach(server, { path, destroyUpgrade: false })
  const theirs = server.listeners('upgrade') as OnUpgrade[]
  server.removeAllListeners('upgrade')
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    for (const listener of request.url?.startsWith(path) ? theirs : others) listener.call(server, request, socket, head)
  })
  app.addHook('preClose', done => { sockets.close(() => done()) })
}
