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

/** What takes its time to close its own connections before the rest is closed: the hub. */
interface Drainable {
  wsHub?: { drain? (): Promise<void> }
}

/**
 * Options for `@fastify/websocket` that suit an authenticated server: a payload limit (OWASP WebSocket cheat sheet),
 * no compression of secrets, a close that does not hang, and a shutdown that tells clients to come back: 1012 where
 * the plugin's own default closes without a code. A hub is drained first.
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
    preClose: async function (this: FastifyInstance & Drainable) {
      await this.wsHub?.drain?.()
      const closer = new Closer(closeTimeout)
      for (const client of this.websocketServer.clients) {
        closer.close(client, CloseCode.SERVICE_RESTART, 'service restart')
      }
      // Resolves once the last client is gone, which the closer guarantees.
      await new Promise(resolve => this.websocketServer.close(resolve))
    }
  }
}
