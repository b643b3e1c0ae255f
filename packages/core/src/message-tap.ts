import type { WebSocket } from 'ws'

/** Takes messages of a socket before its listeners. */
export interface MessageTaker {
  /** @returns whether it has taken the message, so that nobody else gets it */
  takes (text: Buffer): boolean
}

const kTakers = Symbol('airlock.takers')
const kPass = Symbol('airlock.pass')

interface Tapped extends WebSocket {
  [kTakers]?: MessageTaker[]
  [kPass]: WebSocket['emit']
}

/**
 * Has text messages of a socket offered to a taker before all of its listeners, and before a gate that the handshake has put
 * there. One function serves all sockets, and all takers of a socket.
 *
 * `emit` is Node's documented method; that `ws` (8.23) calls it on the socket for each message is not written down. There is no
 * other way, so this one is taken with `AIRLOCK_PUBLIC=1` as well. A `ws` that did not would pass the messages of the
 * extensions on to the application.
 */
export function tapMessages (socket: WebSocket, taker: MessageTaker): void {
  const tapped = socket as Tapped
  if (tapped[kTakers] !== undefined) return void tapped[kTakers].push(taker)
  tapped[kPass] = tapped.emit
  tapped[kTakers] = [taker]
  tapped.emit = emit
}

/** The takers of a socket, in the order in which they are asked. */
export function takersOf (socket: WebSocket): readonly MessageTaker[] {
  return (socket as Tapped)[kTakers] ?? []
}

function emit (this: Tapped, event: string | symbol, data?: unknown, isBinary?: unknown): boolean {
  // Text is a Buffer whatever the socket's binaryType.
  if (event === 'message' && isBinary === false && takersOf(this).some(taker => taker.takes(data as Buffer))) return true
  // All arguments, however many: they are not ours.
  return Reflect.apply(this[kPass], this, arguments)
}
