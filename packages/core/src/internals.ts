import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import type { WebSocket, WebSocketServer } from 'ws'

/*
 * Everything that this package reads, patches or writes without it being documented, of ws 8.23, @fastify/websocket 11.3
 * and Node 20 to 26. Each use says what happens without it: nothing but speed and memory depends on one.
 */

const forced = process.env.AIRLOCK_PUBLIC === '1'

/**
 * Whether the plugins use nothing but the documented interface of other packages: the environment variable
 * `AIRLOCK_PUBLIC=1` asks for that. They do the same then, slower and with more memory for each connection.
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
 * Whether the private parts of a library are what they were in the versions that Airlock knows. Probed once for each
 * name; where they differ, one line is logged.
 *
 * @param library name of the library, for the log
 * @param probe looks at the parts that are used; throwing counts as `false`
 * @returns `false` as well where the public way is forced
 */
export function canUsePrivateParts (library: string, probe: () => boolean, log: ProbeLog): boolean {
  if (forced) return false
  let fits = probed.get(library)
  if (fits === undefined) {
    try {
      fits = probe()
    } catch {
      fits = false
    }
    probed.set(library, fits)
    if (!fits) log.warn(`${library} differs from the versions that Airlock knows: its public interface is used, which is slower`)
  }
  return fits
}

/** What `ws` keeps of a connection. */
interface Connection {
  _closeFrameReceived?: boolean
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

/** What is told of the events of a server's sockets. */
interface Watch {
  key: symbol | null
  watcher: SocketWatcher | null
}

/** Told of each event of a socket: of a message when the listeners have had it, of all else before they hear of it. */
export type SocketWatcher = (socket: WebSocket, event: string | symbol) => void

/** What `ws` keeps of the extensions that were negotiated: most of the time none, an object for each connection. */
const NO_EXTENSIONS = Object.freeze({})

/**
 * Gives the server, by the option `WebSocket` of `ws`, a class of sockets that cost less and do the same:
 *
 * - Streams are ended once. At an orderly close `ws` ends its receiver twice more and the TCP socket once more, and Node
 *   makes an error with a stack each time, which nobody sees: 7 to 14 % of what a short connection costs.
 * - The function that counts the automatic answers to pings is made when there is a ping, not kept for each connection.
 * - All connections without extensions share the object that says so.
 *
 * Where `ws` has other private members nothing changes. A second call for the same server does nothing.
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
      // From the start, or it would be kept outside of the object.
      if (watch.key !== null) (this as unknown as Record<symbol, unknown>)[watch.key] = undefined
    }

    /** Called by `ws` once for each connection, when all is negotiated. */
    setSocket (...given: unknown[]): void {
      const socket = this as unknown as Connection
      if (socket._extensions !== undefined && Object.keys(socket._extensions).length === 0) socket._extensions = NO_EXTENSIONS
      ;(Base.prototype as unknown as { setSocket (...given: unknown[]): void }).setSocket.apply(this, given)
    }

    /** Read by `ws` for each ping, and assigned by its constructor. */
    get _autoPongComplete (): () => void {
      return () => { (this as unknown as Connection)._pendingAutoPongs-- }
    }

    set _autoPongComplete (_made: unknown) {}

    override close (code?: number, data?: string | Buffer): void {
      super.close(code, data)
      // Before the peer's close frame all calls of `end` are first ones.
      const { _closeFrameReceived, _receiver, _socket } = this as unknown as Connection
      if (_closeFrameReceived !== true || _receiver === undefined || _socket === undefined) return
      _receiver.end = _socket.end = endOnce as Writable['end']
    }
  }
  return true
}

/**
 * Has a watcher told of each event of the server's sockets. It takes the place of listeners, which cost each idle
 * connection a list of its own.
 *
 * @param key a member that each socket has from the start
 * @returns whether a socket is watched; `null`, and nothing done, where the server has another watcher already or cannot
 *   have the class of {@link useLeanSockets}
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
    // All arguments, however many: they are not ours.
    const heard = Reflect.apply(emit, this, arguments)
    if (event === 'message') watcher(this, event)
    return heard
  }
  return socket => socket instanceof Lean
}

function endOnce (this: Writable, ...given: unknown[]): Writable {
  // A caller that gives something, be it a callback, gets Node's own answer.
  if (this.writableEnded && given.length === 0) return this
  return Object.getPrototypeOf(this).end.apply(this, given)
}

/** The key under which `@fastify/websocket` keeps the packet that the upgrade came in. */
let head: symbol | undefined

/** On the options of a `WebSocketServer`: whether errors of its sockets are handled as `websocketOptions()` has it. */
export const handlesErrors = Symbol.for('airlock handles errors')

/**
 * Lets go of what `@fastify/websocket` keeps of an upgrade for as long as its WebSocket is open: the response, the
 * reply, the request and the packet that it came in, two thirds of the memory of an idle connection. Nothing is taken
 * out of the request: it lives on, whole, for who holds it. Call it first of all in the handler of the route. Where
 * somebody listens for the response to close, or for errors of the socket, what they hold stays.
 *
 * Without these members, or with an error handler of the application, all stays as it was.
 *
 * @param onError takes the place of the plugin's own listener, which does the same and holds request and reply
 */
export function letGoOfUpgrade (
  socket: WebSocket, request: FastifyRequest, server: WebSocketServer, onError: (this: WebSocket, error: Error) => void
): void {
  if (forced) return
  const raw = request.raw as typeof request.raw & Record<symbol, unknown>
  // There is none with injectWS.
  const tcp = raw.socket as (Socket & { _httpMessage?: ServerResponse | null }) | undefined
  const response = tcp?._httpMessage
  // Somebody who waits for the response to close hears of it.
  if (tcp !== undefined && response?.listenerCount('close') === 0) response.detachSocket(tcp)
  head ??= Object.getOwnPropertySymbols(raw).find(({ description }) => description === 'ws-head')
  if (head !== undefined) raw[head] = undefined
  if ((server.options as { [handlesErrors]?: boolean })[handlesErrors] !== true) return
  // Where there is one listener it is the plugin's. Which of several is, nobody can say.
  const [theirs, another] = socket.listeners('error') as Array<(error: Error) => void>
  if (theirs === undefined || another !== undefined) return
  socket.off('error', theirs)
  socket.on('error', onError)
}
