import type { WebSocket } from '@fastify/websocket'
import type { FastifyRequest, preValidationHookHandler } from 'fastify'
import type { ProxyPluginOptions } from './options.js'

/** A WebSocket handler, for a route or for `fastify.wsHandshake`, and the hook that goes with it. */
export interface UpstreamProxy {
  /**
   * Joins the client with the upstream.
   *
   * @throws {@link WSA_PROXY_ERR_NOT_DIALLED} when the route does not name {@link UpstreamProxy.dial}
   */
  (socket: WebSocket, request: FastifyRequest): void
  /**
   * A preValidation hook that has to be the last one: it connects to the upstream, so that the client gets its 101 only
   * after the upstream has accepted. With `dial: 'authenticated'` it does nothing.
   *
   * @throws {@link WSA_PROXY_ERR_UPSTREAM_UNREACHABLE} (502) when there is no connection to the upstream
   * @throws {@link WSA_PROXY_ERR_UPSTREAM_REFUSED} (502) when the upstream does not accept
   * @throws {@link WSA_PROXY_ERR_UPSTREAM_TIMEOUT} (504) when the upstream does not accept in time
   * @throws {@link WSA_PROXY_ERR_CLOSING} (503) when the server shuts down
   * @throws {@link WSA_PROXY_ERR_HEADERS} (500) when the headers cannot be sent
   * @throws {@link WSA_PROXY_ERR_CLIENT_GONE} when the client has left
   */
  readonly dial: preValidationHookHandler
}

/** Type of `fastify.wsProxy`. */
export interface WsProxy {
  /**
   * Makes a proxy to an upstream.
   *
   * @throws {@link WSA_PROXY_ERR_OPTION} when an option is wrong
   */
  (options?: ProxyPluginOptions): UpstreamProxy
  /** Number of upstreams that are being dialled. */
  readonly dialling: number
  /** Number of open connections to upstreams, with or without a client that has joined. */
  readonly open: number
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Makes proxies to upstreams. */
    wsProxy: WsProxy
  }
}
