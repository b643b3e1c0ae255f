// Runs alone: a process has one context manager of OpenTelemetry
import { trace } from '@opentelemetry/api'
import httpProxy from '@fastify/http-proxy'
import rateLimit from '@fastify/rate-limit'
import underPressure from '@fastify/under-pressure'
import websocket from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { connect, until } from '../helpers.js'
import { build, type Place } from './app.js'
import { send, upgrade } from './http.js'
import { NAMES, NEIGHBOURS, PAGE, spans, startTracing } from './table.js'
import { signIn } from './visit.js'

// Each test shows what a row of "Beside other plugins" says.

startTracing()

const PLACES: Place[] = ['first', 'documented', 'last']

/** Puts a neighbour with other options in place of that of the table. */
function replace (t: Test, name: string, register: (app: FastifyInstance) => Promise<void>): void {
  const neighbour = NEIGHBOURS[name]
  NEIGHBOURS[name] = { register }
  t.teardown(() => { NEIGHBOURS[name] = neighbour as NonNullable<typeof neighbour> })
}

const offer = (ticket: string): Record<string, string> => ({ origin: PAGE, 'sec-websocket-protocol': `airlock.v1, ticket.${ticket}` })

for (const place of PLACES) {
  t.test(`@fastify/rate-limit, ${place}: an upgrade too many is 429, its socket is closed, its ticket is good`, async t => {
    replace(t, 'rate-limit', async app => { await app.register(rateLimit, { max: 2, keyGenerator: ({ headers }) => headers['x-client'] as string ?? 'other' }) })
    const { app, port } = await build(t, ['rate-limit'], { place })
    const { ticket } = await app.wsTickets.issue('alice')
    const headers = upgrade({ ...offer('x'), 'x-client': 'one' })
    const statuses = []
    for (let count = 0; count < 2; count++) statuses.push((await send(port, { headers })).status)
    t.same(statuses, [401, 401])
    const { status, headers: limited } = await send(port, { headers: upgrade({ ...offer(ticket), 'x-client': 'one' }) })
    t.equal(status, 429)
    t.ok(limited['retry-after'])
    await connect(t, `ws://127.0.0.1:${port}/ws`, ['airlock.v1', `ticket.${ticket}`], { origin: PAGE })
  })

  t.test(`@fastify/under-pressure, ${place}: upgrades and tickets are 503, open sockets stay`, async t => {
    let healthy = true
    replace(t, 'under-pressure', async app => { await app.register(underPressure, { healthCheck: async () => healthy, healthCheckInterval: 5, retryAfter: 7 }) })
    const server = await build(t, ['under-pressure'], { place })
    const { app, port } = server
    const { proof, token } = await signIn(server)
    const { ticket } = await app.wsTickets.issue('alice')
    const client = await connect(t, `ws://127.0.0.1:${port}/ws?ticket=${(await app.wsTickets.issue('alice')).ticket}`, [], { origin: PAGE })
    client.send({ type: 'auth', token })
    await client.next()
    healthy = false
    await until(() => app.isUnderPressure())
    for (const request of [{ headers: upgrade(offer(ticket)) }, { method: 'POST', path: '/ws/ticket', headers: proof }]) {
      t.match(await send(port, request), { status: 503, headers: { 'retry-after': '7' }, body: { code: 'FST_UNDER_PRESSURE' } })
    }
    app.wsHub.broadcast({ type: 'news' })
    t.match([await client.next(), await client.next()], [{ type: 'hello' }, { type: 'news' }])
    healthy = true
    await until(() => !app.isUnderPressure())
    await connect(t, `ws://127.0.0.1:${port}/ws`, ['airlock.v1', `ticket.${ticket}`], { origin: PAGE })
  })

  t.test(`@fastify/cors, ${place}: a page of another origin gets a ticket and may read why not`, async t => {
    const server = await build(t, ['cors'], { place })
    const { port } = server
    const preflight = await send(port, {
      method: 'OPTIONS',
      path: '/ws/ticket',
      headers: { origin: PAGE, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' }
    })
    t.match(preflight, { status: 204, headers: { 'access-control-allow-origin': PAGE } })
    const { proof } = await signIn(server)
    for (const [headers, status] of [[{}, 401], [proof, 201]] as const) {
      t.match(await send(port, { method: 'POST', path: '/ws/ticket', headers: { origin: PAGE, ...headers } }), {
        status, headers: { 'access-control-allow-origin': PAGE, 'access-control-expose-headers': 'retry-after' }
      })
    }
    // CORS is nothing for upgrades: the guard's own list refuses them.
    t.match(await send(port, { headers: upgrade({ origin: 'https://elsewhere.test' }) }), { status: 403, body: { code: 'WSA_GUARD_ERR_ORIGIN' } })
  })
}

for (const name of ['session', 'secure-session', 'passport']) {
  t.test(`@fastify/${name}: its user gets a ticket, and is known to a guard`, async t => {
    const userOf = NEIGHBOURS[name]?.signsIn?.userOf as NonNullable<NonNullable<typeof NEIGHBOURS[string]['signsIn']>['userOf']>
    const server = await build(t, [name], {
      routes (app) {
        const authenticate = (request: Parameters<typeof userOf>[0]) => {
          const subject = userOf(request)
          return subject === undefined ? null : { subject }
        }
        app.get('/own', { websocket: true, preValidation: app.wsGuard({ authenticate }) }, (socket, { wsIdentity }) => socket.send(JSON.stringify(wsIdentity)))
      }
    })
    const { app, port } = server
    t.notOk(app.hasRequestDecorator('jwtVerify'))
    const { proof } = await signIn(server)
    t.equal((await send(port, { method: 'POST', path: '/ws/ticket' })).status, 401)
    t.equal((await send(port, { method: 'POST', path: '/ws/ticket', headers: proof })).status, 201)
    const client = await connect(t, `ws://127.0.0.1:${port}/own`, [], { origin: PAGE, headers: proof })
    t.match(await client.next(), { subject: 'alice' })
    t.match(await send(port, { path: '/own', headers: upgrade(proof) }), { status: 403 }, 'a cookie needs an Origin')
    t.match(await send(port, { path: '/own', headers: upgrade({ origin: PAGE }) }), { status: 401 })
  })
}

t.test('@fastify/swagger: it describes the ticket, and no socket', async t => {
  const { port } = await build(t, ['swagger', 'swagger-ui'])
  const { body } = await send(port, { path: '/documentation/json' })
  t.same(Object.keys(body.paths as object).filter(path => path.startsWith('/ws')), ['/ws/ticket'])
})

t.test('@fastify/otel: refused upgrades have a span with their status, handlers run in the trace', async t => {
  spans.reset()
  const seen: Array<string | undefined> = []
  const { app, port, sign, log } = await build(t, ['otel'], {
    guard: { refuseBeforeRouting: true },
    routes (app) {
      const note = (): void => { seen.push(trace.getActiveSpan()?.spanContext().traceId) }
      app.get('/traced', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake((socket, request) => {
        note()
        // What is never answered never ends by itself.
        const { span } = request.opentelemetry()
        seen.push(span?.spanContext().traceId)
        span?.end()
        socket.send('{}')
      }, {
        authorize: async () => {
          note()
          return true
        }
      }))
    }
  })
  const { ticket } = await app.wsTickets.issue('alice')
  const client = await connect(t, `ws://127.0.0.1:${port}/traced?ticket=${ticket}`, [], { origin: PAGE })
  client.send({ type: 'auth', token: sign({ sub: 'alice' }) })
  t.match([await client.next(), await client.next()], [{ type: 'auth_ok' }, {}])
  t.equal(seen.length, 3)
  t.ok(seen[0])
  t.equal(new Set(seen).size, 1, 'one trace')
  t.match(spans.getFinishedSpans().filter(({ name }) => name === 'request'), [{ attributes: { 'http.route': '/traced' } }])

  spans.reset()
  const used = await send(port, { path: `/traced?ticket=${ticket}`, headers: upgrade({ origin: PAGE }) })
  t.equal(used.status, 401)
  await until(() => spans.getFinishedSpans().some(({ name }) => name === 'request'))
  t.match(spans.getFinishedSpans().filter(({ name }) => name === 'request'), [{ attributes: { 'http.response.status_code': 401 } }])

  spans.reset()
  t.equal((await send(port, { headers: upgrade({ origin: PAGE }) })).status, 401)
  t.same(spans.getFinishedSpans(), [], 'refused before the router')
  t.same(log.filter(({ level }) => level >= 40), [])
})

t.test('@fastify/otel before the guard hides it from refuseBeforeRouting, which says so', async t => {
  const { port, log } = await build(t, ['otel'], { place: 'first', guard: { refuseBeforeRouting: true } })
  t.match(log.filter(({ level }) => level >= 40), [{ msg: /^refuseBeforeRouting applies to no route: .*after the guard/ }])
  t.match(await send(port, { headers: upgrade({ origin: PAGE }) }), { status: 401, body: { code: 'WSA_GUARD_ERR_NO_CREDENTIAL' } })
})

t.test('what looks at routes when they are declared comes before the ticket plugin', async t => {
  for (const [place, sees] of [['first', true], ['documented', true], ['last', false]] as const) {
    const server = await build(t, ['rate-limit', 'swagger'], { place })
    t.equal('/ws/ticket' in (server.app.swagger().paths as object), sees, `@fastify/swagger, ${place}`)
    const { proof } = await signIn(server)
    const { headers } = await send(server.port, { method: 'POST', path: '/ws/ticket', headers: proof })
    t.equal(headers['x-ratelimit-limit'], sees ? '60' : undefined, `@fastify/rate-limit, ${place}`)
  }
})

for (const refuseBeforeRouting of [false, true]) {
  t.test(`@fastify/http-proxy before @fastify/websocket proxies its upgrades and leaves ours alone, refuseBeforeRouting: ${refuseBeforeRouting}`, async t => {
    const upstream = Fastify()
    t.teardown(() => upstream.close())
    await upstream.register(websocket)
    upstream.get('/up', { websocket: true }, socket => socket.send('{"type":"upstream"}'))
    const target = await upstream.listen({ port: 0, host: '127.0.0.1' })
    replace(t, 'cors', async app => { await app.register(httpProxy, { upstream: target, prefix: '/up', rewritePrefix: '/up', websocket: true }) })
    const { app, port } = await build(t, ['cors'], { place: 'first', guard: { refuseBeforeRouting } })
    const proxied = await connect(t, `ws://127.0.0.1:${port}/up`)
    t.match(await proxied.next(), { type: 'upstream' })
    const { ticket } = await app.wsTickets.issue('alice')
    await connect(t, `ws://127.0.0.1:${port}/ws`, ['airlock.v1', `ticket.${ticket}`], { origin: PAGE })
    t.match(await send(port, { headers: upgrade(offer(ticket)) }), { status: 401, body: { code: 'WSA_GUARD_ERR_INVALID_CREDENTIAL' } })
    t.match(await send(port, { headers: upgrade({ origin: PAGE }) }), { status: 401, body: { code: 'WSA_GUARD_ERR_NO_CREDENTIAL' } })
    proxied.socket.terminate()
  })
}

t.test('each neighbour is in the table', async t => {
  t.same(NAMES, ['otel', 'under-pressure', 'rate-limit', 'cors', 'helmet', 'session', 'secure-session', 'passport', 'auth', 'swagger', 'swagger-ui'])
})
