import type { WebSocket } from '@fastify/websocket'
import type { RawData } from 'ws'

/** Who decides what passes a gate. */
export interface Gatekeeper {
  /** The socket's own `emit`, which lets an event pass. */
  readonly pass: WebSocket['emit']
  /** Takes a message in place of the listeners. */
  receive (data: RawData, isBinary: boolean): void
  /** The socket has closed; the listeners hear of it next. */
  closed (): void
}

const keeper = Symbol('airlock gatekeeper')

interface Gated extends WebSocket {
  [keeper]: Gatekeeper
}

/**
 * Puts a keeper between a socket and everybody who listens to it. Replacing `emit` is the one place that no listener
 * gets around, whatever their order and whether they come by `on`, `onmessage` or a stream. One function serves all
 * sockets, so a gate costs two properties and no closure.
 */
export function gate (socket: WebSocket, gatekeeper: Gatekeeper): void {
  const gated = socket as Gated
  gated[keeper] = gatekeeper
  gated.emit = emit
}

function emit (this: Gated, event: string | symbol, data?: RawData, isBinary?: boolean): boolean {
  if (event === 'message') {
    this[keeper].receive(data as RawData, isBinary as boolean)
    return true
  }
  if (event === 'close') this[keeper].closed()
  // All arguments, however many: they are not ours.
  return Reflect.apply(this[keeper].pass, this, arguments)
}

/** Who keeps the gate of a socket. */
export function keeperOf (socket: WebSocket): Gatekeeper {
  return (socket as Gated)[keeper]
}
