import type { IncomingMessage } from 'node:http'
import type { WebSocketServer } from 'ws'
import { isCarrierProtocol } from './credentials.js'

const kProtocol = Symbol('airlock.protocol')

interface WithProtocol extends IncomingMessage {
  [kProtocol]?: string
}

/** Notes which subprotocol the 101 of this upgrade is to name. */
export function setProtocol (request: IncomingMessage, protocol: string): void {
  (request as WithProtocol)[kProtocol] = protocol
}

/**
 * Takes over the server's one `handleProtocols`, which has no routes and would select the first offer, be it a ticket.
 * On a guarded route the guard's choice holds. Elsewhere carriers are cut out, and then the handler that was
 * configured before is asked, or the first remaining offer taken, as ws does.
 */
export function takeOverProtocols (server: WebSocketServer): void {
  const configured = server.options.handleProtocols
  server.options.handleProtocols = (offered, request) => {
    const chosen = (request as WithProtocol)[kProtocol]
    if (chosen !== undefined) return chosen
    const real = new Set<string>()
    for (const protocol of offered) {
      if (!isCarrierProtocol(protocol)) real.add(protocol)
    }
    // ws has null here by default, its types say undefined.
    if (configured) return configured(real, request)
    const [first = false] = real
    return first
  }
}
