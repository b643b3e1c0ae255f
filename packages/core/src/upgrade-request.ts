import type { IncomingHttpHeaders } from 'node:http'

/**
 * Whether a request asks for a WebSocket, for Node's option `shouldUpgradeCallback`: every other request that names a
 * protocol in `Upgrade` is answered as the plain HTTP request that it also is (RFC 9110, section 7.8). Java's HttpClient
 * and `curl --http2` send `Upgrade: h2c` with every request over `http:`.
 *
 * Node has the option from 24.9 on, and older versions ignore it.
 *
 * @example
 * const app = Fastify({ http: { shouldUpgradeCallback: asksForWebSocket } })
 */
export function asksForWebSocket ({ headers: { upgrade } }: { headers: IncomingHttpHeaders }): boolean {
  return WEBSOCKET.test(upgrade ?? '')
}

const WEBSOCKET = /(?:^|,)\s*websocket\s*(?:,|$)/i
