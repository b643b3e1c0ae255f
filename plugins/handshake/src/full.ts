import { hubPlacesOf, ofServer, partOf, RETRY_FULL_S } from '@fastify-airlock/core'
import type { preValidationHookHandler, RouteOptions } from 'fastify'
import type { HandshakeContext } from './context.js'
import { channels, type HandshakeRefuseEvent } from './events.js'

const STATUS = 503

const BODY = JSON.stringify({ statusCode: STATUS, code: 'WSA_HANDSHAKE_ERR_FULL', error: 'Service Unavailable', message: 'The server has no place left' })

/**
 * Has upgrades of a route refused before their 101 while the server has no place for them. A guard does that by itself, and
 * takes the place as well.
 */
export function refuseWhenFull (route: RouteOptions, context: HandshakeContext): void {
  const hooks = [route.preValidation ?? []].flat() as preValidationHookHandler[]
  if (!hooks.some(isGuard)) route.preValidation = [createCheck(context), ...hooks]
}

function isGuard (hook: unknown): boolean {
  const part = partOf(hook)
  return part?.role === 'hook' && part.authenticates
}

function createCheck ({ server, places, settings }: HandshakeContext): preValidationHookHandler {
  return (request, reply, done) => {
    // A guard of the scope has taken the places.
    if (!request.ws || places.has(request.raw)) return done()
    const isFull = places.turnsAway() || (settings.hub && hubPlacesOf(request.server)?.turnsAway() === true)
    if (!isFull) return done()
    request.log.info({ code: 'WSA_HANDSHAKE_ERR_FULL' }, 'websocket upgrade refused')
    if (channels.refuse.hasSubscribers) channels.refuse.publish(ofServer({ code: STATUS, reason: 'full' }, server) satisfies HandshakeRefuseEvent)
    reply.code(STATUS).headers({ 'retry-after': RETRY_FULL_S, connection: 'close' }).type('application/json; charset=utf-8').send(BODY)
  }
}
