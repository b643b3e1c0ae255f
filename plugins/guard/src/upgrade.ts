import type { IncomingHttpHeaders } from 'node:http'
import type { WebSocketServer } from 'ws'
import type { HeaderParsers } from './internals.js'
import { type Refusal, REFUSALS } from './refusal.js'

const KEY = /^[+/\dA-Za-z]{22}==$/

/** The part of a request that says whether it is an upgrade. */
export interface UpgradeSource {
  method: string
  /** Whether Node takes it for an upgrade. */
  ws: boolean
  headers: IncomingHttpHeaders
}

/**
 * Checks everything that `ws` checks after the hooks, so that nothing is used up for an upgrade that then fails. The
 * order and the conditions are those of RFC 6455, section 4.2.1.
 */
export function checkUpgrade ({ method, ws, headers }: UpgradeSource, { options }: WebSocketServer, parsers: HeaderParsers): Refusal | null {
  if (method !== 'GET') return REFUSALS.METHOD
  if (!ws || headers.upgrade?.toLowerCase() !== 'websocket') return REFUSALS.UPGRADE
  if (!KEY.test(headers['sec-websocket-key'] ?? '')) return REFUSALS.KEY
  // ws accepts version 8 as well, which has the Origin in another header that would not be checked.
  if (Number(headers['sec-websocket-version']) !== 13) return REFUSALS.VERSION
  const extensions = headers['sec-websocket-extensions']
  if (extensions === undefined || !options.perMessageDeflate) return null
  return parsers.acceptsExtensions(extensions, options.perMessageDeflate) ? null : REFUSALS.EXTENSIONS
}

/** What a client without `Sec-WebSocket-Protocol` offers. */
export const NO_PROTOCOLS: ReadonlySet<string> = new Set()

/**
 * Selects the subprotocol that the 101 will name: the first offered one that the route speaks. The options ensure that
 * it is no carrier.
 *
 * @param spoken each protocol under its own name
 * @returns `null` if the route speaks none of them; a browser then fails the connection if it has offered any
 */
export function selectProtocol (offered: ReadonlySet<string>, spoken: ReadonlyMap<string, string>): string | null {
  for (const protocol of offered) {
    // The route's own string: one that was cut out of the header would be kept for each connection.
    const known = spoken.get(protocol)
    if (known !== undefined) return known
  }
  return null
}
