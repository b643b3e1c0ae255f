/// <reference types="node" />
import { EventEmitter } from 'node:events'
import { streamEnd } from './internals.js'
import type { WebSocketConstructor, WebSocketLike, WireData } from './types.js'
import { domError, readData } from './websocket-arguments.js'
import { CLOSED, CONNECTING, CUT, DIALED, OPEN, RECEIVE, SOCKET, WRITE } from './websocket-interface.js'
import type { AirlockWebSocket, AirlockWebSocketClass, SocketEvents } from './websocket-types.js'

/** What libraries for Node use of the sockets of `ws` besides the interface of browsers. */
export interface WsExtras extends Pick<EventEmitter, 'emit' | 'eventNames' | 'listenerCount' | 'listeners' | 'rawListeners' | 'getMaxListeners'> {
  /**
   * Adds a listener, as in `ws`: `open` without arguments, `message` with a `Buffer` (an `ArrayBuffer` for binary messages with
   * `binaryType: 'arraybuffer'`) and whether it is binary, `close` with the code and the reason in a `Buffer`, `error` with an
   * `Error`, and `ping` and `pong` where the platform's sockets have them. An `error` without a listener is none.
   */
  on (name: string, listener: (...args: any[]) => void): this
  once (name: string, listener: (...args: any[]) => void): this
  addListener (name: string, listener: (...args: any[]) => void): this
  prependListener (name: string, listener: (...args: any[]) => void): this
  prependOnceListener (name: string, listener: (...args: any[]) => void): this
  off (name: string, listener: (...args: any[]) => void): this
  removeListener (name: string, listener: (...args: any[]) => void): this
  removeAllListeners (name?: string): this
  setMaxListeners (count: number): this
  /** @param done called when the socket has taken the message, or with an error when it will not */
  send (data: string | ArrayBufferLike | ArrayBufferView | Blob, done?: (error?: Error) => void): void
  /** @param options a `Blob` is always binary */
  send (data: string | ArrayBufferLike | ArrayBufferView | Blob, options: SendOptions, done?: (error?: Error) => void): void
  /** Ends the connection without a close handshake. */
  terminate (): void
  /** Stops reading, where the platform's sockets can. Do not pause for long: signs of life are not read either. */
  pause (): void
  resume (): void
  readonly isPaused: boolean
  /**
   * Only where the platform's sockets have it: those of `ws`. Once the socket is closing or closed, `done` gets the error.
   *
   * @throws {DOMException} `InvalidStateError` before `open`
   */
  ping?: (data?: unknown, mask?: boolean, done?: (error?: Error) => void) => void
  /** Like `ping`. */
  pong?: (data?: unknown, mask?: boolean, done?: (error?: Error) => void) => void
}

/** Options of `send`, as in `ws`. */
interface SendOptions {
  /**
   * Whether the message is binary, whatever the type of the data. Bytes in a text are taken for UTF-8.
   * @default true for anything but a string
   */
  binary?: boolean | undefined
  /** No effect, like `fin` and `mask`. */
  compress?: boolean | undefined
  fin?: boolean | undefined
  mask?: boolean | undefined
}

/** The members of a socket of `ws` that this file uses. */
interface WsSocket extends Partial<Pick<EventEmitter, 'on'>> {
  isPaused?: boolean
  pause?: () => void
  resume?: () => void
}

const EMITTER = [
  'on', 'once', 'addListener', 'prependListener', 'prependOnceListener', 'off', 'removeListener', 'removeAllListeners', 'emit', 'eventNames',
  'listenerCount', 'listeners', 'rawListeners', 'setMaxListeners', 'getMaxListeners'
] as const

/** A class with its members for extensions. */
type Extensible = new (...args: ConstructorParameters<AirlockWebSocketClass>) => AirlockWebSocket & {
  readonly [SOCKET]: WebSocketLike | undefined
  [DIALED] (socket: WebSocketLike): void
  [RECEIVE] (data: string | ArrayBuffer): void
  [WRITE] (data: WireData, done?: (error?: Error) => void): void
  [CUT] (): void
}

/**
 * Extends a class by {@link WsExtras}.
 *
 * @param WebSocket what its sockets run on
 */
export function addExtras (base: AirlockWebSocketClass, WebSocket: WebSocketConstructor): AirlockWebSocketClass<AirlockWebSocket & WsExtras> {
  class Extended extends (base as unknown as Extensible) {
    constructor (url: string | URL, protocols: string | string[] = []) {
      // Without arguments too: the class below checks that.
      super(...(arguments.length === 0 ? [] : [url, protocols]) as unknown as [string])
      const on = <Name extends keyof SocketEvents>(name: Name, args: (event: SocketEvents[Name]) => unknown[]): void => {
        this.addEventListener(name, (event: SocketEvents[Name]) => { if (emitter(this).listenerCount(name)) emitter(this).emit(name, ...args(event)) })
      }
      on('open', () => [])
      on('error', ({ error }) => [error])
      on('close', ({ code, reason }) => [code, Buffer.from(reason)])
    }

    override send (data: any, ...args: any[]): void {
      const done = args.find(argument => typeof argument === 'function')
      if (arguments.length === 0) super.send(...[] as unknown as [string])
      else super.send(convert(data, args[0]?.binary) as string, ...[done] as unknown as [])
    }

    override [WRITE] (data: WireData, done?: (error?: Error) => void): void {
      const socket = this[SOCKET] as WebSocketLike & { send (data: WireData, done?: (error?: Error) => void): void }
      if (done && 'terminate' in socket) return socket.send(data, done)
      super[WRITE](data)
      if (done) process.nextTick(done)
    }

    override [RECEIVE] (data: string | ArrayBuffer): void {
      const binary = typeof data !== 'string'
      if (emitter(this).listenerCount('message')) emitter(this).emit('message', binary && this.binaryType === 'arraybuffer' ? data : Buffer.from(data as string), binary)
      super[RECEIVE](data)
    }

    override [DIALED] (socket: WebSocketLike & WsSocket): void {
      for (const name of ['ping', 'pong']) socket.on?.(name, data => { emitter(this).emit(name, data) })
    }

    terminate (): void { this[CUT]() }
    pause (): void { this.#ws?.pause?.() }
    resume (): void { this.#ws?.resume?.() }
    get isPaused (): boolean { return this.#ws?.isPaused ?? false }
    get _socket (): object { return streamEnd(() => this.readyState === CLOSED, callback => { emitter(this).once('close', callback) }) }

    get #ws (): WsSocket | undefined { return this[SOCKET] as WsSocket | undefined }
  }
  Object.defineProperty(Extended.prototype, 'send', { enumerable: true })
  for (const name of EMITTER) Object.defineProperty(Extended.prototype, name, { value: EventEmitter.prototype[name], configurable: true, writable: true })
  for (const name of ['ping', 'pong'] as const) {
    if (!(name in WebSocket.prototype)) continue
    Object.defineProperty(Extended.prototype, name, {
      configurable: true,
      writable: true,
      value (this: Extended, ...args: unknown[]) {
        if (this.readyState !== OPEN) {
          const error = domError('InvalidStateError', 'The WebSocket is not open')
          if (this.readyState === CONNECTING) throw error
          const done = args.find(argument => typeof argument === 'function') as ((error: Error) => void) | undefined
          if (done) process.nextTick(done, error)
          return
        }
        const socket = this[SOCKET] as unknown as { [Name in 'ping' | 'pong']: (...args: unknown[]) => void }
        socket[name](...args)
      }
    })
  }
  Object.defineProperty(Extended, 'name', { value: 'WebSocket', configurable: true })
  return Extended as unknown as AirlockWebSocketClass<AirlockWebSocket & WsExtras>
}

/** Makes of a text bytes, and of bytes a text, where the caller wants so. */
function convert (data: unknown, binary: unknown): unknown {
  const wire = readData(data)
  if (binary === true && typeof wire === 'string') return Buffer.from(wire)
  if (binary !== false || typeof wire === 'string' || !(ArrayBuffer.isView(wire) || 'byteLength' in wire)) return wire
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(wire)
}

function emitter (socket: object): EventEmitter {
  return socket as EventEmitter
}
