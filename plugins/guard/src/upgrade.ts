import { authorityOf, countHeader, isHost, isPlainTarget, type TargetSource } from '@fastify-airlock/core'
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
  /** Node's request. `injectWS` has one that did not come over a network, and has no `rawHeaders`. */
  raw: TargetSource & { httpVersion: string, rawHeaders?: readonly string[] }
}

/**
 * Checks what `ws` checks after the hooks, so that nothing is used up for an upgrade that then fails, and what neither `ws`
 * nor Node checks of an upgrade. The conditions are those of RFC 6455, section 4.2.1, and RFC 9112, sections 3.2 and 6.
 */
export function checkUpgrade ({ method, ws, headers, raw }: UpgradeSource, { options }: WebSocketServer, parsers: HeaderParsers): Refusal | null {
  if (method !== 'GET') return REFUSALS.METHOD
  if (!ws || headers.upgrade?.toLowerCase() !== 'websocket') return REFUSALS.UPGRADE
  // Node upgrades every version that it can read: 0.9, 1.0 and, without being HTTP/2, 2.0.
  if (raw.httpVersion !== '1.1') return REFUSALS.HTTP_VERSION
  if (!isPlainTarget(raw)) return REFUSALS.TARGET
  if (raw.rawHeaders !== undefined && !hasOneHost(headers.host, raw, raw.rawHeaders)) return REFUSALS.HOST
  if (hasBody(headers)) return REFUSALS.BODY
  if (!KEY.test(headers['sec-websocket-key'] ?? '')) return REFUSALS.KEY
  // ws accepts version 8 as well, which has the Origin in another header that would not be checked. injectWS sends a number.
  if (String(headers['sec-websocket-version']) !== '13') return REFUSALS.VERSION
  const extensions = headers['sec-websocket-extensions']
  if (extensions === undefined || !options.perMessageDeflate) return null
  return parsers.acceptsExtensions(extensions, options.perMessageDeflate) ? null : REFUSALS.EXTENSIONS
}

/** Whether the request names its host once, and a target that names one as well names the same. */
function hasOneHost (host: string | undefined, target: TargetSource, rawHeaders: readonly string[]): boolean {
  if (host === undefined || !isHost(host) || countHeader(rawHeaders, 'host') !== 1) return false
  const authority = authorityOf(target)
  return authority === undefined || authority.toLowerCase() === host.toLowerCase()
}

/** Node hands the body of an upgrade to `ws`, which takes it for frames. */
function hasBody (headers: IncomingHttpHeaders): boolean {
  return headers['transfer-encoding'] !== undefined || !/^0*$/.test(headers['content-length'] ?? '')
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
