import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { WebsocketPluginOptions } from '@fastify/websocket'
import { CLOSE_TIMEOUT_MS, CloseCode, FLUSH_TIMEOUT_MS } from '@fastify-airlock/protocol'
import { WebSocket, type WebSocketServer } from 'ws'
import { Closer } from './close.js'
import { closingSockets } from './closing-sockets.js'
import { handlesErrors, isOfReceiver, usesPublicWay } from './internals.js'
import { SetUp } from './set-up.js'
import { noteEnding } from './trail.js'

/** The close reason of a shutdown. */
const RESTART = 'service restart'

const kOptions = Symbol.for('airlock.websocketOptions')

/** The code of the warning about a server without {@link websocketOptions}. */
export const NO_LIMITS = 'WSA_CORE_WARN_WEBSOCKET_OPTIONS'

/** Warns at the start if the server of `@fastify/websocket` was registered without {@link websocketOptions}. */
export function checkWebsocketOptions (fastify: FastifyInstance, { options }: WebSocketServer): void {
  if (kOptions in options) return
  const setUp = SetUp.of(fastify)
  setUp.check(() => setUp.warn(
    NO_LIMITS,
    '@fastify/websocket was registered without websocketOptions(), so a message may have 100 MiB, a close takes up to 30 s, and a shutdown tells clients nothing: await app.register(websocket, websocketOptions())'
  ))
}

type ErrorHandler = NonNullable<WebsocketPluginOptions['errorHandler']>

/** What {@link websocketOptions} lets you change. */
export interface WebsocketOptionsInput {
  /**
   * Largest message in bytes; a longer one closes with 1009.
   * @default 65536
   */
  maxPayload?: number
  /**
   * Time a peer has to answer a close frame, in milliseconds, from the call of `close()` where nothing else waits for the
   * peer, else from when the frame has gone out. `ws` alone waits 30 s from the call.
   * @default 2000
   */
  closeTimeout?: number
  /**
   * Time in which what was sent before a close, and the close frame, have to go out, in milliseconds.
   * @default 120000
   */
  flushTimeout?: number
  /**
   * Time after which a shutdown terminates those that are left, in milliseconds; at least `closeTimeout` after the hub has
   * been drained. Fastify gives a `preClose` hook 10 s (`pluginTimeout`).
   * @default 8000
   */
  shutdownTimeout?: number
  /**
   * Called for every error of an open socket, and for what a handler throws. It receives request and reply, so both stay
   * in memory as long as the connection: about 2 KiB more for each.
   * @default terminates the socket and logs the error; of what a peer sent wrong, one line at level `info` with the code
   * of `ws`
   */
  errorHandler?: ErrorHandler
}

/** The hub closes its own connections over some time, before the rest is closed. */
interface Drainable {
  wsHub?: { drain? (): Promise<void> }
}

/**
 * Options for `@fastify/websocket` that suit an authenticated server: a payload limit (OWASP WebSocket cheat sheet),
 * no compression of secrets, a close that neither hangs nor cuts off what was sent before it, and a shutdown that tells clients to come back: 1012 where
 * the plugin's own default closes without a code. A hub is drained first.
 *
 * @example
 * await app.register(websocket, websocketOptions())
 */
export function websocketOptions (
  {
    maxPayload = 64 * 1024, closeTimeout = CLOSE_TIMEOUT_MS, flushTimeout = FLUSH_TIMEOUT_MS, shutdownTimeout = 8_000, errorHandler
  }: WebsocketOptionsInput = {}
): WebsocketPluginOptions {
  let handled = false
  const { sockets, timeout } = closingSockets(WebSocket, closeTimeout, flushTimeout)
  const options = {
    maxPayload,
    perMessageDeflate: false,
    closeTimeout: timeout,
    WebSocket: sockets,
    [kOptions]: true,
    // The plugin reads the error handler first, then copies these options and so reads this.
    get [handlesErrors] () {
      const yes = handled
      handled = false
      return yes
    }
    // @types/ws does not know closeTimeout yet, and has another type for WebSocket.
  } as unknown as NonNullable<WebsocketPluginOptions['options']>
  const result: WebsocketPluginOptions = {
    options,
    // Not an arrow function: `this` is the Fastify instance.
    preClose: async function (this: FastifyInstance & Drainable) {
      const begun = performance.now()
      await this.wsHub?.drain?.()
      const left = Math.max(shutdownTimeout - (performance.now() - begun), closeTimeout)
      const { clients } = this.websocketServer
      const closer = new Closer(closeTimeout, left)
      for (const client of clients) {
        noteEnding(client, CloseCode.SERVICE_RESTART, RESTART)
        closer.close(client, CloseCode.SERVICE_RESTART, RESTART, { heard: true })
      }
      // A socket that was closing before has a bound of its own, which may be later.
      const late = setTimeout(() => { for (const client of clients) client.terminate() }, left)
      await new Promise(resolve => this.websocketServer.close(resolve))
      clearTimeout(late)
    }
  }
  const own = (value: ErrorHandler): PropertyDescriptor => ({ value, configurable: true, enumerable: true, writable: true })
  if (errorHandler !== undefined) return Object.defineProperty(result, 'errorHandler', own(errorHandler))
  // Called by the plugin's own listener, which keeps request and reply.
  if (usesPublicWay()) return Object.defineProperty(result, 'errorHandler', own(handleError))
  return Object.defineProperty(result, 'errorHandler', {
    configurable: true,
    // `{ ...websocketOptions(), errorHandler }` leaves this accessor behind, so the server does not claim to handle errors
    // in this way where the application's own handler does.
    enumerable: false,
    get () {
      // The plugin copies the options right after it has read this. Anybody else reads it earlier.
      handled = true
      queueMicrotask(() => { handled = false })
      return handleError
    },
    set (value: ErrorHandler) {
      Object.defineProperty(result, 'errorHandler', own(value))
    }
  })
}

const handleError: ErrorHandler = (error, socket, request) => {
  logSocketError(request.log, error)
  socket.terminate()
}

/**
 * Logs an error of a WebSocket. What a peer sent wrong is its own fault, and it decides how often it happens: one line at
 * level `info` with the code of `ws`, no stack. Everything else is logged whole, at level `error`.
 */
export function logSocketError (log: Pick<FastifyBaseLogger, 'info' | 'error'>, error: Error): void {
  const { code } = error as { code?: unknown }
  if (typeof code === 'string' && (code.startsWith('WS_ERR_') || isOfReceiver(error))) log.info({ code }, 'malformed WebSocket frame')
  else log.error(error)
}
