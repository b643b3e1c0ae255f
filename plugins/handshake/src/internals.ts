import { canUsePrivateParts, type ProbeLog } from '@fastify-airlock/core'
import type { WebSocket } from '@fastify/websocket'
import type { FastifyBaseLogger } from 'fastify'
import type { RawData } from 'ws'

/*
 * Everything that this package reads or replaces of ws without it being documented, as read in ws 8.23.
 */

/** Decides what a socket emits. */
export interface Gatekeeper {
  readonly log: FastifyBaseLogger
  /** The socket's own `emit`, which lets an event pass. */
  readonly pass: WebSocket['emit']
  /** Takes a message in place of the listeners. */
  receive (data: RawData, isBinary: boolean): void
  /** The socket has closed. The listeners are told next. */
  closed (): void
}

const kGatekeeper = Symbol('airlock.handshake.gatekeeper')

interface Gated extends WebSocket {
  [kGatekeeper]: Gatekeeper
}

/**
 * Puts a gatekeeper between a socket and all of its listeners. Replacing `emit` is the one way that no listener gets
 * around, whatever their order and whether they were added by `on`, `onmessage` or a stream. One function serves all
 * sockets, so a gate costs two properties and no closure. A second gatekeeper takes the place of the first.
 *
 * `emit` is Node's documented method; that `ws` calls it on the socket for each message is not written down. A `ws` that
 * did not would let nobody in: no first frame would arrive, and the connection would be closed with 4408. There is no
 * other way, so this one is taken with `AIRLOCK_PUBLIC=1` as well.
 */
export function gate (socket: WebSocket, gatekeeper: Gatekeeper): void {
  const gated = socket as Gated
  gated[kGatekeeper] = gatekeeper
  gated.emit = emit
}

/** The gatekeeper of a socket that has one. */
export function gatekeeperOf (socket: WebSocket): Gatekeeper {
  return (socket as Gated)[kGatekeeper]
}

function emit (this: Gated, event: string | symbol, data?: RawData, isBinary?: boolean): boolean {
  if (event === 'message') {
    this[kGatekeeper].receive(data as RawData, isBinary as boolean)
    return true
  }
  if (event === 'close') this[kGatekeeper].closed()
  // All arguments, however many: they are not ours.
  return Reflect.apply(this[kGatekeeper].pass, this, arguments)
}

/** State of a sender that neither compresses nor reads a Blob, and so has nothing queued either. */
const IDLE = 0

interface Sender {
  _state?: unknown
  _firstFragment?: unknown
  sendFrame? (list: Buffer[]): void
}

interface Sending {
  _isServer?: unknown
  _sender?: Sender | null
}

/** Whether `ws` is as it was read; `undefined` until the first message. */
let knowsSender: boolean | undefined

function isKnownSender ({ _isServer, _sender }: Sending): boolean {
  return typeof _isServer === 'boolean' && typeof _sender?._state === 'number' &&
    typeof _sender._firstFragment === 'boolean' && typeof _sender.sendFrame === 'function'
}

/**
 * Does what `socket.send(text)` does, but with head and payload in one buffer and one write, where `ws` makes two of
 * each. Every connection is sent at least one such message. Without the private members it is `socket.send(text)`.
 *
 * @param log is told once if the members are not as expected
 */
export function sendText (socket: WebSocket, text: string, log: ProbeLog): void {
  const length = Buffer.byteLength(text)
  if (length > 0xffff || socket.readyState !== socket.OPEN) return socket.send(text)
  const sending = socket as unknown as Sending
  knowsSender ??= canUsePrivateParts('ws (its sender)', () => isKnownSender(sending), log)
  const { _isServer, _sender } = sending
  // Behind a queue, or between the fragments of another message, only `send` knows what may go out when.
  const idle = _isServer === true && socket.extensions === '' && _sender?._state === IDLE && _sender._firstFragment === true
  if (!knowsSender || !idle || typeof _sender.sendFrame !== 'function') return socket.send(text)
  const head = length < 126 ? 2 : 4
  const frame = Buffer.allocUnsafe(head + length)
  // The last fragment, and so the only one, of a text message (RFC 6455, section 5.2).
  frame[0] = 0x81
  if (length < 126) {
    frame[1] = length
  } else {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  }
  frame.write(text, head)
  _sender.sendFrame([frame])
}
