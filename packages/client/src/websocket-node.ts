/// <reference types="node" />
import { createRequire } from 'node:module'
import { installed } from './installed.js'
import { createWebSocketClass as createAnywhere } from './websocket-class.js'
import type { WebSocketClassOptions } from './websocket-options.js'
import type { AirlockWebSocketClass } from './websocket-types.js'
import { addExtras, type WsExtras } from './ws-extras.js'

export * from './websocket.js'
export type { WsExtras }

/** A socket in Node. */
export type NodeWebSocket = InstanceType<AirlockWebSocketClass> & WsExtras

/**
 * What Node gets in place of the `createWebSocketClass` of `websocket.ts`. Its sockets have what libraries for Node use of
 * those of `ws` as well ({@link WsExtras}), and where there is no `WebSocket`, as in Node 20, it takes that of `ws`, if it is
 * installed.
 *
 * @throws {@link AirlockError} `WSA_CLIENT_ERR_OPTIONS` when an option cannot be used
 * @throws {@link AirlockError} `WSA_CLIENT_ERR_NO_WEBSOCKET` when there is no WebSocket and no `ws`
 */
export function createWebSocketClass (options: WebSocketClassOptions): AirlockWebSocketClass<NodeWebSocket> {
  const WebSocket = options.WebSocket ?? globalThis.WebSocket ?? installed(createRequire(import.meta.url))
  return addExtras(createAnywhere({ ...options, WebSocket }), WebSocket!)
}
