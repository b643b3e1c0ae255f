import {
  addressKey, Closer, createJwtVerifier, type JwtOptions, letGoOfUpgrade, logSocketError, markRoutePart, mergeOptions, Misuse,
  parseOptions, partOf, pendingPlacesOf, PendingPool, RateLimit, recentOrdersOf, SignsOfLife, Sweep, takeOverExpiry, turnstileOf
} from '@fastify-airlock/core'
import type { WebSocket } from '@fastify/websocket'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ANSWER, type Claimant, createTokenCheck } from './check.js'
import type { HandshakeContext } from './context.js'
import { EarlyFrames } from './early-frames.js'
import { WSA_HANDSHAKE_ERR_NOT_CALLED, WSA_HANDSHAKE_ERR_NOT_WEBSOCKET, WSA_HANDSHAKE_ERR_OPTION } from './errors.js'
import { type Deadline, Expiry } from './expiry.js'
import { FirstFrame } from './first-frame.js'
import { refuseWhenFull } from './full.js'
import { gatekeeperOf } from './internals.js'
import { checkMaxAuthBytes, handshakeOptions, REFRESH_BURST, REGISTRATION_ONLY, type WsHandshakeOptions } from './options.js'
import { HANDSHAKE } from './route-part.js'
import type { WsHandler, WsHandshake } from './types.js'

/**
 * Makes the decorator `wsHandshake` of one registration.
 *
 * @returns the decorator, which finds `@fastify/jwt` on the instance that is its `this`, and what all of its routes share
 */
export function createDecorator (defaults: WsHandshakeOptions) {
  const { pendingPerAddress, pendingTotal, ignoreWarnings, sessionClaim } = parseOptions(handshakeOptions, defaults, WSA_HANDSHAKE_ERR_OPTION)
  const sweep = new Sweep<Deadline>(deadline => deadline.expire())
  const newPool = (limit: number) => new PendingPool<Claimant>(limit, ({ request }) => addressKey((request as FastifyRequest).ip) || null)
  const pool = newPool(pendingPerAddress)
  const unproved = { count: 0 }

  /** See the type {@link WsHandshake}. */
  function wsHandshake (this: FastifyInstance, handler: WsHandler, overrides: WsHandshakeOptions = {}) {
    if ((handler as Partial<FastifyRequest> | undefined)?.routeOptions !== undefined) throw new WSA_HANDSHAKE_ERR_NOT_CALLED('it was called with a request')
    if (typeof handler !== 'function') throw new WSA_HANDSHAKE_ERR_OPTION('handler: Expected a function')
    const part = partOf(handler)
    // A proxy is a handler, and authenticates nobody.
    if (part !== undefined && (part.role !== 'handler' || part.authenticates)) {
      throw new WSA_HANDSHAKE_ERR_OPTION(`handler: Expected your own function, not ${part.name}`)
    }
    const merged = mergeOptions(defaults, overrides, WSA_HANDSHAKE_ERR_OPTION)
    const misplaced = REGISTRATION_ONLY.find(name => overrides[name] !== undefined)
    if (misplaced !== undefined) throw new WSA_HANDSHAKE_ERR_OPTION(`${misplaced}: give it where you register the plugin, since it is for the whole server`)
    const settings = parseOptions(handshakeOptions, merged, WSA_HANDSHAKE_ERR_OPTION)
    checkMaxAuthBytes(merged, this.websocketServer.options.maxPayload)
    const verify = createJwtVerifier(this, settings.jwt as JwtOptions, WSA_HANDSHAKE_ERR_OPTION)
    const recent = recentOrdersOf(this.server)
    if (!recent.nameSession(settings.sessionClaim)) {
      throw new WSA_HANDSHAKE_ERR_OPTION(`sessionClaim: another plugin on this server was told ${recent.sessionClaim}`)
    }
    recent.keepFor(settings.authTimeout * 2)
    const misuse = Misuse.of(this, ANSWER)
    const context: HandshakeContext = {
      server: this.server,
      settings,
      check: createTokenCheck(verify, settings, misuse),
      misuse,
      handler,
      keepsRequest: verify.usesRequest || settings.isRevoked !== undefined || settings.authorize !== undefined || settings.authorizeMessage !== undefined,
      newQueue: () => new EarlyFrames(settings.maxEarlyFrames, settings.maxEarlyBytes),
      closer: new Closer(settings.closeTimeout, settings.flushTimeout),
      signs: settings.alive === false ? null : new SignsOfLife(settings.alive),
      unproved,
      places: pendingPlacesOf(this.server),
      pool: overrides.pendingPerAddress === undefined ? pool : newPool(overrides.pendingPerAddress),
      sweep,
      expiry: new Expiry(sweep, settings),
      refreshLimit: new RateLimit({ perSecond: 1_000 / settings.refreshInterval, burst: REFRESH_BURST }),
      recent,
      turnstile: turnstileOf(this.server)
    }
    return markRoutePart((socket: WebSocket, request: FastifyRequest): void => {
      // Without a socket this is Fastify's own (request, reply). Thrown here, the error cannot pass for an answer.
      if ((socket as Partial<WebSocket>).terminate === undefined) throw new WSA_HANDSHAKE_ERR_NOT_WEBSOCKET()
      letGoOfUpgrade(socket, request, request.server.websocketServer, onError)
      // The token of the first frame decides when the connection ends.
      takeOverExpiry(socket)
      new FirstFrame(context, socket, request).start()
    }, { ...HANDSHAKE.made, hub: settings.hub, placed: route => refuseWhenFull(route, context) })
  }

  return { wsHandshake: wsHandshake as unknown as WsHandshake, sweep, pool, unproved, pendingTotal, ignoreWarnings, sessionClaim }
}

/** Does what `websocketOptions()` has `@fastify/websocket` do. */
function onError (this: WebSocket, error: Error): void {
  logSocketError(gatekeeperOf(this).log, error)
  this.terminate()
}
