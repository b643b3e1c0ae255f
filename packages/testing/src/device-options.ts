import type { Group } from './group.js'
import type { Reach, TestApp } from './reach.js'
import type { Relay } from './relay.js'

/** The server that a device talks to. */
export interface DeviceHost {
  /** The Fastify instance. */
  readonly app: TestApp
  /** What stands before a path. */
  readonly origin: string
  /** The route that issues tickets. */
  readonly ticketPath: string
  /** Signs a JWT, if not `app.jwt` does. */
  readonly sign: ((claims: Record<string, unknown>) => string | Promise<string>) | undefined
  /** @internal */
  readonly reach: Reach
  /** @internal */
  readonly group: Group
}

/**
 * The doors of a route. `'both'`: a ticket, then the JWT in the first frame. `'one'`: the upgrade alone. `'two'`: the first frame
 * alone. `'none'`: neither; the cookies of the device are sent, as always.
 */
export type Doors = 'both' | 'one' | 'two' | 'none'

/**
 * Where the credential of door one travels: a ticket in the subprotocol, a query parameter or a cookie, or the JWT in the
 * `Authorization` header (`'header'`) or as a subprotocol (`'bearer'`).
 */
export type Carrier = 'subprotocol' | 'query' | 'cookie' | 'header' | 'bearer'

/** Members of `auth` beside the token, such as `{ topics: true }`. */
export type AuthMembers = Record<string, unknown>

/** Options of a device. Those that it does not have are those of its server. */
export interface DeviceOptions {
  /**
   * Claims of its JWT, beside `sub`, `iat`, `exp`, and a `sid` of its own: each device is a login.
   * @default {}
   */
  claims?: Record<string, unknown>
  /**
   * The life of its JWT, in milliseconds.
   * @default 600000
   */
  life?: number
  /**
   * The cookie in which it shows its JWT over HTTP.
   * @default the `Authorization` header
   */
  cookie?: string
  /**
   * Its `Origin`. `null` for none.
   * @default the server's own, when the device has cookies, as a page has; otherwise none, as a program
   */
  origin?: string | null
  /**
   * Where the server sees it come from; not with `transport: 'port'`.
   * @default '127.0.0.1'
   */
  address?: string
  /** The relay that its sockets go through. Its requests do not. */
  relay?: Relay
}

/** Options of {@link Device.open}. */
export interface OpenOptions {
  /** @default 'both' */
  doors?: Doors
  /** @default 'subprotocol' */
  carrier?: Carrier
  /**
   * The name of the query parameter or the cookie.
   * @default 'ticket'
   */
  name?: string
  /**
   * The ticket.
   * @default a new one
   */
  ticket?: string
  /**
   * The JWT of the first frame.
   * @default that of the device
   */
  token?: string
  /**
   * Where the ticket is good.
   * @default as the server has it
   */
  audience?: string
  /**
   * Further members of `auth`, such as `{ topics: true }`.
   * @default {}
   */
  auth?: AuthMembers
  /**
   * Subprotocols.
   * @default ['airlock.v1'], or none for `doors: 'none'`
   */
  protocols?: string[]
  /**
   * Further headers of the upgrade.
   * @default {}
   */
  headers?: Record<string, string>
  /**
   * How long the upgrade may take, and then the answer to `auth`, in milliseconds of real time. What comes before, such as the request
   * for a ticket, has the time of the server.
   * @default the option `timeout` of the server
   */
  timeout?: number
}

/** Options of {@link Device.request}. */
export interface RequestOptions {
  /** @default 'GET', or 'POST' with a body */
  method?: string
  /** @default {} */
  headers?: Record<string, string>
  /** A string as it is, everything else as JSON. */
  body?: unknown
  /**
   * How long the answer may take, in milliseconds of real time.
   * @default the option `timeout` of the server
   */
  timeout?: number
}

/** What `connect` of `@fastify-airlock/client` needs to reach the server as this device. */
export interface ClientOptions {
  /** Its path counts; the host is that of the node of now, wherever the device is later. */
  url: string
  WebSocket: any
  getTicket: () => Promise<{ ticket: string, protocol: string }>
  /** With a `reason` other than `'connect'`, a new JWT of the same login. */
  getToken: (context?: { reason?: string }) => Promise<string>
  /** Aborted when the device is closed: that closes the client. */
  signal: AbortSignal
}
