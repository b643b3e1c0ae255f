import { canUsePrivateParts, type ProbeLog, selectProtocols, usesPublicWay } from '@fastify-airlock/core'
import type { WebSocket, WebSocketServer } from 'ws'
import { answerOf, type UpgradeAnswer } from './upgrade.js'

/*
 * Everything that this package reads or replaces of ws without it being documented, as read in ws 8.23: the options that
 * a server keeps, and the TCP or TLS socket of a WebSocket.
 */

const PROTOCOL_LINE = /^sec-websocket-protocol:/i

/**
 * Has the server's 101s repeat what upstreams answered: headers and the subprotocol. A server selects subprotocols in one
 * place, so the handler that was there before goes on deciding about everything else.
 *
 * Without the private members the line of the subprotocol is replaced in the `headers` event. The client sees the same;
 * `socket.protocol` on the server is then what the server itself would have selected.
 *
 * @param log is told once if the members are not as expected
 */
export function answerForUpstreams (server: WebSocketServer, log: ProbeLog): void {
  const knowsOptions = canUsePrivateParts('ws (handleProtocols)', () => Object.hasOwn(server.options, 'handleProtocols'), log)
  if (knowsOptions) {
    selectProtocols(server, (offered, request, next) => {
      const answer = answerOf(request)
      if (answer !== undefined && answer.protocol !== '') return answer.protocol
      // Where no upstream has selected anything, nothing is selected. Elsewhere ws takes the first offer.
      const [first = false] = answer === undefined ? offered : []
      return next(offered) ?? first
    })
  }
  server.on('headers', (lines, request) => {
    const answer = answerOf(request)
    if (answer === undefined) return
    if (!knowsOptions) replaceProtocol(server, lines, answer)
    lines.push(...answer.headers)
  })
}

function replaceProtocol ({ options }: Partial<WebSocketServer>, lines: string[], { protocol }: UpgradeAnswer): void {
  // If the options cannot even be read, the server's own selection stays: removing it might break the client.
  const serverSelects = options === undefined || Boolean(options.handleProtocols)
  if (protocol === '' && serverSelects) return
  const at = lines.findIndex(line => PROTOCOL_LINE.test(line))
  if (at !== -1) lines.splice(at, 1)
  if (protocol !== '') lines.push(`Sec-WebSocket-Protocol: ${protocol}`)
}

/**
 * Bytes that a WebSocket has sent so far, the upgrade included. Without the private member 0, as if the kernel held none of
 * them: a side that takes more than `closeTimeout` for what it holds is cut, and not said to have got it.
 */
export function bytesSent (socket: WebSocket): number {
  const { _socket: transport } = socket as unknown as { _socket?: { bytesWritten?: unknown } | null }
  const sent = transport?.bytesWritten
  return usesPublicWay() || typeof sent !== 'number' ? 0 : sent
}
