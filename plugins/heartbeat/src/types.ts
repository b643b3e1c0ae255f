import type { IncomingMessage } from 'node:http'
import type { WebSocket } from 'ws'

/** Options of the plugin. */
export interface WsHeartbeatOptions {
  /**
   * Time between two pings to the same silent connection, in milliseconds. The first one comes after half of it to
   * all of it, at random. A connection that was heard since the last look is not pinged.
   * @default 25000
   */
  interval?: number
  /**
   * Time in which something has to be heard after a ping, in milliseconds; at most `interval`.
   * @default 10000, or `interval` where that is shorter
   */
  timeout?: number
  /**
   * Whether every connection of `fastify.websocketServer` is watched by itself, from the upgrade on. Without it, only
   * what is handed to {@link WsHeartbeat.watch}.
   * @default true
   */
  auto?: boolean
}

/** Pings connections, and terminates those that are dead. */
export interface WsHeartbeat {
  /**
   * Watches a connection until its `'close'` event. A second call for the same connection does nothing.
   *
   * @param request the request of its upgrade, `request.raw` in a route. With it every received byte of the TCP or
   * TLS socket is a sign of life; without it every message, ping and pong is, at the cost of three listeners, and
   * what a slow reader takes is not seen
   * @returns whether it is watched now: `false` where it is not open
   */
  watch (socket: WebSocket, request?: IncomingMessage): boolean

  /**
   * Leaves a connection alone from now on.
   *
   * @returns whether it was watched
   */
  unwatch (socket: WebSocket): boolean

  /** Connections that are watched. */
  readonly size: number

  /** Pings that were sent since the start. */
  readonly pings: number

  /** Connections that were terminated since the start. */
  readonly terminated: number
}

/** What the `node:diagnostics_channel` named `airlock:heartbeat:terminate` carries. */
export interface HeartbeatTerminated {
  /** The connection that was terminated; its `'close'` event (1006) is still to come. */
  socket: WebSocket
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Pings connections, and terminates those that are dead. */
    wsHeartbeat: WsHeartbeat
  }
}
