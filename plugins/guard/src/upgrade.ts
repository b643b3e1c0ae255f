import type { FastifyRequest } from 'fastify'
import type { WebSocketServer } from 'ws'
import { isCarrierProtocol } from './credentials.js'
import { refusals } from './errors.js'
import { extension, PerMessageDeflate, subprotocol } from './ws.js'

const KEY = /^[+/\dA-Za-z]{22}==$/

/**
 * Checks everything that ws checks after the hooks, so that nothing is consumed for an upgrade that then fails.
 * The order and the conditions are those of RFC 6455, section 4.2.1.
 *
 * @throws a refusal
 */
export function assertUpgrade (request: FastifyRequest, server: WebSocketServer): void {
  const { headers } = request
  if (request.method !== 'GET') throw refusals.method
  if (!request.ws || headers.upgrade?.toLowerCase() !== 'websocket') throw refusals.upgrade
  if (!KEY.test(headers['sec-websocket-key'] ?? '')) throw refusals.key
  // ws takes version 8 as well, but there the Origin is in another header, which would pass by the check of it.
  if (Number(headers['sec-websocket-version']) !== 13) throw refusals.version
  assertExtensions(headers['sec-websocket-extensions'], server)
}

function assertExtensions (header: string | undefined, { options }: WebSocketServer): void {
  if (header === undefined || !options.perMessageDeflate) return
  try {
    const offers = extension.parse(header)[PerMessageDeflate.extensionName]
    if (offers !== undefined) new PerMessageDeflate({ ...Object(options.perMessageDeflate), isServer: true }).accept(offers)
  } catch {
    throw refusals.extensions
  }
}

const NONE: ReadonlySet<string> = new Set()

/**
 * The subprotocols that the client offers, in its order of preference.
 *
 * @throws a refusal where the header is malformed
 */
export function offeredProtocols (header: string | undefined): ReadonlySet<string> {
  if (header === undefined) return NONE
  try {
    return subprotocol.parse(header)
  } catch {
    throw refusals.protocolsMalformed
  }
}

/**
 * The subprotocol that the 101 will name: the first offered one that the route speaks, and never a carrier.
 *
 * @returns `undefined` where the client offered none
 * @throws a refusal where it offered none that is spoken here: a browser fails a connection that selects nothing
 */
export function selectProtocol (offered: ReadonlySet<string>, spoken: ReadonlySet<string>): string | undefined {
  if (offered.size === 0) return undefined
  for (const protocol of offered) {
    if (spoken.has(protocol) && !isCarrierProtocol(protocol)) return protocol
  }
  throw refusals.protocolsUnknown
}
