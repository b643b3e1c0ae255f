import type { GuardOptions } from '@fastify-airlock/guard'
import type { AuthenticatedRequest, WsHandler, WsHandshakeOptions } from '@fastify-airlock/handshake'
import type {
  FastifyInstance, RawReplyDefaultExpression, RawRequestDefaultExpression, RawServerDefault, RouteGenericInterface,
  RouteShorthandOptions
} from 'fastify'

/** Names of topics, or a function that returns them for a connection. */
export type RouteTopics<RouteGeneric extends RouteGenericInterface = RouteGenericInterface> =
  string[] | ((request: AuthenticatedRequest<RouteGeneric>) => string[])

/** What the connections of a route join. */
export interface RouteHubOptions<RouteGeneric extends RouteGenericInterface = RouteGenericInterface> {
  /**
   * Topics that each connection joins before the handler is called.
   * @default []
   */
  topics?: RouteTopics<RouteGeneric>
  /**
   * Patterns, with the wildcards `+` and `#`, that each connection joins before the handler is called.
   * @default []
   */
  patterns?: RouteTopics<RouteGeneric>
}

/** Options of a route of {@link WsRoute}: its own, and those of Fastify (`schema`, `constraints`, `config`, hooks, …). */
export interface WsRouteOptions<RouteGeneric extends RouteGenericInterface = RouteGenericInterface>
  extends Omit<
    RouteShorthandOptions<RawServerDefault, RawRequestDefaultExpression, RawReplyDefaultExpression, RouteGeneric>,
    'handler' | 'websocket' | 'wsHandler'
  > {
  /**
   * Options of the route's guard. With `false` the first frame alone proves who the client is.
   * @default {} where the guard is registered
   */
  guard?: GuardOptions | false
  /**
   * Options of the route's handshake. With `false` the upgrade alone proves who the client is.
   * @default {} where the handshake is registered
   */
  handshake?: WsHandshakeOptions | false
  /**
   * What the route's connections join in the hub. With `false` they are not added to it.
   * @default {} where the hub is registered
   */
  hub?: RouteHubOptions<RouteGeneric> | false
}

/** The decorator `fastify.wsRoute`. */
export interface WsRoute {
  /**
   * Declares a WebSocket route behind the guard and the handshake. The handler is called for authenticated connections
   * alone, which are in the hub by then. Hooks of the route run after the guard.
   *
   * @throws {@link WSA_AIRLOCK_ERR_NO_DOOR} when the route would have neither guard nor handshake
   * @throws {@link WSA_AIRLOCK_ERR_MISSING_PART} when an option is for a part that is not registered
   * @throws {@link WSA_AIRLOCK_ERR_ROUTE} when the handler is missing, or an option has no place here
   *
   * @example
   * app.wsRoute('/chat/:room', { hub: { topics: request => [request.params.room] } }, (socket, request) => {
   *   socket.send(`hello ${request.wsIdentity.subject}`)
   * })
   */
  <RouteGeneric extends RouteGenericInterface = RouteGenericInterface>(path: string, handler: WsHandler<RouteGeneric>): FastifyInstance
  <RouteGeneric extends RouteGenericInterface = RouteGenericInterface>(
    path: string, options: WsRouteOptions<RouteGeneric>, handler: WsHandler<RouteGeneric>
  ): FastifyInstance
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Declares a WebSocket route behind the guard and the handshake. */
    wsRoute: WsRoute
  }
}
