// Takes long: it starts hundreds of applications.
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard, { jwt as jwtAuthenticator, ticket as ticketAuthenticator } from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsHeartbeat from '@fastify-airlock/heartbeat'
import wsHub from '@fastify-airlock/hub'
import wsPresence from '@fastify-airlock/presence'
import wsTickets from '@fastify-airlock/ticket'
import fastifyCookie from '@fastify/cookie'
import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import airlock, { type AirlockOptions } from '../src/index.js'
import { OPTIONS, OTHERS } from '../src/misplaced.js'
import { bare, build, jwt, listen } from './helpers.js'

/** How the application registers each part itself, and the decorator that shows it. */
const PARTS = {
  websocket: { decorator: 'websocketServer', options: { maxPayload: 1000 }, register: (app: FastifyInstance) => app.register(websocket, websocketOptions()) },
  guard: { decorator: 'wsGuard', options: { upgradeTimeout: 1000 }, register: (app: FastifyInstance) => app.register(wsGuard) },
  jwt: { decorator: 'jwt', options: jwt, register: (app: FastifyInstance) => app.register(fastifyJwt, jwt) },
  ticket: { decorator: 'wsTickets', options: { ttl: 1000 }, register: (app: FastifyInstance) => app.register(wsTickets) },
  handshake: { decorator: 'wsHandshake', options: { authTimeout: 1000 }, register: (app: FastifyInstance) => app.register(wsHandshake) },
  hub: { decorator: 'wsHub', options: { maxConnections: 1000 }, register: (app: FastifyInstance) => app.register(wsHub) },
  presence: { decorator: 'wsPresence', options: { grace: 1000 }, register: (app: FastifyInstance) => app.register(wsPresence) },
  heartbeat: { decorator: 'wsHeartbeat', options: { interval: 1000 }, register: (app: FastifyInstance) => app.register(wsHeartbeat) }
}
type Name = keyof typeof PARTS
const NAMES = Object.keys(PARTS) as Name[]
const STATES = ['default', 'options', 'left out', 'registered', 'registered and left out', 'registered and options'] as const
type State = typeof STATES[number]

/** What a table of states must lead to: `null` for no error. */
function expectedCode (states: Record<Name, State>): string | null {
  const isThere = (name: Name): boolean => states[name].startsWith('registered') || states[name] === 'options' || (states[name] === 'default' && !['jwt', 'presence'].includes(name))
  const isOurs = (name: Name): boolean => states[name] === 'options' || (states[name] === 'default' && !['jwt', 'presence'].includes(name))
  for (const name of NAMES) {
    if (states[name] === 'registered and options') return 'WSA_AIRLOCK_ERR_ALREADY_REGISTERED'
    if (['guard', 'handshake', 'heartbeat'].includes(name) && isOurs(name) && !isThere('websocket')) return 'WSA_AIRLOCK_ERR_MISSING_PART'
    if (name === 'presence' && isOurs(name) && !isThere('hub')) return 'WSA_AIRLOCK_ERR_MISSING_PART'
    if (name === 'ticket' && isOurs(name) && !isThere('jwt')) return 'WSA_AIRLOCK_ERR_MISSING_PART'
  }
  return null
}

/** Tables of states: each state of each part beside the others' defaults, and each pair of states of two parts. */
function * tables (): Generator<Record<Name, State>> {
  const base = { ...Object.fromEntries(NAMES.map(name => [name, 'default'])), jwt: 'options' } as Record<Name, State>
  for (const [index, one] of NAMES.entries()) {
    for (const another of NAMES.slice(index + 1)) {
      for (const first of STATES) {
        for (const second of STATES) yield { ...base, [one]: first, [another]: second }
      }
    }
  }
  // Every combination of parts that are left out.
  for (let bits = 0; bits < 2 ** NAMES.length; bits++) {
    yield Object.fromEntries(NAMES.map((name, index) => [name, bits & 2 ** index ? 'left out' : 'options'])) as Record<Name, State>
  }
}

t.test('parts are left out, replaced, and registered before, in every combination', async t => {
  let count = 0
  for (const states of tables()) {
    const { app } = bare(t, { logger: { level: 'silent' } })
    const options: Record<string, unknown> = {}
    let needs = true
    for (const name of NAMES) {
      const { options: own, register } = PARTS[name]
      const state = states[name]
      if (state.startsWith('registered')) {
        // Its own requirements are its own affair.
        try { await register(app) } catch { needs = false }
      }
      if (state.endsWith('options')) options[name] = own
      if (state.endsWith('left out')) options[name] = false
    }
    if (!needs) continue
    const title = JSON.stringify(states)
    const code = expectedCode(states)
    const error = await app.register(airlock, options as AirlockOptions).then(() => null, (error: { code: string }) => error.code)
    if (error !== code) t.equal(error, code, title)
    if (code === null) {
      await app.ready()
      for (const name of NAMES) {
        const wanted = states[name] !== 'left out' && !(['jwt', 'presence'].includes(name) && states[name] === 'default')
        if (app.hasDecorator(PARTS[name].decorator) !== wanted) t.equal(!wanted, wanted, `${name} of ${title}`)
      }
    }
    await app.close()
    count++
  }
  t.ok(count > 500, `${count} combinations`)
})

t.test('a part that the application has is used as it is', async t => {
  const { app } = bare(t)
  await app.register(websocket)
  await app.register(wsGuard, { authenticate: () => ({ subject: 'fixed' }) })
  await app.register(airlock, { jwt, handshake: false })
  app.wsRoute('/ws', (socket, request) => socket.send(JSON.stringify(request.wsIdentity.subject)))
  const { connect } = await listen(t, app)
  t.equal(await (await connect('/ws')).next() as unknown, 'fixed')
})

t.test('options reach their plugins', async t => {
  const errors: Error[] = []
  const { app } = await build(t, {
    jwt,
    websocket: { maxPayload: 100, closeTimeout: 50, errorHandler: (error, socket) => { errors.push(error); socket.terminate() }, options: { clientTracking: true, maxPayload: 200 } },
    guard: { authenticate: ticketAuthenticator({ query: 'key' }) },
    ticket: { ttl: 1234, route: { path: '/key' } },
    handshake: { describeUser: () => ({ id: 'described' }) },
    hub: { maxConnectionsPerSubject: 1 },
    heartbeat: { auto: false },
    prefix: '/api'
  })
  app.wsRoute('/ws', () => { throw new Error('of the handler') })
  const { sign, connect } = await listen(t, app)
  t.equal(app.websocketServer.options.maxPayload, 200)
  t.equal(app.websocketServer.options.perMessageDeflate, false, 'the other options stay')
  const { ticket } = (await app.inject({ method: 'POST', url: '/api/key', headers: { authorization: `Bearer ${sign('alice')}` } })).json()
  const client = await connect(`/ws?key=${ticket}`)
  t.equal(app.wsHeartbeat.size, 0)
  client.send({ type: 'auth', token: sign('alice') })
  t.match(await client.next(), { type: 'auth_ok', user: { id: 'described' } })
  t.match(await client.closed, /^4500/)
  t.same(errors, [])
})

t.test('the pages that may open a socket may ask for a ticket by cookie, unless the ticket has a list of its own', async t => {
  const SPA = 'https://spa.example'
  for (const [options, expected] of [
    [{ guard: { allowedOrigins: [SPA] } }, 401],
    [{ guard: { allowedOrigins: SPA } }, 401],
    [{ guard: { allowedOrigins: [SPA] }, ticket: { allowedOrigins: [] } }, 403],
    [{ guard: {} }, 403],
    [{ guard: false }, 403],
    [{}, 403]
  ] as const) {
    const { app } = await build(t, { jwt, ...options } as Parameters<typeof build>[1])
    const { statusCode } = await app.inject({ method: 'POST', url: '/ws/ticket', headers: { origin: SPA, cookie: 'sid=1' } })
    t.equal(statusCode, expected, JSON.stringify(options))
  }
})

t.test('options of Fastify itself pass, as @fastify/autoload gives them', async t => {
  const { app, log } = await build(t, { jwt, prefix: '/api', logLevel: 'warn', logSerializers: { req: () => 'own' } })
  t.equal((await app.inject({ method: 'POST', url: '/api/ws/ticket' })).statusCode, 401)
  t.same(log.filter(line => line.includes('incoming request')), [], 'the level of the route')
})

t.test('trusted of @fastify/jwt counts for every token, in the ticket route, the guard and the first frame', async t => {
  for (const namespace of [undefined, 'ws']) {
    const trusted = async (_request: unknown, { jti }: { jti?: string }): Promise<boolean> => jti !== 'revoked'
    const { app } = await build(t, {
      jwt: { ...jwt, trusted: trusted as never, ...namespace !== undefined && { namespace } },
      ...namespace !== undefined && {
        handshake: { jwt: { namespace } },
        ticket: { route: { authenticate: async request => { await (request as unknown as { wsJwtVerify (): Promise<unknown> }).wsJwtVerify() } } }
      }
    })
    app.wsRoute('/frame', { guard: false }, socket => socket.send('"in"'))
    app.wsRoute('/jwt', { guard: { authenticate: jwtAuthenticator({ namespace }) }, handshake: false }, socket => socket.send('"in"'))
    const { connect } = await listen(t, app)
    const { sign } = (namespace === undefined ? app.jwt : (app.jwt as unknown as Record<string, typeof app.jwt>)[namespace]) as typeof app.jwt
    for (const [claims, status, frame] of [[{}, 201, 'auth_ok'], [{ jti: 'revoked' }, 401, 'auth_error']] as const) {
      const token = sign({ sub: 'alice', ...claims }, { expiresIn: 600 })
      const headers = { authorization: `Bearer ${token}` }
      t.equal((await app.inject({ method: 'POST', url: '/ws/ticket', headers })).statusCode, status)
      const client = await connect('/frame')
      client.send({ type: 'auth', token })
      t.match(await client.next(), { type: frame })
      const upgrade = connect('/jwt', [], { headers })
      if (status === 201) t.equal(await (await upgrade).next() as unknown, 'in')
      else await t.rejects(upgrade, { message: /^HTTP 401/ })
    }
  }
})

t.test('the way to close is replaced', async t => {
  let called = false
  const { app } = await build(t, { jwt, websocket: { preClose: async () => { called = true } } })
  await app.close()
  t.ok(called)
})

t.test('the options of the parts are known, each of them', async t => {
  for (const [part, options] of Object.entries({ ...OTHERS, ...OPTIONS })) {
    // @fastify/jwt and @fastify/websocket look at none of their own.
    if (part === 'jwt' || part === 'websocket') continue
    const { app } = bare(t)
    const error = await app.register(airlock, { jwt, [part]: { noSuchOption: 1 } }).then(() => null, (error: Error) => error.message)
    const [, known = ''] = /Known options: (.*)$/.exec(error ?? '') ?? []
    t.same(known.split(/, | and /).filter(name => name !== 'prefix').sort(), [...options].sort(), part)
  }
})

t.test('mistakes are named with their cure', async t => {
  const rejects = async (options: object, code: string, message: RegExp): Promise<void> => {
    const { app } = bare(t)
    await t.rejects(async () => { await app.register(airlock, options); await app.ready() }, { code, message })
  }
  await rejects({ ticket: {} }, 'WSA_AIRLOCK_ERR_MISSING_PART', /give jwt: \{ secret \}/)
  await rejects({ jwt, websocket: false }, 'WSA_AIRLOCK_ERR_MISSING_PART', /guard: register @fastify\/websocket first/)
  await rejects({ jwt, hubs: {} }, 'WSA_AIRLOCK_ERR_OPTION', /hubs: unknown option `hubs`; did you mean `hub`\? Known options: websocket,/)
  await rejects({ jwt, nothingLikeIt: {} }, 'WSA_AIRLOCK_ERR_OPTION', /nothingLikeIt: unknown option `nothingLikeIt`\. Known options: websocket,/)
  for (const [name, place] of [
    ['secret', 'jwt: { secret }'],
    ['allowedOrigins', 'guard: { allowedOrigins }'],
    ['origins', 'guard: { allowedOrigins }'],
    ['authenticate', 'guard: { authenticate }'],
    ['store', 'ticket: { store }'],
    ['requestTimeout', 'server: { requestTimeout }'],
    ['headersTimeout', 'server: { headersTimeout }'],
    ['connectionTimeout', 'server: { connectionTimeout }'],
    ['keepAliveTimeout', 'server: { keepAliveTimeout }'],
    ['maxConnections', 'server: { maxConnections } or hub: { maxConnections }'],
    ['shutdownTimeout', 'server: { shutdownTimeout } or websocket: { shutdownTimeout }'],
    ['maxPayload', 'websocket: { maxPayload }'],
    ['closeTimeout', 'websocket: { closeTimeout } or handshake: { closeTimeout } or hub: { closeTimeout }'],
    ['flushTimeout', 'websocket: { flushTimeout } or handshake: { flushTimeout } or hub: { flushTimeout }'],
    ['errorHandler', 'websocket: { errorHandler }'],
    ['preClose', 'websocket: { preClose }'],
    ['options', 'websocket: { options }'],
    ['parameters', 'redaction: { parameters }'],
    ['notFoundHandler', 'redaction: { notFoundHandler }'],
    ['route', 'ticket: { route }'],
    ['ttl', 'ticket: { ttl }'],
    ['bus', 'hub: { bus }'],
    ['authorize', 'handshake: { authorize }'],
    ['interval', 'heartbeat: { interval }'],
    ['maxSubjects', 'presence: { maxSubjects }'],
    ['pendingPerAddress', 'guard: { pendingPerAddress } or handshake: { pendingPerAddress }'],
    ['ignoreWarnings', 'guard: { ignoreWarnings } or ticket: { ignoreWarnings } or handshake: { ignoreWarnings } or hub: { ignoreWarnings }']
  ] as const) {
    const { app } = bare(t)
    await t.rejects(async () => { await app.register(airlock, { jwt, [name]: 'x' } as object) }, {
      code: 'WSA_AIRLOCK_ERR_OPTION', message: `Invalid option: ${name}: give it to its part, ${place}`
    })
  }
  for (const [given, how] of [[{}, 'missing'], [{ secret: undefined }, 'missing'], [{ secret: null }, 'missing'], [{ secret: '' }, 'empty']] as const) {
    await rejects({ jwt: given }, 'WSA_AIRLOCK_ERR_OPTION', new RegExp(`jwt\\.secret: it is ${how}\\. Is the variable of the environment set`))
  }
  for (const [options, code, message] of [
    [{ server: { handshakeTimeout: 5 } }, 'WSA_AIRLOCK_ERR_OPTION', /server\.handshakeTimeout: Fastify's constructor alone has it: give it to serverOptions\(\)$/],
    [{ server: true }, 'WSA_AIRLOCK_ERR_OPTION', /server: Expected false or an object with limits, not true$/],
    [{ guard: { alive: true } }, 'WSA_GUARD_ERR_OPTION', /alive: Expected false or a whole number of milliseconds, not true$/],
    [{ guard: { connectRate: true } }, 'WSA_GUARD_ERR_OPTION', /connectRate: Expected false or a number above 0, or \{ perSecond, burst \}, not true$/],
    [{ guard: { stallTimeout: true } }, 'WSA_GUARD_ERR_OPTION', /stallTimeout: Expected false or a whole number of milliseconds, not true$/],
    [{ guard: { maxSocketBytes: false } }, 'WSA_GUARD_ERR_OPTION', /maxSocketBytes: Expected Infinity or a whole number above 0, not false$/],
    [{ guard: { connectionsPerAddress: false } }, 'WSA_GUARD_ERR_OPTION', /connectionsPerAddress: Expected Infinity or a whole number above 0, not false$/],
    [{ handshake: { alive: true } }, 'WSA_HANDSHAKE_ERR_OPTION', /alive: Expected false or a whole number of milliseconds, not true$/],
    [{ hub: { messageRate: true } }, 'WSA_HUB_ERR_OPTION', /messageRate: Expected false or \{ perSecond, burst \}, not true$/],
    [{ ticket: { route: true } }, 'WSA_TICKET_ERR_OPTION', /route: Expected false or an object with options, not true$/],
    [{ ticket: { route: { rateLimit: true } } }, 'WSA_TICKET_ERR_OPTION', /route\.rateLimit: Expected false or an object with options, not true$/]
  ] as const) await rejects({ jwt, ...options }, code, message)
  await rejects({ jwt, hub: true }, 'WSA_AIRLOCK_ERR_OPTION', /hub: Expected false, or an object/)
  await rejects({ jwt, hub: [] }, 'WSA_AIRLOCK_ERR_OPTION', /hub/)
  await rejects({ jwt, hub: null }, 'WSA_AIRLOCK_ERR_OPTION', /hub/)
  await rejects({ jwt, redaction: { parameter: [] } }, 'WSA_AIRLOCK_ERR_OPTION', /redaction/)
  await rejects({ jwt, hub: { max: 1 } }, 'WSA_HUB_ERR_OPTION', /max/)
  await rejects({ jwt: { ...jwt, cookie: { cookieName: 'session', signed: false } } }, 'WSA_AIRLOCK_ERR_MISSING_PART', /@fastify\/cookie/)
  const { app } = await build(t)
  await t.rejects(async () => await app.register(airlock, { jwt }), { code: 'WSA_AIRLOCK_ERR_ALREADY_REGISTERED', message: /once, at the root/ })
})

t.test('tickets need no @fastify/jwt where nothing asks for it', async t => {
  for (const ticket of [{ route: false as const }, { route: { authenticate: async () => {} } }]) {
    await t.resolves(build(t, { ticket }))
  }
  const { app } = bare(t)
  app.decorateRequest('jwtVerify', async () => {})
  await t.resolves(async () => await app.register(airlock))
})

t.test('a cookie carries the JWT where @fastify/cookie is there, before or after', async t => {
  const { app } = await build(t, { jwt: { ...jwt, cookie: { cookieName: 'session', signed: false } } })
  await app.register(fastifyCookie)
  const response = await app.inject({ method: 'POST', url: '/ws/ticket', cookies: { session: (await app.ready(), app.jwt.sign({ sub: 'alice' }, { expiresIn: 60 })) } })
  t.equal(response.statusCode, 201)
})

t.test('a part that is registered again says what to change', async t => {
  for (const [name, { decorator, register }] of Object.entries(PARTS)) {
    // Those of others have messages of their own.
    if (name === 'websocket' || name === 'jwt') continue
    const { app } = bare(t)
    await app.register(airlock, { jwt, presence: {} })
    await t.rejects(async () => await register(app), {
      code: 'FST_ERR_DEC_ALREADY_PRESENT',
      message: `The decorator '${decorator}' has already been added! fastify-airlock has registered @fastify-airlock/${name}: give the options there, { ${name}: { … } }, and do not register it again; or register it before`
    })
  }
})
