import { foundRoutePart, markRoutePart } from '@fastify-airlock/core'
import type { FastifyInstance, preValidationHookHandler } from 'fastify'
import { WSA_GUARD_ERR_OPTION } from './errors.js'
import type { GuardOptions } from './options.js'
import { GUARD } from './route-part.js'
import type { WsGuard } from './types.js'

/**
 * Guards every WebSocket that a scope leads to, for routes that a library declares by itself: tRPC, mercurius and others.
 * Call it in the scope, before the library is registered there. What is no upgrade passes: plain HTTP requests of the
 * library's routes need a check of their own.
 *
 * @param scope the instance that the library is registered on
 * @param options those of `fastify.wsGuard()`; most libraries need `protocols`
 * @throws {@link WSA_GUARD_ERR_OPTION} when an option is wrong, or the guard is not registered
 * @throws {@link WSA_GUARD_ERR_TWICE} when the scope, or one that it is in, has a guard already; a route of the scope that has one
 *   throws where it is declared
 *
 * @example
 * await app.register(async scope => {
 *   guardScope(scope, { protocols: ['graphql-transport-ws'] })
 *   await scope.register(mercurius, { schema, subscription: true })
 * })
 */
export function guardScope (scope: FastifyInstance, options: GuardOptions = {}): void {
  const { wsGuard } = scope as { wsGuard?: WsGuard }
  if (wsGuard === undefined) throw new WSA_GUARD_ERR_OPTION('register the guard before guardScope, and await it')
  const guard = wsGuard(options)
  const hook: preValidationHookHandler = (request, reply, done) => {
    if (request.ws) (guard as preValidationHookHandler).call(scope, request, reply, done)
    else done()
  }
  // The scope counts as guarded, and the guard stands in no other route.
  foundRoutePart(scope, guard)
  scope.addHook('preValidation', markRoutePart(hook, GUARD.made))
}
