import type { ServerEvent } from '@fastify-airlock/core'
import type { IncomingMessage } from 'node:http'
import type { WebSocket } from 'ws'

/** Pings connections, and terminates dead ones. */
export interface WsHeartbeat {
  /**
   * Watches a connection until its `'close'` event. A second call for the same connection does nothing.
   *
   * @param request the request of its upgrade, `request.raw` in a route. With it, every received byte of the TCP or
   * TLS socket is a sign of life. Without it, messages, pings and pongs are; this costs three listeners, and the
   * heartbeat cannot see that a slow reader makes progress
   * @returns whether the connection is watched now: `false` when it is not open
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

  /** Pings sent since the start. */
  readonly pings: number

  /** Connections terminated since the start. */
  readonly terminated: number
}

/** The message of the `node:diagnostics_channel` channel `airlock:heartbeat:terminate`. */
export interface HeartbeatTerminated extends ServerEvent {
  /** The connection that was terminated; its `'close'` event (1006) is still to come. */
  socket: WebSocket
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Pings connections, and terminates dead ones. */
    wsHeartbeat: WsHeartbeat
  }
}
