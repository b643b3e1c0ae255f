import { auditChannel, findTrail, noteError, publishAudit, serverOptionsOf, trailOfRequest, trailOfSocket, type TrailSource } from '@fastify-airlock/core'
import type { FastifyInstance } from 'fastify'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Makes a function that finds where a request comes from, as far as that is known without Fastify's request: behind a proxy
 * that Fastify trusts, the address of the socket is not the client's.
 */
export function createSourceOf (fastify: FastifyInstance): (request: IncomingMessage, route?: string) => TrailSource {
  const options = serverOptionsOf(fastify)
  const seesClients = options !== undefined && !options.trustProxy
  // A request of injectWS has no socket.
  return ({ socket }, url) => ({ ip: seesClients ? (socket as Socket | undefined)?.remoteAddress : undefined, routeOptions: { url }, server: fastify })
}

/**
 * Notes in the trail of each upgrade which route it has come to, before any other hook refuses it: there may be none, or one of plain
 * HTTP, which `@fastify/websocket` closes right after the 101. And which error ends it.
 */
export function noteRoutes (fastify: FastifyInstance): void {
  const plain = new Set<string>()
  const upgradable = new Set<string>()
  fastify.addHook('onRoute', ({ url, websocket, wsHandler }) => { (websocket === true || wsHandler !== undefined ? upgradable : plain).add(url) })
  fastify.addHook('onRequest', (request, _reply, done) => {
    if (auditChannel.hasSubscribers && request.ws) {
      const { raw, is404, routeOptions: { url = '' } } = request
      const trail = trailOfRequest(raw, request)
      if (is404) Object.assign(trail, { errorCode: 'FST_ERR_NOT_FOUND', cause: 'no such route', route: null })
      else if (plain.has(url) && !upgradable.has(url)) trail.untold = 'no WebSocket route'
    }
    done()
  })
  fastify.addHook('onError', (request, _reply, error, done) => {
    noteError(request.raw, error)
    done()
  })
}

/**
 * Publishes that an upgrade has got its 101.
 *
 * @param sourceOf is asked where no guard has seen the request
 */
export function auditAdmission (socket: object, request: IncomingMessage, sourceOf: (request: IncomingMessage) => TrailSource): void {
  if (!auditChannel.hasSubscribers) return
  const trail = trailOfSocket(socket, findTrail(socket) === undefined ? sourceOf(request) : null)
  publishAudit(trail, { type: 'upgrade.admitted', code: null, reason: null })
}

/**
 * Publishes that an upgrade is refused.
 *
 * @param message what the answer says; the trail may know better why
 */
export function auditRefusal (request: object, status: number, code: string, message: string): void {
  if (!auditChannel.hasSubscribers) return
  const trail = trailOfRequest(request)
  trail.decided = true
  publishAudit(trail, { type: 'upgrade.refused', status, code, reason: trail.cause ?? message, ticket: trail.ticket })
}

/**
 * Publishes that an upgrade has ended without a 101 and without a refusal of the guard: something else has refused it, or the
 * client has left.
 *
 * @param status of the answer; `null` if there was none
 */
export function auditEnd (request: object, status: number | null): void {
  const trail = findTrail(request)
  if (trail === undefined || trail.decided || !auditChannel.hasSubscribers) return
  trail.decided = true
  const { cause, errorCode: code, ticket } = trail
  publishAudit(trail, { type: 'upgrade.refused', status, code, reason: cause ?? (status === null ? 'the client has left' : null), ticket })
}
