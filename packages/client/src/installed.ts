import type { WebSocketConstructor } from './types.js'

/**
 * Finds the WebSocket of `ws`.
 *
 * @param require loads a package, or throws
 * @returns `undefined` when it is not installed: it is an optional peer
 */
export function installed (require: (name: string) => any): WebSocketConstructor | undefined {
  try {
    return require('ws').WebSocket
  } catch {
    return undefined
  }
}
