import type { WebSocket } from 'ws'

/** Takes messages of a socket before its listeners. */
export interface MessageTaker {
  /** @returns whether it has taken the message, so that nobody else gets it */
  takes (text: Buffer): boolean
}

const kTaker = Symbol('airlock.topics.taker')
const kPass = Symbol('airlock.topics.pass')

interface Tapped extends WebSocket {
  [kTaker]?: MessageTaker
  [kPass]: WebSocket['emit']
}

/**
 * Has text messages of a socket offered to a taker before all of its listeners, and before a gate that the handshake has put
 * there. One function serves all sockets.
 *
 * `emit` is Node's documented method; that `ws` (8.23) calls it on the socket for each message is not written down. There is no
 * other way, so this one is taken with `AIRLOCK_PUBLIC=1` as well. A `ws` that did not would pass the messages of the
 * extension on to the application.
 */
export function tap (socket: WebSocket, taker: MessageTaker): void {
  const tapped = socket as Tapped
  tapped[kPass] = tapped.emit
  tapped[kTaker] = taker
  tapped.emit = emit
}

/** The taker of a socket, if it has one. */
export function takerOf (socket: WebSocket): MessageTaker | undefined {
  return (socket as Tapped)[kTaker]
}

function emit (this: Tapped, event: string | symbol, data?: unknown, isBinary?: unknown): boolean {
  // Text is a Buffer whatever the socket's binaryType.
  if (event === 'message' && isBinary === false && (this[kTaker] as MessageTaker).takes(data as Buffer)) return true
  // All arguments, however many: they are not ours.
  return Reflect.apply(this[kPass], this, arguments)
}
