import { canUsePrivateParts, isAsKnown, type ProbeLog, usesPublicWay } from '@fastify-airlock/core'
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
  /**
   * A message is longer than the limit of {@link holdMessages}, or than the server's own: nothing is read any more.
   *
   * @param ours whether it is longer than ours
   * @returns whether that was answered; otherwise `ws` does it, with 1009
   */
  overlong (ours: boolean): boolean
  /** A message is not complete: so many bytes of it are here. */
  growing (bytes: number): void
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
  // It was answered as a refusal.
  if (event === 'error' && (data as Partial<Overlong> | undefined)?.[kAnswered] === true) return true
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

const kAnswered = Symbol('airlock.handshake.answered')
const kHeld = Symbol('airlock.handshake.held')

/** `ws`: an error of a message that is longer, or has more parts, than the receiver may take. */
interface Overlong extends Error {
  code?: unknown
  [kAnswered]?: true
}

/** The codes of {@link Overlong} errors. All others are of malformed frames. */
const OVERLONG = new Set<unknown>(['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH', 'WS_ERR_TOO_MANY_BUFFERED_PARTS'])

/** From this state on, the receiver waits for something else than bytes: for `zlib`, or for the next turn. */
const INFLATING = 5

type Done = (error?: Overlong | null) => void

/** `ws`: what reads the frames of a socket. */
interface Receiver {
  _state: number
  /** Largest message, in bytes; 0 for any. */
  _maxPayload: number
  /** Bytes that were read from the network and belong to no complete frame. */
  _buffers: Buffer[]
  _bufferedBytes: number
  /** The mask of the frame that is not complete: a view of the chunk that it came in. */
  _mask: Buffer | undefined
  /** Payloads of the frames so far of a message that is not complete. */
  _fragments: Buffer[]
  /** Bytes of {@link _fragments}. */
  _messageLength: number
  /** Bytes of those frames, and of the one that is not complete, as their heads say. */
  _totalPayloadLength: number
  /** The opcode of a fragmented message; 0 if there is none. */
  _fragmented: number
  /** Reads all that is there. Called for each chunk, and after each frame that was inflated. */
  startLoop (done: Done): void
  [kHeld]?: Held | undefined
}

/** `ws`: inflates the frames of a socket. */
interface Inflater {
  _maxPayload: number
}

/** A socket whose messages are held to a limit, and the limits of the server. */
interface Held {
  readonly socket: Gated
  readonly maxPayload: number
  readonly inflater: Inflater | undefined
  /** Whether the limit is ours, and not the server's. */
  ours: boolean
}

interface Receiving {
  _receiver?: Receiver
  _extensions?: Record<string, Inflater>
}

const LETS_GROW = 'lets a first message grow to maxPayload'

/** Whether `ws` is as it was read; `undefined` until the first socket. */
let knowsReceiver: boolean | undefined

function isKnownReceiver (receiver: Receiver, inflater: Inflater | undefined): boolean {
  const { _state, _maxPayload, _bufferedBytes, _messageLength, _totalPayloadLength, _fragmented, _buffers, _fragments, startLoop } = receiver
  return [_state, _maxPayload, _bufferedBytes, _messageLength, _totalPayloadLength, _fragmented].every(value => typeof value === 'number') &&
    Array.isArray(_buffers) && Array.isArray(_fragments) && typeof startLoop === 'function' &&
    (inflater === undefined || typeof inflater._maxPayload === 'number')
}

/**
 * Bounds what a gated socket keeps of messages that are not complete, until {@link releaseMessages}:
 *
 * - A longer message calls `overlong` of the gatekeeper as soon as the head of a frame says so, or `zlib` has brought more
 *   to light. `ws` would answer one that is longer than the server's `maxPayload`, and with 1009.
 * - What is kept takes the memory of its bytes. `ws` keeps each chunk that a frame came in, so one byte of payload may take
 *   64 KiB, and has an object for each frame and for each chunk.
 *
 * Without the private members nothing is done: a message may grow to `maxPayload`, in as many parts as `ws` allows, and is
 * looked at when it is complete.
 *
 * @param bytes the longest message, where the server's `maxPayload` allows it
 * @param log is told once if the members are not as expected
 */
export function holdMessages (socket: WebSocket, bytes: number, log: ProbeLog): void {
  const { _receiver: receiver, _extensions: extensions } = socket as Receiving
  const inflater = extensions?.['permessage-deflate']
  knowsReceiver ??= !usesPublicWay() && isAsKnown('ws (its receiver)', () => isKnownReceiver(receiver as Receiver, inflater), log, LETS_GROW)
  if (!knowsReceiver || receiver === undefined) return
  receiver[kHeld] = { socket: socket as Gated, maxPayload: receiver._maxPayload, inflater, ours: true }
  receiver.startLoop = readHeld
  limitMessages(socket, bytes)
}

/** Changes the limit of a socket whose messages are held. */
export function limitMessages (socket: WebSocket, bytes: number): void {
  const { _receiver: receiver } = socket as Receiving
  const held = receiver?.[kHeld]
  if (receiver === undefined || held === undefined) return
  const { maxPayload, inflater } = held
  held.ours = bytes <= (maxPayload || Infinity)
  // 0 is no limit. What one byte more lets through is looked at when it is complete, or grows.
  receiver._maxPayload = held.ours && bytes !== Infinity ? Math.max(bytes, 1) : maxPayload
  if (inflater !== undefined) inflater._maxPayload = receiver._maxPayload
}

/** Leaves the messages of a socket to `ws`, as if they had never been held. */
export function releaseMessages (socket: WebSocket): void {
  const { _receiver: receiver } = socket as Receiving
  if (receiver?.[kHeld] === undefined) return
  limitMessages(socket, Infinity)
  // The last one first: then the object takes no more memory than before.
  delete (receiver as Partial<Receiver>).startLoop
  delete receiver[kHeld]
}

/** In place of `startLoop`: one function for all sockets. */
function readHeld (this: Receiver, done: Done): void {
  const { socket } = this[kHeld] as Held
  Object.getPrototypeOf(this).startLoop.call(this, (error?: Overlong | null) => {
    const held = this[kHeld]
    if (error != null && OVERLONG.has(error.code) && held !== undefined && socket[kGatekeeper].overlong(held.ours)) {
      error[kAnswered] = true
      // ws reads nothing more, and keeps it until the connection is gone.
      this._buffers = []
      this._fragments = []
    }
    done(error)
  })
  // A message has let the client in. A list that has been used keeps room for 17 parts.
  if (this[kHeld] === undefined) {
    if (this._buffers.length === 0) this._buffers = []
    return
  }
  this._buffers = tidy(this._buffers)
  this._fragments = tidy(this._fragments)
  if (this._mask !== undefined) this._mask = compact(this._mask)
  if (this._state < INFLATING && (this._totalPayloadLength > 0 || this._fragmented !== 0)) {
    socket[kGatekeeper].growing(this._messageLength + this._bufferedBytes)
  }
}

/** How many parts are kept as they are. */
const MAX_PARTS = 16

/** Memory that a part may pin beside its own bytes. */
const MAX_WASTE = 1_024

/** Parts that take little more memory than their bytes. */
function tidy (parts: Buffer[]): Buffer[] {
  if (parts.length <= MAX_PARTS) {
    for (let index = 0; index < parts.length; index++) parts[index] = compact(parts[index] as Buffer)
    return parts
  }
  const all = Buffer.allocUnsafeSlow(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  // A list that was long keeps its room.
  return [all]
}

/** A part that takes little more memory than its bytes: what `ws` emits is a view of the chunk of up to 64 KiB that it came in. */
export function compact (part: Buffer): Buffer {
  if (part.buffer.byteLength - part.length <= MAX_WASTE) return part
  // Not from the pool, which would be pinned in the same way.
  const copy = Buffer.allocUnsafeSlow(part.length)
  copy.set(part)
  return copy
}
