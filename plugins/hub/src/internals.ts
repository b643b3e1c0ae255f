import { EventEmitter } from 'node:events'
import { Socket } from 'node:net'
import { canUsePrivateParts, isThenable, type ProbeLog, usesPublicWay } from '@fastify-airlock/core'
import type { WebSocket, WebSocketServer } from 'ws'
import type { Batch } from './batch.js'
import type { HubBus } from './bus.js'

/*
 * Everything that this package reads, patches or writes without it being documented: of ws 8.23, mqemitter-redis 7.2
 * and mqemitter-mongodb 9.1. Each use says what happens without it.
 */

/** `ws`: state of a sender that neither compresses nor reads a Blob, and so has nothing queued either. */
const IDLE = 0

const owner = Symbol('airlock connection')

/** Has something to write to a socket. */
export interface WriteOwner {
  /** Writes it. */
  flush (): void
}

/** `ws`: what frames and writes the messages of a socket. */
interface Sender {
  /** {@link IDLE}, or what the sender is busy with while everything else waits in its queue. */
  _state: unknown
  /** `false` between the fragments of a message. */
  _firstFragment: unknown
  /** What `bufferedAmount` counts beside the bytes of the stream. */
  _bufferedBytes: number
  /** Writes messages, pings, pongs and close frames: everything that `ws` sends. */
  sendFrame (list: unknown[], callback?: (error?: Error) => void): void
  [owner]?: WriteOwner
}

/** `ws`: what a WebSocket keeps to itself. */
interface Internals {
  _isServer: unknown
  /** The TCP or TLS socket. */
  _socket: Socket
  _sender: Sender
}

interface KnownSocket extends WebSocket {
  setSocket (stream: Socket, head: Buffer, options: object): void
}

/**
 * Whether a hub may write frames that many connections share. Without them `send` gets every message, frames it anew for
 * each socket and writes it at once.
 *
 * @param server the server that most sockets come from, if it is known
 */
export function canShareFrames (server: WebSocketServer | undefined, log: ProbeLog): boolean {
  return server === undefined ? !usesPublicWay() : canUsePrivateParts('the sender of ws', () => isKnown(server), log)
}

/** Tries out on a socket without a network what the functions below rely on. */
function isKnown ({ options }: WebSocketServer): boolean {
  // A class of the application may do anything in its constructor, so this takes the class of `ws` itself.
  let prototype: KnownSocket = (options.WebSocket as typeof WebSocket).prototype as KnownSocket
  while ('setSocket' in Object.getPrototypeOf(prototype)) prototype = Object.getPrototypeOf(prototype)
  const Known = prototype.constructor as new (address: null, protocols: undefined, options: object) => KnownSocket
  const socket = new Known(null, undefined, {})
  const stream = new Socket()
  socket.setSocket(stream, Buffer.alloc(0), {})
  const { _sender: sender } = socket as unknown as Internals
  if (!isShareable(socket) || !reserve(socket, 7) || socket.bufferedAmount !== 7) return false
  let frames = 0
  sender.sendFrame = () => { frames++ }
  socket.send('')
  socket.ping()
  stream.destroy()
  return frames === 2
}

/** Whether shared frames fit a socket: they are unmasked and uncompressed. Both are settled before a socket opens. */
export function isShareable (socket: WebSocket): boolean {
  const { _isServer, _socket, _sender } = socket as unknown as Partial<Internals>
  return _isServer === true && socket.extensions === '' && _socket instanceof Socket &&
    typeof _sender?._state === 'number' && typeof _sender._firstFragment === 'boolean' &&
    typeof _sender._bufferedBytes === 'number' && typeof _sender.sendFrame === 'function'
}

/**
 * Has the owner flush before `ws` itself writes anything to the socket: what the hub has accepted before goes out before.
 *
 * @returns `false` where other code has replaced the method already: both would think that they know the order
 */
export function interceptWrites (socket: WebSocket, by: WriteOwner): boolean {
  const { _sender: sender } = socket as unknown as Internals
  if (Object.hasOwn(sender, 'sendFrame')) return false
  sender[owner] = by
  sender.sendFrame = sendFrame
  return true
}

/** One function for all sockets. */
function sendFrame (this: Sender, list: unknown[], callback?: (error?: Error) => void): void {
  this[owner]?.flush()
  Object.getPrototypeOf(this).sendFrame.call(this, list, callback)
}

/**
 * Has `bufferedAmount` count bytes that {@link writeReserved} writes later.
 *
 * @returns `false` behind a queue or between the fragments of a message: there only `send` knows what may go out when
 */
export function reserve (socket: WebSocket, bytes: number): boolean {
  const { _sender: sender } = socket as unknown as Internals
  if (sender._state !== IDLE || sender._firstFragment !== true) return false
  sender._bufferedBytes += bytes
  return true
}

/** Writes frames whose bytes were reserved. */
export function writeReserved (socket: WebSocket, batch: Batch): void {
  const { _socket: stream, _sender: sender } = socket as unknown as Internals
  sender._bufferedBytes -= batch.length
  // The peer may have left since: writing to a stream that has ended would cause another error.
  if (!stream.writable) return
  for (const buffer of batch.buffers) stream.write(buffer)
}

/** Holds back what is written to a shareable socket from now on. Without it, many close frames are written in one go. */
export function cork (socket: WebSocket): void {
  (socket as unknown as Internals)._socket.cork()
}

/** Writes what was held back. Once for each {@link cork}. */
export function uncork (socket: WebSocket): void {
  (socket as unknown as Internals)._socket.uncork()
}

interface Emitter {
  on? (event: string, listener: (error: unknown) => void): unknown
}

/** `mqemitter-redis`: one of its two connections, of ioredis. */
interface RedisConnection extends Emitter {
  status?: unknown
  quit? (...args: unknown[]): unknown
}

interface BusInternals {
  /** `mqemitter-redis`: emits what happens to its connections. */
  state?: Emitter
  /** `mqemitter-mongodb`: the same. */
  status?: Emitter
  /** `mqemitter-mongodb`: the insertion under way. */
  _executingBulk?: Promise<unknown> | null
  /** `mqemitter-redis`: the connection that subscribes, and the one that publishes. */
  subConn?: RedisConnection
  pubConn?: RedisConnection
}

/**
 * Handles the errors that a bus reports beside its callbacks: an `'error'` event when Redis goes away, a rejected
 * insertion when MongoDB does, a farewell that Redis does not hear any more. Without it they end the process. The libraries
 * report them nowhere else, so this is done where the public way is forced as well. The listeners stay when the hub has
 * closed: the bus may fail even then.
 */
export function handleBusErrors (bus: HubBus, onError: (error: unknown) => void): void {
  const internals = bus as BusInternals
  for (const emitter of [internals.state, internals.status]) emitter?.on?.('error', onError)
  // A bus that is an emitter itself: its own `on` subscribes to a topic.
  if (bus instanceof EventEmitter) EventEmitter.prototype.on.call(bus, 'error', onError)
  for (const connection of [internals.subConn, internals.pubConn]) {
    const quit = connection?.quit
    if (connection === undefined || typeof quit !== 'function') continue
    connection.quit = (...args) => {
      const result = quit.apply(connection, args)
      if (isThenable(result)) result.then(() => {}, onError)
      return result
    }
  }
  if (!('_executingBulk' in internals)) return
  let bulk = internals._executingBulk
  Object.defineProperty(internals, '_executingBulk', {
    configurable: true,
    enumerable: true,
    get: () => bulk,
    set (value: typeof bulk) {
      bulk = value
      value?.catch(onError)
    }
  })
}

/** States of an ioredis connection in which it takes a subscription well, or says at once that it cannot. */
const TAKES_SUBSCRIPTIONS: unknown[] = ['ready', 'wait', 'end']

/**
 * Tells when `mqemitter-redis` loses its connection and has it back, and whether it can take subscriptions. It says neither
 * itself, so its connection is asked: a subscription that reaches ioredis between connecting and
 * being ready makes its own check of the server fail, and is forgotten with the connection. Without this, the hub finds
 * out by its beats, and subscribes again.
 *
 * @returns whether the bus can take subscriptions now
 */
export function watchConnection (bus: HubBus, onState: (state: 'lost' | 'back') => void): () => boolean {
  const { subConn } = bus as BusInternals
  if (usesPublicWay() || typeof subConn?.status !== 'string' || typeof subConn.on !== 'function') return () => true
  subConn.on('close', () => onState('lost'))
  subConn.on('ready', () => onState('back'))
  return () => TAKES_SUBSCRIPTIONS.includes(subConn.status)
}
