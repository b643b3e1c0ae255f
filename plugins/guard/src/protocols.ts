import type { IncomingMessage } from 'node:http'
import { selectProtocols } from '@fastify-airlock/core'
import { BEARER_PROTOCOL_PREFIX, TICKET_PROTOCOL_PREFIX } from '@fastify-airlock/protocol'
import type { WebSocketServer } from 'ws'

const kProtocol = Symbol('airlock.protocol')

interface WithProtocol extends IncomingMessage {
  [kProtocol]?: string
}

/** Whether a subprotocol value carries a credential, and so must never be selected. */
export function isCarrierProtocol (protocol: string): boolean {
  return protocol.startsWith(TICKET_PROTOCOL_PREFIX) || protocol.startsWith(BEARER_PROTOCOL_PREFIX)
}

/** Sets the subprotocol that the 101 of this upgrade will name. */
export function setProtocol (request: IncomingMessage, protocol: string): void {
  (request as WithProtocol)[kProtocol] = protocol
}

/**
 * Takes over the server's choice of subprotocols, which is one for all routes and would select the first offer, even a
 * ticket. On a guarded route the guard decides. On other routes carriers are removed; then the application's own
 * `handleProtocols` is called, or the first remaining offer is selected, as `ws` does. What a library has assigned
 * meanwhile speaks for its own protocol alone: its no is none to the routes of others.
 */
export function takeOverProtocols (server: WebSocketServer): void {
  selectProtocols(server, (offered, request, next, configured) => {
    const chosen = (request as WithProtocol)[kProtocol]
    if (chosen !== undefined) return chosen
    const real = new Set<string>()
    for (const protocol of offered) {
      if (!isCarrierProtocol(protocol)) real.add(protocol)
    }
    const [first = false] = real
    return (next(real) || configured(real)) ?? first
  })
}
