import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { WebSocketServer } from 'ws'

/** What the 101 says on behalf of the upstream. */
export interface Answer {
  /** The subprotocol that the upstream selected; `''` where it was offered none. */
  protocol: string
  /** Header lines. */
  headers: string[]
}

const kAnswer = Symbol('airlock.proxy.answer')

interface Answered extends IncomingMessage {
  [kAnswer]?: Answer
}

/** Notes what the 101 of this upgrade is to say. */
export function setAnswer (request: IncomingMessage, answer: Answer): void {
  (request as Answered)[kAnswer] = answer
}

/** The lines that repeat the named headers of the upstream's response. */
export function headerLines (headers: IncomingHttpHeaders, names: readonly string[]): string[] {
  return names.flatMap(name => [headers[name] ?? []].flat().map(value => `${name}: ${value}`))
}

/**
 * Lets the server's 101s say what upstreams answered. Subprotocol and headers have one place each on a server, so what
 * was there before goes on deciding about everything that is none of the upstream's.
 */
export function speakForUpstreams (server: WebSocketServer): void {
  server.on('headers', (headers, request: Answered) => {
    if (request[kAnswer] !== undefined) headers.push(...request[kAnswer].headers)
  })
  const configured = server.options.handleProtocols
  server.options.handleProtocols = (offered, request: Answered) => {
    const answer = request[kAnswer]
    if (answer !== undefined && answer.protocol !== '') return answer.protocol
    // ws has null here by default, its types say undefined.
    if (configured) return configured(offered, request)
    // Nobody behind this server has selected anything. Elsewhere the first offer is what ws takes.
    if (answer !== undefined) return false
    const [first = false] = offered
    return first
  }
}

/**
 * Which of the client's offers the upstream is offered.
 *
 * @param header the client's `Sec-WebSocket-Protocol`
 * @param spoken those that may be negotiated
 */
export function offersFor (header: string | undefined, spoken: readonly string[]): string[] {
  if (header === undefined || spoken.length === 0) return []
  const offered = new Set(header.split(',').map(protocol => protocol.trim()))
  return [...offered].filter(protocol => spoken.includes(protocol))
}
