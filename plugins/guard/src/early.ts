import type { FastifyInstance, RouteOptions } from 'fastify'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { type Guard, kEarly } from './guard.js'
import type { SocketGuard } from './socket-guard.js'

type EarlyCheck = Guard[typeof kEarly]

/** The characters that make a path match more than itself. */
const PATTERN = /[:*(]/

/**
 * Calls the guards of plain routes before the present listeners for upgrades, such as that of `@fastify/websocket`, which
 * calls Fastify's router.
 */
export function refuseBeforeRouting (fastify: FastifyInstance, sockets: SocketGuard): void {
  // `null` if several routes have this path: only the router can tell them apart.
  const checks = new Map<string, EarlyCheck | null>()
  fastify.addHook('onRoute', route => {
    if (![route.method].flat().includes('GET')) return
    const check = earlyCheckOf(route)
    if (check !== null || checks.has(route.url)) checks.set(route.url, checks.has(route.url) ? null : check)
  })

  fastify.addHook('onReady', async () => {
    if ([...checks.values()].some(check => check !== null)) return
    // A hook that wraps the hooks of routes, as that of @fastify/otel, hides the guards if it comes first.
    fastify.log.warn('refuseBeforeRouting applies to no route: use guards as the first preValidation, and register plugins that wrap hooks, such as @fastify/otel, after the guard')
  })

  const { server } = fastify
  const others = server.listeners('upgrade')
  server.removeAllListeners('upgrade')
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    // Responses are sent in order (RFC 9112, section 9.3.2): a response that is being sent must not be interrupted.
    const refusal = sockets.isAnswering(socket) ? null : checks.get(request.url as string)?.(request)
    if (refusal != null) return sockets.refuseFirst(refusal, request, socket)
    for (const listener of others) listener.call(server, request, socket, head)
  })
  // @fastify/http-proxy takes every upgrade where its listener is the only one on the server.
  others.forEach(() => server.on('upgrade', () => {}))
}

function earlyCheckOf ({ url, constraints, preValidation }: RouteOptions): EarlyCheck | null {
  const [first] = [preValidation].flat() as Array<Partial<Guard> | undefined>
  return PATTERN.test(url) || constraints !== undefined ? null : first?.[kEarly] ?? null
}
