import { startAttempt, type Attempt } from './attempt.js'
import { createTimer } from './clock.js'
import { closeMaps, type CloseReport, type SocketEnd } from './close-maps.js'
import { sizeOf } from './codec.js'
import { createEmitter } from './emitter.js'
import { fault, type AirlockError } from './errors.js'
import { readOptions } from './options.js'
import { createPace } from './pace.js'
import type { WebSocketLike, WireData } from './types.js'
import { judgeClose } from './verdict.js'
import { onWake } from './wake.js'
import { copy, domError, readArguments, readClose, readData } from './websocket-arguments.js'
import { closeEvent, type End, errorEvent, messageEvent } from './websocket-events.js'
import { CLOSED, CLOSING, CONNECTING, CUT, defineInterface, DIALED, OPEN, RECEIVE, SOCKET, WRITE } from './websocket-interface.js'
import type { WebSocketClassOptions } from './websocket-options.js'
import { createRecords, type AttemptRecord } from './websocket-records.js'
import type { AirlockWebSocketClass } from './websocket-types.js'

/** Is called when the network has taken a message, or will not. */
type Done = (error?: Error) => void

/**
 * Creates a class with the interface of the browser's `WebSocket`, for libraries that construct their sockets themselves. Each
 * socket fetches a ticket, sends `auth`, is `OPEN` from `auth_ok` on, refreshes the JWT by itself, and keeps control messages
 * from the library.
 *
 * An `error` event means, as in Chrome, Firefox and `ws`, that a socket has failed before it was open. The end of an open one,
 * a connection that was cut included, is `close` alone.
 *
 * It differs from the browser's in what PROTOCOL.md, section 9, asks for: an attempt that comes too early, for the same URL as
 * one that has just failed, waits in `CONNECTING`, and none is made after a final refusal, so that a library that comes back
 * whatever the close code was does no harm. Such a socket fails after a second, with the code of the refusal.
 *
 * @throws {@link AirlockError} `WSA_CLIENT_ERR_OPTIONS` when an option cannot be used
 * @throws {@link AirlockError} `WSA_CLIENT_ERR_NO_WEBSOCKET` when there is no WebSocket
 * @see https://websockets.spec.whatwg.org/
 * @example
 * const AuthenticatedWebSocket = createWebSocketClass({
 *   getTicket: ({ signal }) => fetch('/ws/ticket', { method: 'POST', signal }),
 *   getToken: () => session.jwt
 * })
 * new WebsocketProvider('wss://app.example/yjs', 'room', doc, { WebSocketPolyfill: AuthenticatedWebSocket })
 */
export function createWebSocketClass (options: WebSocketClassOptions): AirlockWebSocketClass {
  const { mapClose = closeMaps.any, onError, ...own } = options
  // The address is that of each socket. What is captured here is the platform's own, should this class take its place.
  const settings = readOptions({ ...own, url: 'ws://localhost' })
  const records = createRecords(settings)
  const waiting = new Set<AirlockWebSocket>()
  const { on, emit } = createEmitter<{ error: [error: AirlockError, url: string] }>()
  if (onError) on('error', args => { onError(...args) })

  class AirlockWebSocket extends EventTarget {
    static resume (): void {
      records.clear()
      for (const socket of waiting) socket.#wait()
    }

    readonly #url: URL
    readonly #offered: string[]
    readonly #schedule = createTimer()
    #state = CONNECTING
    #binaryType = 'blob'
    #attempt: Attempt | undefined
    /** The socket of an attempt that is no longer under way. */
    #closing: WebSocketLike | undefined
    #stopWaking: Array<() => void> = []
    #pace = createPace()
    /** Closes the socket once all has been sent. */
    #close: (() => void) | undefined
    #queue: Array<[data: WireData, done: Done | undefined]> = []
    /** Bytes in the queue, and of what was sent too late. */
    #unsent = 0

    constructor (url: string | URL, protocols: string | string[] = []) {
      if (arguments.length === 0) throw new TypeError('A WebSocket needs a URL')
      super()
      const [address, offered] = readArguments(url, protocols)
      this.#url = address
      this.#offered = offered
      try {
        readOptions({ url: this.#url, WebSocket: settings.WebSocket })
      } catch {
        // It would show up in logs.
        throw domError('SyntaxError', 'The URL contains a JWT')
      }
      // Not at once: a library that closes at once wants no ticket.
      queueMicrotask(() => { this.#wait() })
    }

    get url (): string { return this.#url.href }
    get readyState (): number { return this.#state }
    get extensions (): string { return (this.#socket as { extensions?: string } | undefined)?.extensions ?? '' }
    get protocol (): string { return this.#state !== CONNECTING && this.#offered.length ? this.#socket?.protocol ?? '' : '' }
    get bufferedAmount (): number { return this.#state === CONNECTING ? 0 : (this.#socket?.bufferedAmount ?? 0) + this.#unsent }
    get binaryType (): string { return this.#binaryType }
    set binaryType (type: string) {
      type = `${type}`
      if (type === 'blob' || type === 'arraybuffer') this.#binaryType = type
    }

    get #record (): AttemptRecord { return records.get(this.url) }
    get #socket (): WebSocketLike | undefined { return this.#closing ?? this.#attempt?.socket }

    send (data: unknown, ...[done]: [done?: Done]): void {
      if (arguments.length === 0) throw new TypeError('send needs an argument')
      const wire = readData(data)
      if (this.#state === CONNECTING) throw domError('InvalidStateError', 'The WebSocket is not open')
      const wait = this.#state === OPEN && !this.#queue.length ? this.#pace() : 1
      if (wait === 0) return this[WRITE](wire, done)
      this.#unsent += sizeOf(wire)
      if (this.#state !== OPEN) return done?.(domError('InvalidStateError', 'The WebSocket is not open'))
      if (!this.#queue.length) this.#schedule(wait, () => { this.#flush() })
      this.#queue.push([copy(wire), done])
    }

    close (...args: [code?: number, reason?: string]): void {
      const frame = readClose(...args)
      if (this.#state >= CLOSING) return
      const opened = this.#state === OPEN
      this.#state = CLOSING
      if (!opened) {
        const error = fault('CLOSED')
        this.#attempt?.drop(error)
        this.#lose(error)
        return
      }
      // What waits goes out first.
      this.#close = () => { this.#drop(frame) }
      this.#flush()
    }

    [CUT] (): void {
      if (this.#state === CONNECTING) return this.close()
      // One that was closed before it opened ends by itself.
      if (this.#state === CLOSED || (this.#state === CLOSING && !this.#close)) return
      this.#state = CLOSING
      this.#drop([])
      const socket = this.#closing as { terminate?: () => void }
      if (socket.terminate) socket.terminate()
      else this.#lose()
    }

    /** Starts the attempt when its time has come. */
    #wait (): void {
      if (this.#state !== CONNECTING) return
      waiting.add(this)
      const { refusal, wait } = this.#record
      if (refusal) this.#schedule(settings.min, () => { this.#fail(refusal) })
      else if (wait > 0) this.#schedule(wait, () => { this.#start() })
      else this.#start()
    }

    #start (): void {
      waiting.delete(this)
      this.#schedule()
      const { failures, rejectedToken } = this.#record
      const protocols = this.#offered.length ? this.#offered : settings.protocols
      this.#attempt = startAttempt({ ...settings, url: this.#url, protocols }, failures, rejectedToken, {
        enter: status => { if (status === 'connecting') this[DIALED](this.#socket!) },
        emit: (name, event) => { if (name === 'error') emit(name, [event as AirlockError, this.url]) },
        open: ({ messageRate }) => {
          this.#record.opened()
          this.#pace = createPace(messageRate)
          this.#state = OPEN
          this.#stopWaking = onWake(away => { this.#attempt!.wake(away) })
          this.dispatchEvent(new Event('open'))
        },
        message: data => { if (this.#state === OPEN) this[RECEIVE](data) },
        ended: (...end) => { this.#fail(this.#record.ended(...end)) }
      })
    }

    get [SOCKET] (): WebSocketLike | undefined { return this.#socket }

    [DIALED] (_socket: WebSocketLike): void {}

    [WRITE] (data: WireData, _done?: Done): void { this.#socket!.send(data) }

    [RECEIVE] (data: string | ArrayBuffer): void {
      this.dispatchEvent(messageEvent(typeof data !== 'string' && this.#binaryType === 'blob' ? new Blob([data]) : data, this.#url.origin))
    }

    #flush (): void {
      while (this.#queue.length) {
        const wait = this.#pace()
        if (wait) return this.#schedule(wait, () => { this.#flush() })
        const message = this.#queue.shift()!
        this.#unsent -= sizeOf(message[0])
        this[WRITE](...message)
      }
      this.#close?.()
    }

    /** Closes the socket of the attempt, and ends with it. */
    #drop (frame: [code?: number, reason?: string]): void {
      const socket = this.#closing = this.#attempt!.socket!
      this.#attempt!.drop(fault('CLOSED'), ...frame)
      socket.onclose = ({ code, reason, wasClean }: End) => {
        // As Deno says it.
        code ||= 1006
        if (wasClean && code !== 1000 && code !== (frame[0] ?? 1005)) {
          // The server closed at the same time.
          this.#fail(this.#record.ended(judgeClose(code, reason, false, settings.getToken, settings.finalCodes), code, reason, undefined))
        } else {
          this.#finish({ code, reason, wasClean })
        }
      }
    }

    /** Ends as if the connection were lost, but not before the caller has returned. */
    #lose (error?: AirlockError): void {
      this.#schedule(0, () => { this.#finish({ code: 1006, reason: '', wasClean: false, error }) })
    }

    /** The server, the network or the application has ended it. */
    #fail (end: SocketEnd): void {
      const opened = this.#state !== CONNECTING
      emit('error', [end.error, this.url])
      // The library is told in any case.
      let report: CloseReport = closeMaps.any(end)
      try {
        const { code, reason = '', onError } = mapClose(end)
        if (!Number.isInteger(code) || code < 1000 || code > 4999 || typeof reason !== 'string') throw fault('OPTIONS', 'mapClose')
        report = { code, reason, onError } as CloseReport
      } catch (error) {
        queueMicrotask(() => { throw error })
      }
      this.#finish({ ...report, wasClean: opened && end.code !== 1006, error: !opened && end.error })
    }

    #finish ({ error, onError, ...details }: End): void {
      if (this.#state === CLOSED) return
      this.#closing ??= this.#attempt?.socket
      this.#state = CLOSED
      this.#schedule()
      waiting.delete(this)
      for (const stop of this.#stopWaking) stop()
      const { code, reason } = details
      if (error) this.dispatchEvent(errorEvent(error, onError ? { code, reason } : undefined))
      this.dispatchEvent(closeEvent(details))
    }
  }

  defineInterface(AirlockWebSocket)
  return AirlockWebSocket as unknown as AirlockWebSocketClass
}
