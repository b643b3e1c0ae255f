import fastifyCookie from '@fastify/cookie'
import fastifyCors from '@fastify/cors'
import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import wsGuard, { websocketOptions } from '@fastify-airlock/guard'
import wsHub from '@fastify-airlock/hub'
import wsTickets from '@fastify-airlock/ticket'
import type { FastifyInstance } from 'fastify'

/**
 * A session in a cookie, tickets for those who have it, and a WebSocket.
 *
 * @param pages the origins of the pages, such as `https://app.example.com`
 */
export async function nextRoutes (app: FastifyInstance, { pages, secret }: { pages: string[], secret: string }): Promise<void> {
  await app.register(websocket, websocketOptions())
  // Next.js changes Host to its own idea of this server, so the guard cannot compare the Origin with it.
  await app.register(wsGuard, { allowedOrigins: pages })
  await app.register(wsHub)
  await app.register(fastifyCookie)
  await app.register(fastifyJwt, { secret, cookie: { cookieName: 'session', signed: false } })
  // Where pages and Fastify have different origins.
  await app.register(fastifyCors, { origin: pages, credentials: true, exposedHeaders: ['retry-after'] })
  await app.register(wsTickets, { allowedOrigins: pages })

  app.post('/api/login', async (_request, reply) => {
    // Your check of a name and a password.
    const session = app.jwt.sign({ sub: 'alice' }, { expiresIn: '12h' })
    return reply.setCookie('session', session, { path: '/', httpOnly: true, sameSite: 'lax', secure: 'auto' }).code(204).send()
  })

  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, (socket, { wsIdentity }) => {
    if (wsIdentity === null || !app.wsHub.add(socket, wsIdentity)) return
    socket.on('message', text => socket.send(JSON.stringify({ from: wsIdentity.subject, text: JSON.parse(String(text)) })))
  })
}
