import type { ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { WebSocket, WebSocketServer } from 'ws'

/*
 * Everything that this package reads, patches or writes without it being documented, of ws 8.23, @fastify/websocket 11.3
 * and Node 20 to 26. Each use says what happens without it: nothing but speed and memory depends on one.
 */

// Bun and Deno bring their own node:http and their own ws, whose parts have the same names and do other things: on Bun
// 1.4 a connection is never answered once its response is detached.
const forced = process.env.AIRLOCK_PUBLIC === '1' || 'bun' in process.versions || 'deno' in process.versions

/**
 * Whether the plugins use nothing but the documented interface of other packages: where the environment variable
 * `AIRLOCK_PUBLIC=1` asks for that, and on other runtimes than Node. The plugins do the same then, slower and with more
 * memory for each connection.
 */
export function usesPublicWay (): boolean {
  return forced
}

/** The part of a logger that {@link canUsePrivateParts} needs. */
export interface ProbeLog {
  warn (message: string): void
}

const probed = new Map<string, boolean>()

/**
 * Whether the private parts of a library are what they were in the versions that Airlock knows, as {@link isAsKnown} finds
 * out.
 *
 * @returns `false` as well where the public way is forced
 */
export function canUsePrivateParts (library: string, probe: () => boolean, log: ProbeLog): boolean {
  return !forced && isAsKnown(library, probe, log)
}

/**
 * Whether the private parts of a library are what they were in the versions that Airlock knows. Probed once for each
 * name; where they differ, one line is logged.
 *
 * @param library name of the library, for the log
 * @param probe looks at the parts that are used; throwing counts as `false`
 * @param price what the public interface costs, for the log
 */
export function isAsKnown (library: string, probe: () => boolean, log: ProbeLog, price = 'is slower'): boolean {
  let fits = probed.get(library)
  if (fits === undefined) {
    try {
      fits = probe()
    } catch {
      fits = false
    }
    probed.set(library, fits)
    if (!fits) log.warn(`${library} differs from the versions that Airlock knows: its public interface is used, which ${price}`)
  }
  return fits
}

/** What `ws` keeps of a connection. */
interface Connection {
  _closeFrameReceived?: boolean
  _closeFrameSent?: boolean
  _closeTimeout?: number
  _receiver?: Writable
  _socket?: Writable
  _extensions?: object
  _pendingAutoPongs: number
}

/** The members that {@link useLeanSockets} relies on, as the constructor of `ws` makes them. */
function isKnownSocket (Base: WebSocketClass): boolean {
  // A class of the application's may do anything in its constructor: that of ws is asked.
  let known: object = Base.prototype
  while (!Object.hasOwn(known, 'setSocket')) known = Object.getPrototypeOf(known)
  const Known = known.constructor as new (address: null, protocols: undefined, options: object) => object
  const socket = new Known(null, undefined, {}) as Record<string, unknown>
  return ['_closeFrameReceived', '_extensions', '_receiver', '_socket'].every(name => Object.hasOwn(socket, name)) &&
    // Older versions count no pings, and have neither.
    Object.hasOwn(socket, '_autoPongComplete') === Object.hasOwn(socket, '_pendingAutoPongs')
}

// Registered symbols, since an application may hold several copies of this package.
const isLean = Symbol.for('airlock lean socket')

type WebSocketClass = typeof WebSocket & { [isLean]?: Watch }

/** Who hears the events of a server's sockets. */
interface Watch {
  key: symbol | null
  watcher: SocketWatcher | null
}

/** Called for each event of a socket: after the listeners for a message, before them for every other event. */
export type SocketWatcher = (socket: WebSocket, event: string | symbol) => void

/** `ws` keeps the negotiated extensions in an object for each connection, and nearly always there are none. */
const NO_EXTENSIONS = Object.freeze({})

/**
 * Makes the server use, through the option `WebSocket` of `ws`, a class of sockets that cost less and behave the same:
 *
 * - Each stream is ended once. At an orderly close `ws` ends its receiver twice more and the TCP socket once more. Node
 *   creates an error with a stack each time, which nobody sees: 7 to 14 % of the cost of a short connection.
 * - The function that counts automatic pongs is created for each ping, not for each connection.
 * - All connections without extensions share one empty object.
 *
 * Nothing changes where `ws` has other private members. A second call for the same server does nothing.
 *
 * @returns whether the server has that class now
 */
export function useLeanSockets ({ options }: WebSocketServer, log: ProbeLog): boolean {
  const Base = options.WebSocket as WebSocketClass | undefined
  if (Base?.[isLean] !== undefined) return true
  // Bun has a ws of its own, without this option.
  if (!canUsePrivateParts('ws', () => isKnownSocket(Base as WebSocketClass), log) || Base === undefined) return false
  const watch: Watch = { key: null, watcher: null }
  options.WebSocket = class extends Base {
    static override readonly [isLean] = watch

    constructor (...given: unknown[]) {
      super(...given as ConstructorParameters<typeof WebSocket>)
      // Set from the start: a member that is added later is stored outside of the object.
      if (watch.key !== null) (this as unknown as Record<symbol, unknown>)[watch.key] = undefined
    }

    /** `ws` calls this once for each connection, after the negotiation. */
    setSocket (...given: unknown[]): void {
      const socket = this as unknown as Connection
      if (socket._extensions !== undefined && Object.keys(socket._extensions).length === 0) socket._extensions = NO_EXTENSIONS
      ;(Base.prototype as unknown as { setSocket (...given: unknown[]): void }).setSocket.apply(this, given)
    }

    /** `ws` reads this for each ping. Its constructor assigns it. */
    get _autoPongComplete (): () => void {
      return () => { (this as unknown as Connection)._pendingAutoPongs-- }
    }

    set _autoPongComplete (_made: unknown) {}

    override close (code?: number, data?: string | Buffer): void {
      super.close(code, data)
      // Until the peer's close frame has come, no stream has been ended yet.
      const { _closeFrameReceived, _receiver, _socket } = this as unknown as Connection
      if (_closeFrameReceived !== true || _receiver === undefined || _socket === undefined) return
      _receiver.end = _socket.end = endOnce as Writable['end']
    }
  }
  return true
}

/**
 * Calls a watcher for each event of the server's sockets. Unlike listeners, it needs no list for each idle connection.
 *
 * @param key a member that each socket has from the start
 * @returns a function that tells whether a socket is watched; `null` where the server has another watcher already or
 *   cannot use the class of {@link useLeanSockets}
 */
export function watchSockets (
  server: WebSocketServer, key: symbol, watcher: SocketWatcher, log: ProbeLog
): ((socket: WebSocket) => boolean) | null {
  if (!useLeanSockets(server, log)) return null
  const Lean = server.options.WebSocket as WebSocketClass
  const watch = Lean[isLean] as Watch
  if (watch.watcher !== null) return null
  watch.key = key
  watch.watcher = watcher
  const { emit } = Lean.prototype
  Lean.prototype.emit = function (event: string | symbol) {
    if (event !== 'message') watcher(this, event)
    // An event may have any number of arguments.
    const heard = Reflect.apply(emit, this, arguments)
    if (event === 'message') watcher(this, event)
    return heard
  }
  return socket => socket instanceof Lean
}

/**
 * Whether the kernel has taken the close frame of a socket, and so everything before it. Without the private member, a
 * message that the application sends after the close counts as waiting for ever, since `bufferedAmount` does.
 */
export function closeFrameIsOut (socket: { readonly bufferedAmount?: number }): boolean {
  const { _closeFrameSent: sent } = socket as Connection
  return forced || typeof sent !== 'boolean' ? !socket.bufferedAmount : sent
}

/** Whether the close that a socket is asked for is the answer to the peer's close frame. Without it, it may be. */
export function isAnswer (socket: object): boolean {
  return !forced && (socket as Connection)._closeFrameReceived === true
}

/**
 * Whether the reason that a close is asked for may be the peer's, which `ws` passes on as it has read it. Without the private
 * member of {@link isAnswer}, any reason of bytes may be.
 */
export function mayBePeers (reason: string | Buffer | undefined): boolean {
  return forced && Buffer.isBuffer(reason)
}

/** Whether {@link prolongClose} works for the sockets of this class. */
export function canProlongClose (Base: { prototype: object }): boolean {
  if (forced) return false
  const Known = Base as unknown as new (address: null, protocols: undefined, options: object) => Connection
  return new Known(null, undefined, { closeTimeout: 7 })._closeTimeout === 7
}

/**
 * Has `ws` wait for so long from `close()` until it destroys the connection, if it would wait for less. Without it, the
 * time is that of the server's options, for all sockets.
 */
export function prolongClose (socket: object, timeout: number): void {
  const connection = socket as Connection
  if (!forced && typeof connection._closeTimeout === 'number' && connection._closeTimeout < timeout) connection._closeTimeout = timeout
}

function endOnce (this: Writable, ...given: unknown[]): Writable {
  // A caller that passes data or a callback gets Node's own answer.
  if (this.writableEnded && given.length === 0) return this
  return Object.getPrototypeOf(this).end.apply(this, given)
}

/** The key under which `@fastify/websocket` keeps the packet that the upgrade arrived in. */
let head: symbol | undefined

/** On the options of a `WebSocketServer`: whether errors of its sockets are handled as `websocketOptions()` has it. */
export const handlesErrors = Symbol.for('airlock handles errors')

/**
 * Releases what `@fastify/websocket` keeps of an upgrade while its WebSocket is open: the response, the reply, the
 * request and the packet that it arrived in, two thirds of the memory of an idle connection. The request itself stays
 * complete for anybody who holds it. Call this first in the handler of the route. Where somebody listens for the response
 * to close, or for errors of the socket, what they hold stays.
 *
 * Where these members differ, or the application has its own error handler, nothing is released.
 *
 * @param onError replaces the plugin's own listener, which does the same and holds request and reply
 */
export function letGoOfUpgrade (
  socket: WebSocket, request: FastifyRequest, server: WebSocketServer, onError: (this: WebSocket, error: Error) => void
): void {
  if (forced) return
  const raw = request.raw as typeof request.raw & Record<symbol, unknown>
  // injectWS has no socket.
  const tcp = raw.socket as (Socket & { _httpMessage?: ServerResponse | null }) | undefined
  const response = tcp?._httpMessage
  // A listener for the response's 'close' must be called.
  if (tcp !== undefined && response?.listenerCount('close') === 0) response.detachSocket(tcp)
  head ??= Object.getOwnPropertySymbols(raw).find(({ description }) => description === 'ws-head')
  if (head !== undefined) raw[head] = undefined
  if ((server.options as { [handlesErrors]?: boolean })[handlesErrors] !== true) return
  // A single listener is the plugin's. Among several, its own cannot be told apart.
  const [theirs, another] = socket.listeners('error') as Array<(error: Error) => void>
  if (theirs === undefined || another !== undefined) return
  socket.off('error', theirs)
  socket.on('error', onError)
}

/**
 * Whether an error comes from the part of `ws` that reads frames, which notes the close code that it leads to. Errors of
 * `zlib`, for compressed frames that are none, have no code that says so. Without that note they are logged whole.
 */
export function isOfReceiver (error: Error): boolean {
  return Object.getOwnPropertySymbols(error).some(({ description }) => description === 'status-code')
}

/**
 * The options that a server was made with, of which Fastify shows only some. `undefined` where they cannot be seen: then there
 * is less help for mistakes, and connections are not counted by address, as behind a proxy.
 */
export function serverOptionsOf (fastify: FastifyInstance): Record<string, unknown> | undefined {
  // A scope inherits them.
  for (let at: object | null = fastify; at !== null; at = Object.getPrototypeOf(at)) {
    const key = Object.getOwnPropertySymbols(at).find(({ description }) => description === 'fastify.options')
    if (key !== undefined) return (at as Record<symbol, Record<string, unknown> | undefined>)[key]
  }
  return undefined
}

/** Node: what a socket reads from and writes to. */
interface Handle {
  /** Bytes that were written to it so far. */
  bytesWritten?: unknown
  /** Bytes of these that the kernel has not taken yet. */
  writeQueueSize?: unknown
  /** What a TLS handle writes to; its own queue only shrinks when it is empty. */
  _parent?: Handle
}

/** Logs one line if {@link bytesTaken} sees only whole writes: what it finds on the first socket decides for all. */
export function probeBytesTaken (transport: Socket, log: ProbeLog): void {
  // A socket that was destroyed meanwhile has no handle, so it shows nothing.
  if (!transport.destroyed) canUsePrivateParts('the write queue of node:net', () => takenByKernel(transport) !== undefined, log)
}

/**
 * A number that grows whenever the kernel takes some of what was written to a TCP or TLS socket. Where more was waiting
 * already, the peer has acknowledged as much.
 *
 * Nothing public tells how far a single large write has come, and Node hands over all that waits as one write; it may well
 * take longer than a timeout. `socket.setTimeout` of Node itself looks here, too. Without the private members a write
 * counts only when all of it is gone: a peer that takes longer than the timeout for what Node writes in one go counts as
 * one that takes nothing.
 */
export function bytesTaken (transport: Socket): number {
  return (forced ? undefined : takenByKernel(transport)) ?? transport.bytesWritten - transport.writableLength
}

function takenByKernel (transport: Socket): number | undefined {
  const { _handle: own } = transport as unknown as { _handle?: Handle | null }
  const handle = own?._parent ?? own
  return typeof handle?.bytesWritten === 'number' && typeof handle.writeQueueSize === 'number' ? handle.bytesWritten - handle.writeQueueSize : undefined
}

const kWritten = Symbol.for('airlock written')
const kTransport = Symbol.for('airlock transport')

type WithWatch = WebSocket & { [kWritten]?: () => void, [kTransport]?: Socket }

/**
 * Calls a function whenever something was sent on a socket of the server, by anybody: `send`, `ping` and `pong`, those that
 * `ws` answers by itself included. What is written past them, {@link noteWritten} tells of.
 *
 * Without the class of {@link useLeanSockets}, each socket has methods of its own. Two of these on one server: the later one
 * is called.
 */
export function watchWrites (server: WebSocketServer, written: (socket: WebSocket) => void, log: ProbeLog): void {
  const told = { [kWritten] (this: WebSocket) { written(this) } }
  if (useLeanSockets(server, log)) {
    const { prototype } = server.options.WebSocket as WebSocketClass
    const base = Object.getPrototypeOf(prototype) as WebSocket
    Object.assign(prototype, writing(() => base, written), told)
    return
  }
  const own = Object.assign(writing(socket => Object.getPrototypeOf(socket), written), told)
  server.on('connection', (socket, request) => { Object.assign(socket, own, { [kTransport]: request.socket }) })
}

/** Methods in place of those of a socket. A list of their arguments would cost more than all else. */
function writing (baseOf: (socket: WebSocket) => WebSocket, written: (socket: WebSocket) => void) {
  return {
    send (this: WebSocket, data: never, options: never, done: never) {
      baseOf(this).send.call(this, data, options, done)
      written(this)
    },
    ping (this: WebSocket, data: never, mask: never, done: never) {
      baseOf(this).ping.call(this, data, mask, done)
      written(this)
    },
    pong (this: WebSocket, data: never, mask: never, done: never) {
      baseOf(this).pong.call(this, data, mask, done)
      written(this)
    }
  }
}

/** Tells who watches the writes of a socket, if anybody does, of bytes that were not sent by its own methods. */
export function noteWritten (socket: object): void {
  (socket as WithWatch)[kWritten]?.()
}

/** The TCP or TLS socket of a socket whose writes are watched; `undefined` where there is none, as with `injectWS`. */
export function transportOf (socket: object): Socket | undefined {
  const transport = forced ? (socket as WithWatch)[kTransport] : (socket as Connection)._socket
  return transport instanceof Socket ? transport : undefined
}
