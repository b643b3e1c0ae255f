import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { GuardPluginOptions } from '../src/index.js'
import { attempt, build, listen, openConnections, raw, route, ticketsOf, TICKET, until, upgradeHead } from './helpers.js'

/** A server with one guarded route, and what its hooks and its log have seen. */
async function watched (t: Test, guard: GuardPluginOptions = {}, prepare: (app: FastifyInstance) => void = () => {}) {
  const lines: Array<{ msg: string, code?: string, res?: { statusCode: number } }> = []
  const seen: string[] = []
  const app = await build(t, {
    guard,
    server: { logger: { stream: { write: (line: string) => { lines.push(JSON.parse(line)) } } } }
  })
  app.addHook('onSend', async (_request, reply) => { seen.push(`onSend ${reply.statusCode}`) })
  app.addHook('onResponse', async (_request, reply) => { seen.push(`onResponse ${reply.statusCode} ${reply.elapsedTime > 0}`) })
  prepare(app)
  route(app)
  return { app, lines, seen, port: await listen(app) }
}

t.test('a refusal is one HTTP response of constant bytes with a Date', async t => {
  const { app, port } = await watched(t)
  const text = await (await raw(t, port, upgradeHead('/ws'))).text
  const [head = '', body = ''] = text.split('\r\n\r\n')
  const [status, ...headers] = head.split('\r\n')
  t.equal(status, 'HTTP/1.1 401 Unauthorized')
  const map = new Map(headers.map(line => line.split(': ') as [string, string]))
  t.same([...map.keys()].sort(), ['connection', 'content-length', 'content-type', 'date', 'www-authenticate'])
  t.equal(map.get('connection'), 'close')
  t.equal(map.get('content-length'), String(body.length))
  const age = Date.now() - Date.parse(map.get('date') as string)
  t.ok(age >= 0 && age < 60_000)
  t.match(JSON.parse(body), { statusCode: 401, code: 'WSA_GUARD_ERR_NO_CREDENTIAL', error: 'Unauthorized' })
  await until(async () => await openConnections(app) === 0)
})

t.test('onResponse hooks and the log see a refusal, onSend hooks only with refusalHooks', async t => {
  for (const [guard, hooks] of [
    [{}, ['onResponse 401 true']],
    [{ refusalHooks: true }, ['onSend 401', 'onResponse 401 true']]
  ] as const) {
    const { port, lines, seen } = await watched(t, guard)
    t.match(await attempt(port, '/ws'), { status: 401, code: 'WSA_GUARD_ERR_NO_CREDENTIAL' })
    await until(() => lines.some(({ msg }) => msg === 'request completed'))
    t.same(seen, hooks)
    t.match(lines.slice(-3), [
      { msg: 'incoming request' },
      { msg: 'websocket upgrade refused', code: 'WSA_GUARD_ERR_NO_CREDENTIAL' },
      { msg: 'request completed', res: { statusCode: 401 } }
    ])
  }
})

t.test('a header that another hook has set is sent with the refusal', async t => {
  const { port, seen } = await watched(t, {}, app => {
    app.addHook('onRequest', async (_request, reply) => { reply.header('x-request-id', '7') })
  })
  const { status, headers } = await attempt(port, '/ws')
  t.equal(status, 401)
  t.equal(headers['x-request-id'], '7')
  t.ok(seen.includes('onSend 401'), 'through Fastify')
})

t.test('the log has the Origin that was refused, and no more of it than is needed', async t => {
  const origins = [
    ['https://evil.test', 'https://evil.test'], [`https://${'a'.repeat(2000)}.test`, `https://${'a'.repeat(192)}`], [undefined, null],
    ['null', 'null'], ['app://desktop', 'app://desktop'], ['https://user:secret@evil.test', 'malformed'], ['https://evil.test/?token=secret', 'malformed'], ['secret', 'malformed'],
    [`https://${'a'.repeat(300)}@evil.test`, 'malformed']
  ] as const
  for (const guard of [{}, { refusalHooks: true }, { refuseBeforeRouting: true }]) {
    const { port, lines } = await watched(t, { ...guard, allowedOrigins: ['https://app.test'], missingOrigin: 'deny' })
    for (const [origin, logged] of origins) {
      lines.length = 0
      t.match(await attempt(port, '/ws', [], { ...origin !== undefined && { origin } }), { status: 403, code: 'WSA_GUARD_ERR_ORIGIN' })
      const { code, origin: found } = lines.find(({ msg }) => msg === 'websocket upgrade refused') as { code?: string, origin?: string | null }
      t.same([code, found], ['WSA_GUARD_ERR_ORIGIN', logged], JSON.stringify(guard))
    }
  }
})

t.test('a client that offers nothing but its credential is told to offer more', async t => {
  const { app, port } = await watched(t)
  for (const [protocols, message] of [
    [[`ticket.${TICKET}`], 'A credential is no subprotocol: offer one that the route speaks as well, by default airlock.v1'],
    [['chat', `ticket.${TICKET}`], 'None of the offered subprotocols is supported']
  ] as const) {
    const text = await (await raw(t, port, upgradeHead('/ws', { 'Sec-WebSocket-Protocol': protocols.join(', ') }))).text
    t.match(text, 'WSA_GUARD_ERR_SUBPROTOCOL')
    t.match(text, message)
  }
  t.same(ticketsOf(app).asked, [], 'nothing is used up')
})

t.test('with refusalErrors a missing or bad credential is an error, and everything else is final', async t => {
  const seen: string[] = []
  const { port } = await watched(t, { refusalErrors: true, allowedOrigins: ['https://app.test'] }, app => {
    app.setErrorHandler(async (error: Error & { code?: string, headers?: object }, _request, reply) => {
      seen.push(error.code as string)
      return await reply.send(error)
    })
  })
  const origin = 'https://app.test'
  const table: Array<[string[], object, number, string]> = [
    [[], {}, 401, 'NO_CREDENTIAL'],
    [['airlock.v1'], { origin }, 401, 'NO_CREDENTIAL'],
    [['airlock.v1', 'ticket.x'], { origin }, 401, 'INVALID_CREDENTIAL'],
    [[], { origin: 'https://evil.test' }, 403, 'ORIGIN'],
    [[], { headers: { cookie: 'session=1' } }, 403, 'ORIGIN'],
    [['chat'], {}, 400, 'SUBPROTOCOL'],
    [['ticket.x', 'ticket.y'], {}, 400, 'MULTIPLE_CREDENTIALS']
  ]
  for (const [protocols, options, status, code] of table) {
    const { headers, ...answer } = await attempt(port, '/ws', protocols, options)
    t.match(answer, { status, code: `WSA_GUARD_ERR_${code}` })
    if (status === 401) t.match(headers['www-authenticate'], /^Bearer/)
    t.same(seen.splice(0), status === 401 ? [`WSA_GUARD_ERR_${code}`] : [], code)
  }
  t.match(await attempt(port, '/ws', ['airlock.v1', `ticket.${TICKET}`]), { status: 101, protocol: 'airlock.v1', identity: { subject: 'u1' } })
})

t.test('a client whose buffers are full is disconnected after a while', async t => {
  const app = await build(t)
  route(app)
  app.server.prependListener('upgrade', (_request, socket) => {
    Object.defineProperties(socket, { end: { value: () => socket }, write: { value: () => false }, writableLength: { value: 1 } })
  })
  const port = await listen(app)
  const peer = await raw(t, port, upgradeHead('/ws'))
  await until(() => app.wsGuard.pending === 1)
  t.equal(await peer.text, '')
  await until(async () => await openConnections(app) === 0)
  t.equal(app.wsGuard.pending, 0)
})

t.test('a hook of the application may call a guard and await it', async t => {
  for (const authenticate of [undefined, async () => ({ subject: 'u2' }), () => ({ subject: 'u2' })]) {
    const app = await build(t)
    const guard = app.wsGuard(authenticate === undefined ? {} : { authenticate })
    const after: unknown[] = []
    app.get('/ws', {
      websocket: true,
      preValidation: async function (request, reply) {
        const result = await guard.call(this, request, reply)
        after.push(reply.sent)
        return result
      }
    }, (socket, request) => { socket.send(JSON.stringify(request.wsIdentity)) })
    const port = await listen(app)
    if (authenticate === undefined) {
      t.match(await attempt(port, '/ws'), { status: 401, code: 'WSA_GUARD_ERR_NO_CREDENTIAL' })
      t.same(after, [true], 'the hook goes on once the reply is sent')
      t.match(await attempt(port, '/ws', ['airlock.v1', `ticket.${'A'.repeat(43)}`]), { status: 101, identity: { subject: 'u1' } })
    } else {
      t.match(await attempt(port, '/ws'), { status: 101, identity: { subject: 'u2' } })
      t.same(after, [false])
    }
  }
})

t.test('an error of an authenticator, sync or async, reaches Fastify and a hook that awaits the guard', async t => {
  const broken = Object.assign(new Error('broken'), { statusCode: 503 })
  for (const authenticate of [() => { throw broken }, async () => { throw broken }]) {
    const app = await build(t)
    const guard = app.wsGuard({ authenticate })
    app.get('/ws', { websocket: true, preValidation: guard }, () => {})
    app.get('/awaited', {
      websocket: true, preValidation: async (request, reply) => { await guard.call(app, request, reply) }
    }, () => {})
    const port = await listen(app)
    t.equal((await attempt(port, '/ws')).status, 503)
    t.equal((await attempt(port, '/awaited')).status, 503)
  }
})

t.test('a client that leaves while it waits for its turn uses nothing up', async t => {
  const app = await build(t)
  let release = (): void => {}
  app.addHook('preValidation', (_request, _reply, done) => { release = done })
  route(app)
  const port = await listen(app)
  const peer = await raw(t, port, upgradeHead('/ws', { 'Sec-WebSocket-Protocol': `airlock.v1, ticket.${'A'.repeat(43)}` }))
  await until(() => app.wsGuard.pending === 1)
  peer.socket.resetAndDestroy()
  await until(() => app.wsGuard.pending === 0)
  release()
  await new Promise(resolve => setImmediate(resolve))
  t.same(ticketsOf(app).asked, [], 'its ticket was not redeemed')
})

t.test('redeemNow is used if the ticket plugin has it', async t => {
  const app = await build(t)
  const tickets = ticketsOf(app) as ReturnType<typeof ticketsOf> & { redeemNow?: (ticket: string, context: { ip?: string, origin?: string }) => unknown }
  const asked: unknown[] = []
  tickets.redeemNow = (ticket, { ip, origin }) => {
    asked.push({ ticket, ip, origin })
    return { subject: 'now', claims: {} }
  }
  route(app)
  const port = await listen(app)
  t.match(await attempt(port, '/ws', ['airlock.v1', 'ticket.x']), { status: 101, identity: { subject: 'now' } })
  t.same(asked, [{ ticket: 'x', ip: '127.0.0.1', origin: undefined }])
  t.same(tickets.asked, [], 'redeem is not called')
})
