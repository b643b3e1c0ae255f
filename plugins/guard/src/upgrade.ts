import type { IncomingHttpHeaders } from 'node:http'
import type { WebSocketServer } from 'ws'
import { type Refusal, REFUSALS } from './refusal.js'
import { extension, PerMessageDeflate, subprotocol } from './ws.js'

const KEY = /^[+/\dA-Za-z]{22}==$/

/** The part of a request that says whether it is an upgrade. */
export interface UpgradeSource {
  method: string
  /** Whether Node has taken it for an upgrade. */
  ws: boolean
  headers: IncomingHttpHeaders
}

/**
 * Checks everything that ws checks after the hooks, so that nothing is consumed for an upgrade that then fails.
 * The order and the conditions are those of RFC 6455, section 4.2.1.
 */
export function checkUpgrade ({ method, ws, headers }: UpgradeSource, server: WebSocketServer): Refusal | null {
  if (method !== 'GET') return REFUSALS.METHOD
  if (!ws || headers.upgrade?.toLowerCase() !== 'websocket') return REFUSALS.UPGRADE
  if (!KEY.test(headers['sec-websocket-key'] ?? '')) return REFUSALS.KEY
  // ws takes version 8 as well, but there the Origin is in another header, which would pass by the check of it.
  if (Number(headers['sec-websocket-version']) !== 13) return REFUSALS.VERSION
  return acceptsExtensions(headers['sec-websocket-extensions'], server) ? null : REFUSALS.EXTENSIONS
}

function acceptsExtensions (header: string | undefined, { options }: WebSocketServer): boolean {
  if (header === undefined || !options.perMessageDeflate) return true
  try {
    const offers = extension.parse(header)[PerMessageDeflate.extensionName]
    if (offers !== undefined) new PerMessageDeflate({ ...Object(options.perMessageDeflate), isServer: true }).accept(offers)
    return true
  } catch {
    return false
  }
}

const NONE: ReadonlySet<string> = new Set()

/**
 * The subprotocols that the client offers, in its order of preference.
 *
 * @returns `null` where the header is malformed
 */
export function offeredProtocols (header: string | undefined): ReadonlySet<string> | null {
  if (header === undefined) return NONE
  try {
    return subprotocol.parse(header)
  } catch {
    return null
  }
}

/**
 * The subprotocol that the 101 will name: the first offered one that the route speaks. The options make sure that no
 * carrier is among them.
 *
 * @param spoken each protocol under its own name
 * @returns `null` where none is; a browser fails a connection that selects nothing of what it offered
 */
export function selectProtocol (offered: ReadonlySet<string>, spoken: ReadonlyMap<string, string>): string | null {
  for (const protocol of offered) {
    // The route's own string: the one that was cut out of the header would be kept once for each connection.
    const known = spoken.get(protocol)
    if (known !== undefined) return known
  }
  return null
}
