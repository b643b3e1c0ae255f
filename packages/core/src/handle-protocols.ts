import type { IncomingMessage } from 'node:http'
import type { ServerOptions, WebSocketServer } from 'ws'

/** The type of `handleProtocols` in the options of `ws`. */
export type HandleProtocols = NonNullable<ServerOptions['handleProtocols']>

/**
 * Selects the subprotocol of an upgrade.
 *
 * @param next asks the application's own `handleProtocols`; `undefined` where there is none
 * @param configured asks the one that was there first alone; `undefined` where there was none
 */
export type SelectProtocol = (
  offered: Set<string>, request: IncomingMessage, next: AskProtocol, configured: AskProtocol
) => string | false

type AskProtocol = (offered: Set<string>) => string | false | undefined

/** Handlers that are kept: one assigned later may call the one it found there. */
const MAX_ASSIGNED = 8

/**
 * Has `select` choose the subprotocols of a server for good. `ws` has one `handleProtocols` for all routes, and libraries
 * assign theirs at any time, graphql-ws at every connection. What they assign becomes the handler that `next` asks; it
 * replaces neither `select` nor one that an earlier call of this function installed.
 */
export function selectProtocols ({ options }: WebSocketServer, select: SelectProtocol): void {
  const below = Object.getOwnPropertyDescriptor(options, 'handleProtocols')
  // Latest first. By default there is null in ws, and undefined in its types.
  const first = options.handleProtocols as HandleProtocols | null | undefined
  const assigned = [first]
  // How many handlers have called the one that they found, and run now.
  let depth = 0
  const handle: HandleProtocols = (offered, request) => select(offered, request, offered => {
    const handler = assigned[Math.min(depth, assigned.length - 1)]
    if (!handler) return undefined
    depth++
    try {
      return handler(offered, request)
    } finally {
      depth--
    }
  }, offered => first?.(offered, request))
  Object.defineProperty(options, 'handleProtocols', {
    configurable: true,
    enumerable: true,
    get: () => handle,
    set (handler: HandleProtocols | null | undefined) {
      if (handler === handle) return
      // An earlier selection has its place below this one, and asks the application by itself.
      if (below?.set !== undefined) return below.set.call(options, handler)
      const known = assigned.indexOf(handler)
      if (known !== -1) assigned.splice(known, 1)
      assigned.unshift(handler)
      assigned.length = Math.min(assigned.length, MAX_ASSIGNED)
    }
  })
}
