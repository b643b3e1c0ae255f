import type { FastifyInstance } from 'fastify'
import type { EventEmitter } from 'node:events'
import type http from 'node:http'
import type { Socket } from 'node:net'
import tls from 'node:tls'

/** How long each server that closes waits for its requests, in milliseconds; 0 for no limit. */
const limits = new WeakMap<object, number>()

/**
 * Ends the requests that are under way some time after `app.close()`. Node looks at no time limit any more by then: one that
 * comes byte by byte, or whose answer is read like that, would hold the close. WebSockets are left to who closes them.
 *
 * @param after in milliseconds; 0 for no limit. A later call for the same server replaces it
 * @throws FST_ERR_INSTANCE_ALREADY_LISTENING when the server has started, and nobody has called this before
 */
export function endRequests (fastify: FastifyInstance, after: number): void {
  const server = fastify.server as EventEmitter & Partial<http.Server>
  if (!limits.has(server)) {
    const cut = typeof server.closeAllConnections === 'function' ? () => { server.closeAllConnections?.() } : followConnections(server)
    fastify.addHook('preClose', done => {
      endAt(server, limits.get(server) as number, cut)
      done()
    })
  }
  limits.set(server, after)
}

function endAt (server: EventEmitter, after: number, cut: () => void): void {
  if (after === 0) return
  const timer = setTimeout(() => {
    cut()
    // It may be listening still, while other plugins close.
    server.on('connection', destroy)
  }, after)
  timer.unref()
  server.once('close', () => { clearTimeout(timer) })
}

/** Follows the connections of a server that cannot close all of them by itself: that of HTTP/2 on some versions of Node. */
function followConnections (server: EventEmitter): () => void {
  const sockets = new Set<Socket>()
  const forget = function (this: Socket): void { sockets.delete(this) }
  // With TLS, a request and an upgrade have the second of the two sockets.
  server.on(server instanceof tls.Server ? 'secureConnection' : 'connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', forget)
  })
  server.on('upgrade', (_request, socket: Socket) => {
    sockets.delete(socket)
    socket.off('close', forget)
  })
  return () => { sockets.forEach(destroy) }
}

function destroy (socket: Socket): void {
  socket.destroy()
}
