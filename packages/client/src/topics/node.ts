/// <reference types="node" />
import { createRequire } from 'node:module'
import { installed } from '../installed.js'
import type { ConnectOptions } from '../options.js'
import { connectTopics as connectAnywhere } from './connect-topics.js'
import type { TopicsConnection } from './types.js'

export type * from './types.js'

/**
 * What Node gets in place of the `connectTopics` of `index.ts`, as with `connect`: where there is no `WebSocket`, it takes
 * that of `ws`, if it is installed.
 *
 * @throws {@link AirlockError} `WSA_CLIENT_ERR_OPTIONS` when an option cannot be used
 * @throws {@link AirlockError} `WSA_CLIENT_ERR_NO_WEBSOCKET` when there is no WebSocket and no `ws`
 */
export function connectTopics<In = unknown, Out = unknown> (options: ConnectOptions<In, Out>): TopicsConnection<In, Out> {
  return connectAnywhere({ ...options, WebSocket: options.WebSocket ?? globalThis.WebSocket ?? installed(createRequire(import.meta.url)) })
}
