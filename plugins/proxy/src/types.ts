import type { WebSocket } from '@fastify/websocket'
import type { FastifyRequest, preValidationHookHandler } from 'fastify'

/** Headers by name; the case of the name does not matter. */
export type UpstreamHeaders = Record<string, string | undefined>

/** TLS towards a `wss://` upstream. What is not given is Node's default. */
export interface UpstreamTls {
  /**
   * Certificates, in PEM, that may sign the upstream's.
   * @default those that Node trusts
   */
  ca?: string | Buffer | Array<string | Buffer>
  /** The client certificate and its chain, in PEM. */
  cert?: string | Buffer
  /** The private key of `cert`, in PEM. */
  key?: string | Buffer
  /** The passphrase of `key`. */
  passphrase?: string
  /**
   * The name that is asked for (SNI) and that the certificate has to bear.
   * @default the host of `upstream`
   */
  servername?: string
  /**
   * Whether the upstream's certificate is checked. Without the check, whoever stands in between gets the secret headers.
   * @default true
   */
  rejectUnauthorized?: boolean
}

/** Options of one proxy. */
export interface ProxyOptions {
  /** The `ws://` or `wss://` URL to connect to, with a path and query of its own where it needs them. */
  upstream: string | URL
  /**
   * Headers that are added, or a function that makes them for each connection, which may use `request.wsIdentity`. They
   * win over everything that is forwarded. One without a value is an error, so that a missing environment variable is
   * found at the start. What the function throws is answered with its own `statusCode`.
   * @default {}
   */
  headers?: UpstreamHeaders | ((request: FastifyRequest) => UpstreamHeaders | Promise<UpstreamHeaders>)
  /**
   * Names of the client's headers that are passed on. Naming `cookie` passes all cookies on.
   * @default []
   */
  forwardHeaders?: string[]
  /**
   * Names of the upstream's response headers that the client's 101 repeats. Not with `dial: 'authenticated'`.
   * @default []
   */
  responseHeaders?: string[]
  /**
   * Names of the client's query parameters that are appended to the upstream's URL.
   * @default []
   */
  query?: string[]
  /**
   * Whether `X-Forwarded-For`, `-Host` and `-Proto` tell of the client, as Fastify's `trustProxy` sees it.
   * @default false
   */
  xForwarded?: boolean
  /**
   * Whether the upstream is asked by its own name in `Host`; `false` passes the client's `Host` on.
   * @default true
   */
  changeOrigin?: boolean
  /**
   * Subprotocols that client and upstream may agree on. Those that the client offers are offered to the upstream, in the
   * client's order, and the 101 names the one that the upstream selects. Every other one stays between client and server.
   * @default []
   */
  protocols?: string[]
  /** TLS towards a `wss://` upstream. */
  tls?: UpstreamTls
  /**
   * When the upstream is dialled: by the hook before the 101 (`'upgrade'`), or by the handler (`'authenticated'`).
   * @default 'upgrade'
   */
  dial?: 'upgrade' | 'authenticated'
  /**
   * Time for `headers()` and for the upstream to accept, in milliseconds.
   * @default 5000
   */
  dialTimeout?: number
  /**
   * Largest message of the upstream, in bytes; a longer one closes. That of the client is the matter of the server's `maxPayload`.
   * @default 524288
   */
  maxPayload?: number
  /**
   * Bytes that may wait for one side before the other is not read any more.
   * @default 1048576
   */
  highWaterMark?: number
  /**
   * Bytes waiting at which it is read again. Less than `highWaterMark`.
   * @default a quarter of highWaterMark
   */
  lowWaterMark?: number
  /**
   * Time that a side has to get from `highWaterMark` down to `lowWaterMark` before it is cut off, in milliseconds.
   * @default 60000
   */
  drainTimeout?: number
  /**
   * Time without a message either way after which both sides are closed with 1001, in milliseconds.
   * @default none
   */
  idleTimeout?: number
  /**
   * Time that a side has to answer a close frame before it is cut off, in milliseconds.
   * @default 2000
   */
  closeTimeout?: number
  /**
   * Who answers the upstream's pings: the proxy (`'answer'`), or the client, to whom they are passed on (`'forward'`).
   * @default 'answer'
   */
  pings?: 'answer' | 'forward'
}

/** Options at registration: the defaults of every proxy. */
export type ProxyPluginOptions = Partial<ProxyOptions>

/** A websocket handler, for a route or for `fastify.wsHandshake`, and the hook that goes with it. */
export interface UpstreamProxy {
  /**
   * Joins the client with the upstream.
   *
   * @throws WSA_PROXY_ERR_NOT_DIALLED
   */
  (socket: WebSocket, request: FastifyRequest): void
  /**
   * A preValidation hook, to be named last: connects to the upstream, so that the client gets its 101 only after the
   * upstream has accepted. With `dial: 'authenticated'` it does nothing.
   *
   * @throws WSA_PROXY_ERR_UPSTREAM_UNREACHABLE, WSA_PROXY_ERR_UPSTREAM_REFUSED (502), WSA_PROXY_ERR_UPSTREAM_TIMEOUT
   * (504), WSA_PROXY_ERR_CLOSING (503), WSA_PROXY_ERR_HEADERS (500), WSA_PROXY_ERR_CLIENT_GONE
   */
  readonly dial: preValidationHookHandler
}

/** `fastify.wsProxy` */
export interface WsProxy {
  /**
   * Makes a proxy to an upstream.
   *
   * @throws WSA_PROXY_ERR_OPTION
   */
  (options?: ProxyPluginOptions): UpstreamProxy
  /** Upstreams that are being dialled. */
  readonly dialling: number
  /** Connections to upstreams that are open, whether a client is joined with them yet or not. */
  readonly open: number
}

declare module 'fastify' {
  interface FastifyInstance {
    wsProxy: WsProxy
  }
}
