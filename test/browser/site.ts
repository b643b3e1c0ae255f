import type { WebSocket } from '@fastify/websocket'
import type { Test } from 'tap'
import { build, listen } from '../helpers.js'

/**
 * A small site on a server with every plugin: an empty page with a script, JWTs for the asking at `POST /token`, and
 * `/ws` behind both doors, which sends back what it gets. It counts what the page asks for.
 */
export async function startSite (t: Test, script: string, { tokenLife = 600, alive }: { tokenLife?: number, alive?: number } = {}) {
  const { app } = await build(t)
  const count = { tickets: 0, tokens: 0, upgrades: 0 }
  const sockets = new Set<WebSocket>()
  const closes: number[] = []
  // Whether tickets are to be had, for tests that refuse.
  const site = { ticketStatus: 201 }

  app.addHook('onRequest', async (request, reply) => {
    const { pathname } = new URL(request.url, 'http://site')
    if (pathname.startsWith('/ws') && request.ws) count.upgrades++
    if (pathname !== '/ws/ticket') return
    count.tickets++
    if (site.ticketStatus !== 201) return await reply.code(site.ticketStatus).send({ statusCode: site.ticketStatus })
  })
  app.get('/', async (_request, reply) => reply.type('text/html').send(
    '<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>site</title><main></main><script type="module" src="/page.js"></script>'))
  app.get('/page.js', async (_request, reply) => reply.type('text/javascript').send(script))
  app.post('/token', async () => {
    count.tokens++
    return app.jwt.sign({ sub: 'alice' }, { expiresIn: tokenLife })
  })
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake(socket => {
    sockets.add(socket)
    socket.on('close', code => {
      sockets.delete(socket)
      closes.push(code)
    })
    socket.on('message', (data: Buffer, isBinary: boolean) => socket.send(data, { binary: isBinary }))
  }, alive === undefined ? {} : { alive }))
  app.get('/ws/foreign', { websocket: true, preValidation: app.wsGuard({ allowedOrigins: ['https://app.example.com'] }) }, () => {})
  const { origin, port } = await listen(t, app)
  return { origin, port, count, sockets, closes, site }
}
