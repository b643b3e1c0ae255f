import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'

/** The upstream's part of a 101. */
export interface UpgradeAnswer {
  /** The subprotocol that the upstream selected; `''` if it was offered none. */
  protocol: string
  /** Header lines. */
  headers: string[]
}

const kAnswer = Symbol('airlock.proxy.answer')

interface Answered extends IncomingMessage {
  [kAnswer]?: UpgradeAnswer
}

/** Notes what the 101 of this upgrade has to say. */
export function setAnswer (request: IncomingMessage, answer: UpgradeAnswer): void {
  (request as Answered)[kAnswer] = answer
}

/** What the 101 of this upgrade has to say; `undefined` if it has no upstream. */
export function answerOf (request: IncomingMessage): UpgradeAnswer | undefined {
  return (request as Answered)[kAnswer]
}

/** The lines that repeat the named headers of the upstream's response. */
export function headerLines (headers: IncomingHttpHeaders, names: readonly string[]): string[] {
  return names.flatMap(name => [headers[name] ?? []].flat().map(value => `${name}: ${value}`))
}

/**
 * The client's offers that the upstream is offered.
 *
 * @param header the client's `Sec-WebSocket-Protocol`
 * @param spoken subprotocols that may be negotiated
 */
export function offersFor (header: string | undefined, spoken: readonly string[]): string[] {
  if (header === undefined || spoken.length === 0) return []
  const offered = new Set(header.split(',').map(protocol => protocol.trim()))
  return [...offered].filter(protocol => spoken.includes(protocol))
}
