import { WebSocket } from 'ws'
import { WSA_TESTING_ERR_REFUSED } from './errors.js'
import type { SocketArguments } from './reach.js'

/** A WebSocket class that clients take. */
export type ClientSocketClass = new (url: string | URL, protocols?: string | string[]) => WebSocket

/** What becomes of the sockets of a client. */
export interface ClientSocketSettings {
  /** Says where the next one goes. The host of the client's URL is not asked. */
  aim: (path: string, protocols: string[]) => SocketArguments
  /** Called with each socket before anything can have come. */
  attach: (socket: WebSocket) => void
}

/** Makes a class with the interface of the browser's `WebSocket`, whose sockets go where the device is. */
export function webSocketOf ({ aim, attach }: ClientSocketSettings): ClientSocketClass {
  return class extends WebSocket {
    constructor (url: string | URL, protocols: string | string[] = []) {
      const { pathname, search } = new URL(url)
      super(...aim(pathname + search, [protocols].flat()))
      attach(this)
    }
  }
}

/** A refusal as the client reads it: with the headers of an answer to `fetch`, such as its `Retry-After`. */
export function asAnswer (error: unknown): unknown {
  if (!(error instanceof WSA_TESTING_ERR_REFUSED)) return error
  const { message, status, headers } = error
  return Object.assign(new Error(message, { cause: error }), { status, headers: new Headers(headers) })
}
