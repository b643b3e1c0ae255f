import type { OrderTarget, WsIdentity } from '@fastify-airlock/core'
import type { WebSocket, WebsocketHandler } from '@fastify/websocket'
import type {
  FastifyInstance, FastifyRequest, RawRequestDefaultExpression, RawServerDefault, RouteGenericInterface
} from 'fastify'
import type { WsHandshakeOptions } from './options.js'

/** A request whose client has authenticated: `wsIdentity` is never `null`. */
export type AuthenticatedRequest<RouteGeneric extends RouteGenericInterface = RouteGenericInterface> =
  FastifyRequest<RouteGeneric> & { wsIdentity: WsIdentity }

/**
 * The application's handler. It is called once per connection, after `auth_ok`, with the Fastify instance of the route
 * as `this`. If it returns a promise, frames wait until it listens for `message` or the promise settles. If it throws or
 * rejects, the error is logged and the connection is closed with 4500.
 */
export type WsHandler<RouteGeneric extends RouteGenericInterface = RouteGenericInterface> =
  (this: FastifyInstance, socket: WebSocket, request: AuthenticatedRequest<RouteGeneric>) => unknown

/**
 * Makes the handler of a `{ websocket: true }` route. Nothing reaches `handler` before the first frame has proved who
 * the client is; what the client sends meanwhile waits.
 *
 * @param options override those of the registration, one by one
 * @throws {@link WSA_HANDSHAKE_ERR_OPTION} when an option is wrong, or when there is nothing to verify tokens with
 * @throws {@link WSA_HANDSHAKE_ERR_NOT_WEBSOCKET} (HTTP 500) from the handler, when the route is no WebSocket route
 */
export interface WsHandshake {
  <RouteGeneric extends RouteGenericInterface = RouteGenericInterface>(
    handler: WsHandler<RouteGeneric>,
    options?: WsHandshakeOptions
  ): WebsocketHandler<RawServerDefault, RawRequestDefaultExpression, RouteGeneric>
  /** Number of sockets that wait for their first frame, or for its check: those of all routes of the registration. */
  readonly pending: number
  /**
   * Refuses who is on the way in, with 4403 `disconnected`: those who began before this call, in any hook of the upgrade or of
   * the first frame, and each refresh under way. By session or token, those who come later are refused as well. `disconnect` of
   * the hub does this by itself, and on every node; without the hub, call this on each node when somebody logs out.
   *
   * @param target a subject, or whom else it means
   * @throws {@link WSA_HANDSHAKE_ERR_INVALID_TARGET} when it is not clear whom it means; nobody is refused then
   *
   * @example
   * app.wsHandshake.refuse('alice')
   * app.wsHandshake.refuse({ session: 's1' })
   */
  refuse (target: string | OrderTarget): void
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Makes the handler of a WebSocket route that authenticates by the first frame. */
    wsHandshake: WsHandshake
  }
}
