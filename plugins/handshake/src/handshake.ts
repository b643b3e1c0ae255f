import { addressKey, Closer, createJwtVerifier, type JwtOptions, letGoOfUpgrade, parseOptions, PendingPool, Sweep, turnstileOf } from '@fastify-airlock/core'
import type { WebSocket } from '@fastify/websocket'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { createCheck } from './check.js'
import { EarlyFrames } from './early-frames.js'
import { WSA_HANDSHAKE_ERR_NOT_WEBSOCKET, WSA_HANDSHAKE_ERR_OPTION } from './errors.js'
import { keeperOf } from './gate.js'
import { handshakeOptions } from './options.js'
import type { Route } from './route.js'
import { Session } from './session.js'
import type { WsHandler, WsHandshake, WsHandshakeOptions } from './types.js'

/** The decorator of one registration, with what all of its routes share. */
export function createHandshake (defaults: WsHandshakeOptions) {
  const { pendingPerAddress } = parseOptions(handshakeOptions, defaults, WSA_HANDSHAKE_ERR_OPTION)
  const sweep = new Sweep<Session>(session => session.expire())
  const newPool = (limit: number) => new PendingPool<Session>(limit, ({ request }) => addressKey((request as FastifyRequest).ip) || null)
  const pool = newPool(pendingPerAddress)

  /** See the type `WsHandshake`. */
  function wsHandshake (this: FastifyInstance, handler: WsHandler, overrides: WsHandshakeOptions = {}) {
    if (typeof handler !== 'function') throw new WSA_HANDSHAKE_ERR_OPTION('handler: Expected a function')
    const options = parseOptions(handshakeOptions, { ...defaults, ...overrides }, WSA_HANDSHAKE_ERR_OPTION)
    const verify = createJwtVerifier(this, options.jwt as JwtOptions, WSA_HANDSHAKE_ERR_OPTION)
    const route: Route = {
      options,
      check: createCheck(verify, options),
      handler,
      asksForRequest: options.isRevoked !== undefined || options.authorize !== undefined || options.authorizeMessage !== undefined,
      newQueue: () => new EarlyFrames(options.maxEarlyFrames, options.maxEarlyBytes),
      closer: new Closer(options.closeTimeout),
      pool: overrides.pendingPerAddress === undefined ? pool : newPool(options.pendingPerAddress),
      sweep,
      turnstile: turnstileOf(this.server)
    }
    return (socket: WebSocket, request: FastifyRequest): void => {
      // Fastify's own (request, reply): thrown here, it cannot pass for an answer.
      if ((socket as Partial<WebSocket>).terminate === undefined) throw new WSA_HANDSHAKE_ERR_NOT_WEBSOCKET()
      letGoOfUpgrade(socket, request, request.server.websocketServer, onError)
      new Session(route, socket, request).start()
    }
  }

  return { wsHandshake: wsHandshake as WsHandshake, sweep, pool }
}

/** As `@fastify/websocket` does it. */
function onError (this: WebSocket, error: Error): void {
  (keeperOf(this) as Session).log.error(error)
  this.terminate()
}
