import type { Connection, ConnectOptions } from '@fastify-airlock/client'
import cors, { type FastifyCorsOptions } from '@fastify/cors'
import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import wsGuard, { websocketOptions } from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsTickets from '@fastify-airlock/ticket'
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { bundle } from './bundle.js'
import { openBrowser } from './chromium.js'

declare global {
  /** Of the page below. */
  var dial: (api: string, token: string, options?: Partial<ConnectOptions>) => Connection
}

const PAGE = await bundle(`
  import { connect } from '@fastify-airlock/client'

  globalThis.dial = (api, token, options) => connect({
    url: api.replace('http', 'ws') + '/ws',
    getTicket: ({ signal }) => fetch(api + '/ws/ticket', { method: 'POST', headers: { authorization: 'Bearer ' + token }, signal }),
    getToken: () => token,
    ...options
  })`)

const chromium = await openBrowser(t)

/** A page of one origin, and the API on another. */
async function build (t: Test, exposed: FastifyCorsOptions) {
  const page = Fastify()
  t.teardown(() => page.close())
  page.get('/', async (_request, reply) => reply.type('text/html').send(
    '<!doctype html><link rel="icon" href="data:,"><title>page</title><script type="module" src="/page.js"></script>'))
  page.get('/page.js', async (_request, reply) => reply.type('text/javascript').send(PAGE))
  await page.listen({ host: '127.0.0.1', port: 0 })
  const origin = `http://127.0.0.1:${(page.server.address() as AddressInfo).port}`

  const app = Fastify()
  t.teardown(() => app.close())
  const answer = { status: 429, asked: 0 }
  await app.register(websocket, websocketOptions())
  await app.register(wsGuard, { allowedOrigins: [origin] })
  await app.register(cors, { origin: [origin], ...exposed })
  await app.register(fastifyJwt, { secret: 'a secret for tests that is long enough' })
  await app.register(wsTickets, {
    route: {
      authenticate: async (request: FastifyRequest, reply: FastifyReply) => {
        answer.asked++
        if (answer.status !== 201) return await reply.code(answer.status).header('retry-after', '1200').send({ statusCode: answer.status })
        await request.jwtVerify()
      }
    }
  })
  await app.register(wsHandshake)
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake(socket => { socket.send('{"hello":true}') }))
  await app.listen({ host: '127.0.0.1', port: 0 })
  return { api: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`, origin, answer, token: app.jwt.sign({ sub: 'alice' }, { expiresIn: 60 }) }
}

const EXPOSED = { exposedHeaders: ['Retry-After'] }

for (const status of [429, 503]) {
  for (const [name, exposed] of [['exposed', EXPOSED], ['not exposed', {}]] as const) {
    t.test(`the Retry-After of a ${status} of the ticket route across origins, ${name}`, async t => {
      if (chromium === null) return
      const { api, origin, answer, token } = await build(t, exposed)
      answer.status = status
      const context = await chromium.newContext()
      t.teardown(() => context.close())
      const { page } = await chromium.newPage(context)
      await page.goto(origin)
      await page.waitForFunction(() => 'dial' in globalThis)
      const delay = await page.evaluate(async ({ api, token }) => await new Promise<number | null>(resolve => {
        const connection = dial(api, token)
        connection.on('waiting', ({ delay }) => {
          resolve(delay)
          connection.close()
        })
      }), { api, token })
      if (exposed === EXPOSED) t.ok(delay !== null && delay >= 1_200_000, `waits for it: ${delay}`)
      else t.ok(delay !== null && delay < 60_000, `knows nothing of it: ${delay}`)
      t.equal(answer.asked, 1)
    })
  }
}

t.test('and a ticket, an upgrade and a first frame pass across origins', async t => {
  if (chromium === null) return
  const { api, origin, answer, token } = await build(t, EXPOSED)
  answer.status = 201
  const context = await chromium.newContext()
  t.teardown(() => context.close())
  const { page } = await chromium.newPage(context)
  await page.goto(origin)
  await page.waitForFunction(() => 'dial' in globalThis)
  t.same(await page.evaluate(async ({ api, token }) => await new Promise(resolve => {
    dial(api, token).on('message', resolve)
  }), { api, token }), { hello: true })
})
