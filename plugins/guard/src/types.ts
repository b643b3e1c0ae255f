import type { OrderTarget } from '@fastify-airlock/core'
import type { preValidationAsyncHookHandler, preValidationHookHandler } from 'fastify'
import type { GuardOptions } from './options.js'

/**
 * A preValidation hook that admits or refuses an upgrade before any 101. Fastify calls it with a callback, so that an
 * upgrade takes no turn of the event loop that it does not need. A hook of your own may call it without one and await it.
 */
export type GuardHook = preValidationHookHandler & preValidationAsyncHookHandler

/** The decorator `fastify.wsGuard`. */
export interface WsGuard {
  /**
   * Makes a preValidation hook that admits or refuses an upgrade before any 101.
   *
   * @throws {@link WSA_GUARD_ERR_OPTION} when an option is wrong, or needs a plugin that is not registered
   */
  (options?: GuardOptions): GuardHook
  /** Number of pending upgrades on this server, guarded or not. */
  readonly pending: number
  /** Number of upgrades that wait for their turn, with `connectRate`. They are pending as well. */
  readonly waiting: number
  /** Number of TCP connections that were closed since the start because their address had `connectionsPerAddress`. */
  readonly dropped: number
  /**
   * Refuses who is on the way in: those who began before this call and are in a hook of the upgrade, with 401 in the guard and
   * with 4403 `disconnected` after it. By session or token, those who come later are refused as well. `disconnect` of the
   * hub does this by itself, and on every node; without the hub, call this on each node when somebody logs out.
   *
   * @param target a subject, or whom else it means
   * @throws {@link WSA_GUARD_ERR_INVALID_TARGET} when it is not clear whom it means; nobody is refused then
   *
   * @example
   * app.wsGuard.refuse('alice')
   * app.wsGuard.refuse({ session: 's1' })
   */
  refuse (target: string | OrderTarget): void
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Makes guards of WebSocket upgrades. */
    wsGuard: WsGuard
  }
}
