import type { CloseEventLike, ErrorEventLike } from './websocket-events.js'

/** The events of a WebSocket. */
export interface SocketEvents {
  open: Event
  message: MessageEvent
  error: ErrorEventLike
  close: CloseEventLike
}

type Listener<Name> = Name extends keyof SocketEvents ? ((event: SocketEvents[Name]) => void) : never

/** The interface of the browser's `WebSocket`, written out for projects without the types of the DOM. */
export interface AirlockWebSocket extends EventTarget {
  readonly CONNECTING: 0
  readonly OPEN: 1
  readonly CLOSING: 2
  readonly CLOSED: 3
  /** As it was given, absolute, and never with a ticket in it. */
  readonly url: string
  /** `OPEN` from `auth_ok` on. */
  readonly readyState: 0 | 1 | 2 | 3
  /** Bytes that the network has not taken, those included that wait for the server's limit of messages. */
  readonly bufferedAmount: number
  readonly extensions: string
  /** What the server selected of the subprotocols that were given. */
  readonly protocol: string
  binaryType: 'blob' | 'arraybuffer'
  onopen: ((event: any) => any) | null
  onmessage: ((event: any) => any) | null
  onerror: ((event: any) => any) | null
  onclose: ((event: any) => any) | null
  /**
   * @throws {TypeError} without an argument
   * @throws {DOMException} `InvalidStateError` before `open`
   */
  send (data: string | ArrayBufferLike | ArrayBufferView | Blob): void
  /**
   * @throws {TypeError} for what cannot be converted, such as a `bigint`
   * @throws {DOMException} `InvalidAccessError` for a code that is neither 1000 nor 3000 to 4999
   * @throws {DOMException} `SyntaxError` for a reason of more than 123 bytes
   */
  close (code?: number, reason?: string): void
  addEventListener<Name extends keyof SocketEvents> (type: Name, listener: Listener<Name>, options?: Parameters<EventTarget['addEventListener']>[2]): void
  addEventListener (type: string, listener: any, options?: Parameters<EventTarget['addEventListener']>[2]): void
  removeEventListener (type: string, listener: any, options?: Parameters<EventTarget['removeEventListener']>[2]): void
}

/** What {@link createWebSocketClass} returns. Libraries construct it as they would `WebSocket`. */
export interface AirlockWebSocketClass<Socket extends AirlockWebSocket = AirlockWebSocket> {
  /**
   * @param url absolute, or relative to the page; `http:` stands for `ws:`
   * @param protocols to offer; without any, those of the options
   * @throws {TypeError} for what cannot be converted
   * @throws {DOMException} `SyntaxError` for a URL that cannot be used, and for subprotocols that are not tokens or not unique
   */
  new (url: string | URL, protocols?: string | string[]): Socket
  readonly prototype: Socket
  readonly CONNECTING: 0
  readonly OPEN: 1
  readonly CLOSING: 2
  readonly CLOSED: 3
  /**
   * Allows attempts again after an error with `final: true`, and ends all waits: call it when the user has signed in, or
   * wants this page to be the one that is connected.
   */
  resume (): void
}
