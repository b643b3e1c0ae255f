import type { ClientOptions, WebSocket } from 'ws'

/** The part of a Fastify instance that is used. */
export interface TestApp {
  readonly server: object
  /** Of `@fastify/jwt`, if it is there. */
  readonly jwt?: unknown
  ready (): unknown
  inject (options: any): any
  listen (options: any): unknown
  close (): unknown
}

/**
 * How devices reach a server. `'memory'`: HTTP over a pair of streams in this process, through the parser of the server; it needs no port.
 * `'injectWS'`: the same by `app.injectWS` of `@fastify/websocket`, with its limits: a refusal has a status and nothing else, and no
 * subprotocol is seen. `'port'`: TCP, on a free port of this machine.
 */
export type Transport = 'memory' | 'injectWS' | 'port'

/** A request. */
export interface Outgoing {
  method: string
  headers: Record<string, string>
  body: string | undefined
  /** Where the server sees it come from, unless it comes over TCP. */
  address: string
}

/** Where an upgrade goes, and what it carries. */
export interface Aim {
  path: string
  protocols: string[]
  headers: Record<string, string>
  address: string
  /** The port to connect to in place of the server's, such as that of a relay. */
  port: number | undefined
}

/** An upgrade. */
export interface Upgrade extends Aim {
  /** Called with the socket before anything can have come. */
  attach: (socket: WebSocket) => void
}

/** What the constructor of `ws` takes. */
export type SocketArguments = [url: string, protocols: string[], options: ClientOptions]

/** How a server is reached. */
export interface Reach {
  /** What stands before a path. */
  readonly origin: string
  readonly port: number | null
  /** @throws {@link WSA_TESTING_ERR_KILLED} when the server was cut off */
  fetch (path: string, request: Outgoing): Promise<Response>
  /** @throws {@link WSA_TESTING_ERR_REFUSED} when there is no 101 */
  open (upgrade: Upgrade): Promise<void>
  /** What makes a socket of `ws` go this way. With `injectWS`, it goes by memory. */
  aim (aim: Aim): SocketArguments
  /** Has a socket counted among those that `drop` and `cut` break, until it has closed. */
  hold (socket: WebSocket): void
  /** Breaks the sockets that are held. */
  drop (): Promise<void>
  /** Breaks every connection of the server on both of its sides. From now on nobody reaches it. */
  cut (): Promise<void>
}

/** The ways of a transport, without what is the same for all. */
export type Ways = Pick<Reach, 'origin' | 'port' | 'fetch' | 'open' | 'aim'>
