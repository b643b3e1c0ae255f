/// <reference types="node" />
import { createRequire } from 'node:module'
import { installed } from '../installed.js'
import type { Connection } from '../types.js'
import { connectPresence as connectAnywhere } from './connect-presence.js'
import type { ConnectPresenceOptions, PresenceConnection } from './types.js'

export type * from './types.js'

/**
 * What Node gets in place of the `connectPresence` of `index.ts`, as with `connect`: where there is no `WebSocket`, it takes
 * that of `ws`, if it is installed.
 *
 * @throws {@link AirlockError} `WSA_CLIENT_ERR_OPTIONS` when an option cannot be used
 * @throws {@link AirlockError} `WSA_CLIENT_ERR_NO_WEBSOCKET` when there is no WebSocket and no `ws`
 */
export function connectPresence<In = unknown, Out = unknown, Base extends Connection<In, Out> = Connection<In, Out>> (
  options: ConnectPresenceOptions<In, Out, Base>
): Base & PresenceConnection<In, Out> {
  return connectAnywhere<In, Out, Base>({ ...options, WebSocket: options.WebSocket ?? globalThis.WebSocket ?? installed(createRequire(import.meta.url)) })
}
