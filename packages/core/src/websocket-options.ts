import type { FastifyInstance } from 'fastify'
import type { WebsocketPluginOptions } from '@fastify/websocket'
import { CLOSE_TIMEOUT_MS, CloseCode } from '@fastify-airlock/protocol'
import { Closer } from './close.js'

/** What {@link websocketOptions} lets you change. */
export interface WebsocketOptionsInput {
  /**
   * Largest message in bytes; a longer one closes with 1009.
   * @default 65536
   */
  maxPayload?: number
  /**
   * Time a peer has to answer a close frame, in milliseconds. `ws` alone waits 30 s.
   * @default 2000
   */
  closeTimeout?: number
}

/**
 * Options for `@fastify/websocket` that suit an authenticated server: a payload limit (OWASP WebSocket cheat sheet),
 * no compression of secrets, a close that does not hang, and a shutdown that tells clients to come back: 1012 where
 * the plugin's own default closes without a code.
 *
 * @example
 * await app.register(websocket, websocketOptions())
 */
export function websocketOptions (
  { maxPayload = 64 * 1024, closeTimeout = CLOSE_TIMEOUT_MS }: WebsocketOptionsInput = {}
): WebsocketPluginOptions {
  // @types/ws does not know closeTimeout yet.
  const options = { maxPayload, perMessageDeflate: false, closeTimeout } as NonNullable<WebsocketPluginOptions['options']>
  return {
    options,
    // `this` is the Fastify instance, so this can not be an arrow function.
    preClose: function (this: FastifyInstance, done: () => void) {
      const closer = new Closer(closeTimeout)
      for (const client of this.websocketServer.clients) {
        closer.close(client, CloseCode.SERVICE_RESTART, 'service restart')
      }
      // Calls back once the last client is gone, which the closer guarantees.
      this.websocketServer.close(() => done())
    }
  }
}
