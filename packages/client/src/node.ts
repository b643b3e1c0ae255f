/// <reference types="node" />
import { createRequire } from 'node:module'
import { connect as connectAnywhere } from './connect.js'
import { installed } from './installed.js'
import type { ConnectOptions } from './options.js'
import type { Connection } from './types.js'

export * from './index.js'

/**
 * What Node gets in place of the `connect` of `index.ts`. They differ where there is no `WebSocket`, as in Node 20: this one
 * takes that of `ws`, if it is installed.
 *
 * @throws {@link AirlockError} `WSA_CLIENT_ERR_OPTIONS` when an option cannot be used
 * @throws {@link AirlockError} `WSA_CLIENT_ERR_NO_WEBSOCKET` when there is no WebSocket and no `ws`
 */
export function connect<In = unknown, Out = unknown> (options: ConnectOptions<In, Out>): Connection<In, Out> {
  return connectAnywhere({ ...options, WebSocket: options.WebSocket ?? globalThis.WebSocket ?? installed(createRequire(import.meta.url)) })
}
