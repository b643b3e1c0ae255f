import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import type { WebSocket, WebSocketServer } from 'ws'

/*
 * Parts of ws 8.23, @fastify/websocket 11.3 and Node 20 to 26 that they do not document. Each use says what happens
 * without it: nothing but speed or memory ever depends on one.
 */

/** What `ws` keeps of a connection. */
interface Connection {
  _closeFrameReceived?: boolean
  _receiver?: Writable
  _socket?: Writable
}

// Registered symbols, since an application may hold several copies of this package.
const endsOnce = Symbol.for('airlock ends streams once')

type WebSocketClass = typeof WebSocket & { [endsOnce]?: boolean }

/**
 * Makes the server's sockets end their streams once. At an orderly close `ws` ends its receiver twice more and the TCP
 * socket once more, and Node makes an error with a stack each time, which nobody sees: 7 to 14 % of what a short
 * connection costs. Without the private members the streams are ended as before.
 *
 * A second call for the same server does nothing.
 */
export function endStreamsOnce ({ options }: WebSocketServer): void {
  const Base = options.WebSocket as WebSocketClass
  if (Base[endsOnce] === true) return
  options.WebSocket = class extends Base {
    static override readonly [endsOnce] = true

    override close (code?: number, data?: string | Buffer): void {
      super.close(code, data)
      // Before the peer's close frame all calls of `end` are first ones.
      const { _closeFrameReceived, _receiver, _socket } = this as unknown as Connection
      if (_closeFrameReceived !== true || _receiver === undefined || _socket === undefined) return
      _receiver.end = _socket.end = endOnce as Writable['end']
    }
  }
}

function endOnce (this: Writable, ...given: unknown[]): Writable {
  // A caller that gives something, be it a callback, gets Node's own answer.
  if (this.writableEnded && given.length === 0) return this
  return Object.getPrototypeOf(this).end.apply(this, given)
}

/** The key under which `@fastify/websocket` keeps the packet that the upgrade came in. */
let head: symbol | undefined

/** On the options of a `WebSocketServer`: whether errors of its sockets are handled as `websocketOptions()` has it. */
export const handlesErrors = Symbol.for('airlock handles errors')

/**
 * Lets go of what `@fastify/websocket` keeps of an upgrade for as long as its WebSocket is open: the response, the
 * reply, the request and the packet that it came in, two thirds of the memory of an idle connection. Nothing is taken
 * out of the request: it lives on, whole, for whoever holds it. Call it first of all in the handler of the route.
 *
 * Without these members, or with an error handler of the application, all stays as it was.
 *
 * @param onError takes the place of the plugin's own listener, which does the same and holds request and reply
 */
export function letGoOfUpgrade (
  socket: WebSocket, request: FastifyRequest, server: WebSocketServer, onError: (this: WebSocket, error: Error) => void
): void {
  const raw = request.raw as typeof request.raw & Record<symbol, unknown>
  // There is none with injectWS.
  const tcp = raw.socket as (Socket & { _httpMessage?: ServerResponse | null }) | undefined
  tcp?._httpMessage?.detachSocket(tcp)
  head ??= Object.getOwnPropertySymbols(raw).find(({ description }) => description === 'ws-head')
  if (head !== undefined) raw[head] = undefined
  if ((server.options as { [handlesErrors]?: boolean })[handlesErrors] !== true) return
  // The plugin adds its listener right before it calls the handler, after all others.
  const theirs = socket.listeners('error').at(-1) as ((error: Error) => void) | undefined
  if (theirs === undefined) return
  socket.off('error', theirs)
  socket.on('error', onError)
}
