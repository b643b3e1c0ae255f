import {
  addressKey, Closer, createJwtVerifier, explainAnswer, type JwtOptions, letGoOfUpgrade, markRoutePart, parseOptions, PendingPool, RateLimit, SignsOfLife, Sweep, turnstileOf
} from '@fastify-airlock/core'
import type { WebSocket } from '@fastify/websocket'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ANSWER, type Claimant, createTokenCheck } from './check.js'
import type { HandshakeContext } from './context.js'
import { EarlyFrames } from './early-frames.js'
import { WSA_HANDSHAKE_ERR_NOT_CALLED, WSA_HANDSHAKE_ERR_NOT_WEBSOCKET, WSA_HANDSHAKE_ERR_OPTION } from './errors.js'
import { type Deadline, Expiry } from './expiry.js'
import { FirstFrame } from './first-frame.js'
import { gatekeeperOf } from './internals.js'
import { handshakeOptions, REFRESH_BURST, type WsHandshakeOptions } from './options.js'
import { HANDLER } from './route-part.js'
import type { WsHandler, WsHandshake } from './types.js'

/**
 * Makes the decorator `wsHandshake` of one registration.
 *
 * @returns the decorator, which finds `@fastify/jwt` on the instance that is its `this`, and what all of its routes share
 */
export function createDecorator (defaults: WsHandshakeOptions) {
  const { pendingPerAddress, ignoreWarnings } = parseOptions(handshakeOptions, defaults, WSA_HANDSHAKE_ERR_OPTION)
  const sweep = new Sweep<Deadline>(deadline => deadline.expire())
  const newPool = (limit: number) => new PendingPool<Claimant>(limit, ({ request }) => addressKey((request as FastifyRequest).ip) || null)
  const pool = newPool(pendingPerAddress)

  /** See the type {@link WsHandshake}. */
  function wsHandshake (this: FastifyInstance, handler: WsHandler, overrides: WsHandshakeOptions = {}) {
    if ((handler as Partial<FastifyRequest> | undefined)?.routeOptions !== undefined) throw new WSA_HANDSHAKE_ERR_NOT_CALLED('it was called with a request')
    if (typeof handler !== 'function') throw new WSA_HANDSHAKE_ERR_OPTION('handler: Expected a function')
    const settings = parseOptions(handshakeOptions, { ...defaults, ...overrides }, WSA_HANDSHAKE_ERR_OPTION)
    const verify = createJwtVerifier(this, settings.jwt as JwtOptions, WSA_HANDSHAKE_ERR_OPTION)
    const explain = (hook: string, answer: unknown): void => explainAnswer(this, ANSWER, hook, answer)
    const context: HandshakeContext = {
      settings,
      check: createTokenCheck(verify, settings, explain),
      explain,
      handler,
      keepsRequest: verify.usesRequest || settings.isRevoked !== undefined || settings.authorize !== undefined || settings.authorizeMessage !== undefined,
      newQueue: () => new EarlyFrames(settings.maxEarlyFrames, settings.maxEarlyBytes),
      closer: new Closer(settings.closeTimeout),
      signs: settings.alive === false ? null : new SignsOfLife(settings.alive),
      pool: overrides.pendingPerAddress === undefined ? pool : newPool(overrides.pendingPerAddress),
      sweep,
      expiry: new Expiry(sweep, settings),
      refreshLimit: new RateLimit({ perSecond: 1_000 / settings.refreshInterval, burst: REFRESH_BURST }),
      turnstile: turnstileOf(this.server)
    }
    return markRoutePart((socket: WebSocket, request: FastifyRequest): void => {
      // Without a socket this is Fastify's own (request, reply). Thrown here, the error cannot pass for an answer.
      if ((socket as Partial<WebSocket>).terminate === undefined) throw new WSA_HANDSHAKE_ERR_NOT_WEBSOCKET()
      letGoOfUpgrade(socket, request, request.server.websocketServer, onError)
      new FirstFrame(context, socket, request).start()
    }, HANDLER)
  }

  return { wsHandshake: wsHandshake as WsHandshake, sweep, pool, ignoreWarnings }
}

/** Does what `@fastify/websocket` does. */
function onError (this: WebSocket, error: Error): void {
  gatekeeperOf(this).log.error(error)
  this.terminate()
}
