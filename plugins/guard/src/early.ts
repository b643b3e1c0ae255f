import type { FastifyInstance, RouteOptions } from 'fastify'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { type Guard, kEarly } from './guard.js'
import { hasResponse, type SocketGuard } from './socket-guard.js'

type EarlyCheck = Guard[typeof kEarly]

/** What a path may hold that stands for more than itself. */
const PATTERN = /[:*(]/

/**
 * Puts the guards of plain routes in front of every listener for upgrades that there is, `@fastify/websocket`'s with
 * Fastify's router behind it among them.
 */
export function refuseBeforeRouting (fastify: FastifyInstance, sockets: SocketGuard): void {
  // `null` where routes of one path differ by something that only the router sees.
  const checks = new Map<string, EarlyCheck | null>()
  fastify.addHook('onRoute', route => {
    if (![route.method].flat().includes('GET')) return
    const check = earlyCheckOf(route)
    if (check !== null || checks.has(route.url)) checks.set(route.url, checks.has(route.url) ? null : check)
  })

  const { server } = fastify
  const others = server.listeners('upgrade')
  server.removeAllListeners('upgrade')
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    // An answer that is still on its way must not be interrupted: RFC 9112, section 9.3.2, has them in order.
    const refusal = hasResponse(socket) ? null : checks.get(request.url as string)?.(request)
    if (refusal != null) return sockets.refuseFirst(refusal, request, socket)
    for (const listener of others) listener.call(server, request, socket, head)
  })
}

function earlyCheckOf ({ url, constraints, preValidation }: RouteOptions): EarlyCheck | null {
  const [first] = [preValidation].flat() as Array<Partial<Guard> | undefined>
  return PATTERN.test(url) || constraints !== undefined ? null : first?.[kEarly] ?? null
}
