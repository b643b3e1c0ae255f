import websocket from '@fastify/websocket'
import { markRoutePart, websocketOptions } from '@fastify-airlock/core'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import wsGuard, { type CredentialCheck, type GuardOptions, type GuardPluginOptions, jwt, logSerializers, ticket } from '../src/index.js'
import { redactsQuery } from '../src/logging.js'
import { attempt, build, listen, route, TICKET, ticketsOf } from './helpers.js'

interface Warning {
  code: string
  msg: string
}

/** A server that keeps what it warns of. */
async function logged (t: Test, guard: GuardPluginOptions = {}, server: FastifyServerOptions = {}) {
  const lines: Array<Warning & { level: number }> = []
  const logger = { serializers: logSerializers(), stream: { write: (line: string) => { lines.push(JSON.parse(line)) } }, ...server.logger as object }
  const app = await build(t, { guard, server: { ...server, logger } })
  return { app, warnings: (): Warning[] => lines.filter(({ level }) => level === 40), lines }
}

const socket = (): void => {}
const plain = async (): Promise<string> => 'plain'
const cookie: CredentialCheck = { carriers: { cookie: 'session' }, authenticate: () => ({ subject: 'u1' }) }
const header: CredentialCheck = { carriers: { header: true }, authenticate: () => ({ subject: 'u1' }) }

t.test('a server has one guard: two of scopes of their own look after the same sockets', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(async scope => { await scope.register(wsGuard) })
  const message = 'Invalid option: register the guard once, at the root: this server has one of another scope'
  await t.rejects(async () => await app.register(async scope => { await scope.register(wsGuard) }), { code: 'WSA_GUARD_ERR_OPTION', message })

  const root = await build(t)
  await t.rejects(async () => await root.register(wsGuard), { code: 'FST_ERR_DEC_ALREADY_PRESENT' })
  await t.resolves(build(t), 'another server has its own')
})

t.test('a guard in the wrong place throws where the route is declared', async t => {
  const app = await build(t)
  const { wsGuard: make } = app
  t.throws(() => app.get('/ws', { preValidation: make() }, plain), {
    code: 'WSA_GUARD_ERR_NOT_WEBSOCKET',
    message: 'Declare the route with { websocket: true }, or give it a wsHandler: GET /ws has app.wsGuard() as its preValidation'
  })
  t.throws(() => app.get('/ws', { websocket: true, preValidation: make as never }, socket), {
    code: 'WSA_GUARD_ERR_NOT_CALLED', message: 'Call it, app.wsGuard(): the preValidation of GET /ws is app.wsGuard itself, which was not called'
  })
  t.throws(() => app.get('/ws', { websocket: true, preValidation: wsGuard as never }, socket), { code: 'WSA_GUARD_ERR_NOT_CALLED', message: /the plugin wsGuard/ })
  t.throws(() => app.get('/ws', { websocket: true, preParsing: make() as never }, socket), {
    code: 'WSA_GUARD_ERR_MISPLACED', message: 'Make it the preValidation: app.wsGuard() is the preParsing of GET /ws'
  })
  t.throws(() => app.addHook('preValidation', make as never), { code: 'WSA_GUARD_ERR_NOT_CALLED' })
})

t.test('what no declaration shows fails closed, with the same errors', async t => {
  const app = await build(t)
  const guard = app.wsGuard() as unknown as (...given: unknown[]) => Promise<unknown>
  app.get('/uncalled', { websocket: true, preValidation: async request => { app.wsGuard(request as never) } }, socket)
  app.get('/payload', { websocket: true, preParsing: async (...given) => { await guard(...given) } }, socket)
  const port = await listen(app)
  t.match(await attempt(port, `/uncalled?ticket=${TICKET}`), { status: 500, code: 'WSA_GUARD_ERR_NOT_CALLED' })
  t.match(await attempt(port, `/payload?ticket=${TICKET}`), { status: 500, code: 'WSA_GUARD_ERR_MISPLACED' })
  t.same(ticketsOf(app).asked, [])
})

t.test('a guard works as onRequest, preValidation and preHandler, alone and in a list, of a route and of a scope', async t => {
  for (const hook of ['onRequest', 'preValidation', 'preHandler'] as const) {
    for (const [name, declare] of Object.entries<(app: FastifyInstance) => void>({
      route: app => { app.get('/ws', { websocket: true, [hook]: app.wsGuard() }, (socket, { wsIdentity }) => { socket.send(JSON.stringify(wsIdentity)) }) },
      list: app => { app.get('/ws', { websocket: true, [hook]: [plain, app.wsGuard()] }, (socket, { wsIdentity }) => { socket.send(JSON.stringify(wsIdentity)) }) },
      scope: app => {
        app.register(async scope => {
          scope.addHook(hook as 'onRequest', scope.wsGuard())
          scope.get('/ws', { websocket: true }, (socket, { wsIdentity }) => { socket.send(JSON.stringify(wsIdentity)) })
        })
      }
    })) {
      const app = await build(t)
      declare(app)
      const port = await listen(app)
      t.match(await attempt(port, '/ws'), { status: 401, code: 'WSA_GUARD_ERR_NO_CREDENTIAL' }, `${hook} of a ${name}`)
      t.match(await attempt(port, `/ws?ticket=${TICKET}`), { status: 101, identity: { subject: 'u1' } }, `${hook} of a ${name}`)
    }
  }
})

t.test('the decorator may be taken from its instance', async t => {
  const app = await build(t)
  const { wsGuard: make } = app
  t.equal(make, app.wsGuard)
  t.equal(make.pending, 0)
  await app.register(async scope => {
    scope.decorate('secret', 'of the scope')
    const { wsGuard: make } = scope
    const seen: unknown[] = []
    make({ authenticate: { prepare: instance => { seen.push((instance as unknown as { secret?: string }).secret); return header } } })
    t.same(seen, ['of the scope'], 'an authenticator finds what the scope has')
  })
  app.get('/ws', { websocket: true, preValidation: make() }, (socket, request) => { socket.send(JSON.stringify(request.wsIdentity)) })
  t.match(await attempt(await listen(app), `/ws?ticket=${TICKET}`), { status: 101 })
})

t.test('an unknown option is named with the nearest, wherever it is', async t => {
  for (const [registration, options, message] of [
    [{ origins: [] }, {}, /unknown option `origins`; did you mean `allowedOrigins`\? Known options: authenticate, allowedOrigins, .*, upgradeTimeout, .* and ignoreWarnings$/],
    [{ upgradeTimout: 5 }, {}, /did you mean `upgradeTimeout`\?/],
    [{}, { origin: [] }, /unknown option `origin`; did you mean `allowedOrigins`\?/],
    [{}, { allowedOrigins: 5 }, /allowedOrigins\.0: Expected a string that is not empty or a function, not 5$/]
  ] as const) {
    await t.rejects(async () => {
      const app = await build(t, { guard: registration as object })
      app.wsGuard(options as object)
    }, { code: 'WSA_GUARD_ERR_OPTION', message }, String(message))
  }
  t.throws(() => ticket({ params: 'x' } as object), { message: /unknown option `params`\. Known options: audience, subprotocol, cookie and query/ })
})

t.test('one origin needs no list', async t => {
  const app = await build(t)
  route(app, { allowedOrigins: 'https://app.test' })
  const port = await listen(app)
  t.match(await attempt(port, `/ws?ticket=${TICKET}`, [], { origin: 'https://evil.test' }), { status: 403 })
  t.match(await attempt(port, `/ws?ticket=${TICKET}`, [], { origin: 'https://app.test' }), { status: 101 })
})

t.test('options that are no object, and authenticators that are none, are refused where they are given', async t => {
  const app = await build(t)
  for (const options of [null, 'x', [], () => {}, 5]) {
    t.throws(() => app.wsGuard(options as object), { code: 'WSA_GUARD_ERR_OPTION', message: /options: Expected an object/ }, String(options))
  }
  t.throws(() => app.wsGuard(app as object), { code: 'WSA_GUARD_ERR_NOT_CALLED', message: /it was registered as a plugin/ })
  const check = markRoutePart(async () => {}, { name: 'a check', role: 'check', authenticates: true, fail: () => new Error('no') })
  for (const [authenticate, message] of [
    [ticket, /authenticate\.0: call it: ticket\(\)/],
    [[ticket(), jwt], /authenticate\.1: call it: jwt\(\)/],
    [app.wsGuard(), /app\.wsGuard\(\) is for routes, and no authenticator/],
    [check, /a check is for routes/],
    [{ authenticate: () => null }, /Expected an authenticator with carriers/],
    [{ authenticate: () => null, carriers: null }, /with carriers/],
    [null, /Expected ticket\(\), jwt\(\)/]
  ] as const) t.throws(() => app.wsGuard({ authenticate: authenticate as never }), { code: 'WSA_GUARD_ERR_OPTION', message }, String(message))
  t.throws(() => app.get('/ws', { websocket: true, preValidation: jwt as never }, socket), { code: 'WSA_GUARD_ERR_OPTION', message: /give app\.wsGuard\(\{ authenticate: jwt\(\) \}\)/ })
})

t.test('names and origins that no client can send are refused', async t => {
  const app = await build(t)
  const given: Array<[options: () => unknown, good: boolean]> = [
    ...['a b', 'a,b', 'ü', 'a/b', 'ticket.x'].map((name): typeof given[number] => [() => app.wsGuard({ protocols: [name] }), false]),
    ...['chat', 'airlock.v1', 'a+b'].map((name): typeof given[number] => [() => app.wsGuard({ protocols: [name] }), true]),
    ...['a=b', 'a;b', 'a b', 'ü'].flatMap((name): typeof given => [[() => ticket({ cookie: name }), false], [() => jwt({ cookie: name }), false]]),
    ...['session', '__Host-ticket'].flatMap((name): typeof given => [[() => ticket({ cookie: name }), true], [() => jwt({ cookie: name }), true]]),
    ...[
      'localhost:3000', 'localhost', 'app.example.com', 'app.example.com:443', '//app.example.com', 'mailto:x', 'app://x/', 'app://x/y', 'APP://x', 'app://x?y',
      'https://app.example.com/', 'HTTPS://app.example.com', 'https://app.example.com:443', '*', 'https://*', '*.example.com', '', ' https://a.example.com'
    ].map((origin): typeof given[number] => [() => app.wsGuard({ allowedOrigins: origin }), false]),
    ...[
      'https://app.example.com', 'http://localhost:3000', 'https://*.example.com', 'null', 'file://', 'capacitor://localhost', 'ionic://localhost', 'chrome-extension://abc',
      'moz-extension://1-2', 'app://obsidian.md', 'https://[::1]:8443'
    ].map((origin): typeof given[number] => [() => app.wsGuard({ allowedOrigins: origin }), true])
  ]
  for (const [give, good] of given) {
    if (good) t.doesNotThrow(give, String(give))
    else t.throws(give, { code: 'WSA_GUARD_ERR_OPTION' })
  }
})

t.test('a guard that a hook makes for each request is not kept', async t => {
  const app = await build(t)
  app.get('/ws', {
    websocket: true,
    preValidation: async (request, reply) => { await app.wsGuard({ authenticate: header }).call(app, request, reply) }
  }, (socket, { wsIdentity }) => { socket.send(JSON.stringify(wsIdentity)) })
  const port = await listen(app)
  t.match(await attempt(port, '/ws', [], { headers: { authorization: 'Bearer x' } }), { status: 101, identity: { subject: 'u1' } })
  t.equal((app.server as unknown as Record<symbol, { loose: Set<object> }>)[Symbol.for('airlock.routeWatch')]?.loose.size, 0)
})

const ANYBODY = {
  'arrow function': () => true,
  'async function': async () => true,
  'function with a body': function () { return true },
  'function that looks at something': (origin: string) => origin.startsWith('https:'),
  'async function that looks at something': async (origin: string) => origin !== '',
  'function beside origins': ['https://app.test', () => true]
}

const SOMEBODY = {
  'a list': ['https://app.test'],
  'a function that compares': (origin: string) => origin === 'https://app.test',
  'an async function that compares': async (origin: string) => origin === 'https://app.test',
  'a function that throws': () => { throw new Error('no database') },
  'a function that rejects': async () => { throw new Error('no database') },
  'a function that takes time': async () => { await new Promise(() => {}); return true }
}

/** What a guard with these options leads to: an error's code, or the codes of its warnings. */
async function outcome (t: Test, options: GuardOptions, registration: GuardPluginOptions = {}): Promise<string | string[]> {
  const { app, warnings } = await logged(t, registration)
  try {
    app.get('/ws', { websocket: true, preValidation: app.wsGuard(options) }, socket)
    await app.ready()
  } catch (error) {
    return (error as { code: string }).code
  }
  return warnings().map(({ code }) => code)
}

t.test('any Origin, none at all, and a cookie as the credential are refused together, unless unsafe: true stands there', async t => {
  for (const [name, allowedOrigins] of Object.entries(ANYBODY)) {
    const options = { authenticate: cookie, allowedOrigins, missingOrigin: 'allow' } as const
    t.equal(await outcome(t, options), 'WSA_GUARD_ERR_UNSAFE', name)
    t.same(await outcome(t, { ...options, unsafe: true }), [], `${name}, said to be unsafe`)
    t.equal(await outcome(t, { authenticate: cookie }, { allowedOrigins, missingOrigin: 'allow' }), 'WSA_GUARD_ERR_UNSAFE', `${name}, at registration`)
    t.same(await outcome(t, { ...options, authenticate: header }), [], `${name}, without a cookie`)
    t.equal(await outcome(t, { ...options, authenticate: [header, cookie] }), 'WSA_GUARD_ERR_UNSAFE', `${name}, with a cookie among others`)
    t.equal(await outcome(t, { ...options, authenticate: ticket() }), 'WSA_GUARD_ERR_UNSAFE', `${name}, with the cookie of a ticket`)
    t.same(await outcome(t, { ...options, authenticate: ticket({ cookie: false }) }), [], `${name}, with tickets that are no cookies`)
  }
  for (const [name, allowedOrigins] of Object.entries(SOMEBODY)) {
    const options = { authenticate: cookie, allowedOrigins, missingOrigin: 'allow' } as const
    t.same(await outcome(t, options), ['WSA_GUARD_WARN_MISSING_ORIGIN'], name)
    t.same(await outcome(t, { ...options, unsafe: true }), [], `${name}, said to be unsafe`)
    t.same(await outcome(t, options, { ignoreWarnings: ['WSA_GUARD_WARN_MISSING_ORIGIN'] }), [], `${name}, ignored`)
    t.same(await outcome(t, { ...options, missingOrigin: 'auto' }), [], `${name}, as it should be`)
  }
})

t.test('an allow-list that lets any page use a cookie is warned of', async t => {
  for (const [name, options] of Object.entries<GuardOptions>({
    'a function that says yes': { authenticate: cookie, allowedOrigins: () => true },
    'an async one': { authenticate: cookie, allowedOrigins: [async () => true], missingOrigin: 'deny' },
    'the null of sandboxed frames': { authenticate: cookie, allowedOrigins: ['https://app.test', 'null'] },
    'null, and none': { authenticate: cookie, allowedOrigins: 'null', missingOrigin: 'allow' },
    'a function that may look at cookies': { authenticate: () => null, allowedOrigins: () => true, missingOrigin: 'allow' }
  })) {
    t.same(await outcome(t, options), ['WSA_GUARD_WARN_ANY_ORIGIN'], name)
    t.same(await outcome(t, { ...options, unsafe: true }), [], `${name}, said to be unsafe`)
    t.same(await outcome(t, options, { ignoreWarnings: ['WSA_GUARD_WARN_ANY_ORIGIN'] }), [], `${name}, ignored`)
  }
  t.same(await outcome(t, { authenticate: () => null, missingOrigin: 'allow' }), [], 'a function may take native clients')
  t.same(await outcome(t, { authenticate: header, allowedOrigins: () => true }), [], 'no cookie, no danger')
})

t.test('a server without websocketOptions, and routes without a guard', async t => {
  const lines: Warning[] = []
  const app = Fastify({ logger: { level: 'warn', stream: { write: (line: string) => { lines.push(JSON.parse(line)) } } } })
  t.teardown(() => app.close())
  await app.register(websocket)
  await app.register(wsGuard)
  app.get('/open', { websocket: true }, socket)
  app.get('/guarded', { websocket: true, preValidation: app.wsGuard({ authenticate: header }) }, socket)
  await app.ready()
  t.match(lines, [{ code: 'WSA_CORE_WARN_UNPROTECTED_ROUTE', msg: /: GET \/open\. / }, { code: 'WSA_CORE_WARN_WEBSOCKET_OPTIONS' }].sort((a, b) => a.code < b.code ? 1 : -1))
  t.equal(lines.length, 2)
})

t.test('a credential in the query is warned of if the log would show it', async t => {
  const token: CredentialCheck = { carriers: { query: 'token' }, authenticate: () => null }
  const unknown: CredentialCheck = { carriers: { query: 'key' }, authenticate: () => null }
  for (const [name, authenticate, logger, expected] of [
    ['shown', token, { serializers: {} }, ['WSA_GUARD_WARN_CREDENTIAL_IN_LOG']],
    ['redacted', token, {}, []],
    ['redacted under other names only', unknown, {}, ['WSA_GUARD_WARN_CREDENTIAL_IN_LOG']],
    ['redacted under its name', unknown, { serializers: logSerializers(['key']) }, []],
    ['not logged', token, { serializers: { req: () => 'a request' } }, []],
    ['a serializer that fails', token, { serializers: { req: () => { throw new Error('no') } } }, []]
  ] as const) {
    const { app, warnings } = await logged(t, {}, { logger: logger as object })
    for (const url of ['/a', '/b']) app.get(url, { websocket: true, preValidation: app.wsGuard({ authenticate }) }, socket)
    await app.ready()
    t.same(warnings().map(({ code }) => code), expected, name)
  }
})

t.test('tickets come in the query seldom: the first one is warned of', async t => {
  const { app, warnings } = await logged(t, {}, { logger: { serializers: {} } })
  route(app)
  const port = await listen(app)
  ticketsOf(app).live.add('B'.repeat(43))
  t.match(await attempt(port, '/ws', ['airlock.v1', `ticket.${'B'.repeat(43)}`]), { status: 101 })
  t.same(warnings(), [])
  for (let i = 0; i < 2; i++) await attempt(port, `/ws?ticket=${TICKET}`)
  t.match(warnings(), [{ code: 'WSA_GUARD_WARN_CREDENTIAL_IN_LOG', msg: /\(ticket\)/ }])
  t.equal(warnings().length, 1)
})

t.test('redaction is found wherever it is', async t => {
  const shown = Fastify({ logger: { stream: { write () {} } } })
  t.notOk(redactsQuery(shown, 'ticket'))
  for (const [name, app] of Object.entries({
    'no logger': Fastify(),
    'a silent one': Fastify({ logger: { level: 'silent' } }),
    'no lines of requests': Fastify({ logger: { stream: { write () {} } }, disableRequestLogging: true }),
    'a factory of child loggers': Fastify({ logger: { stream: { write () {} } } }).setChildLoggerFactory((log, bindings) => log.child(bindings, { serializers: logSerializers() }))
  })) {
    t.ok(redactsQuery(app as never, 'ticket'), name)
    await app.close()
  }
  await shown.close()
})

t.test('refusals that the set-up causes are explained once', async t => {
  for (const [name, who] of Object.entries({ undefined, false: false, 'no subject': { id: 5 }, 'an empty one': { subject: '' }, 'a number': { subject: 5 } })) {
    const { app, warnings } = await logged(t)
    route(app, { authenticate: () => who as never })
    const port = await listen(app)
    for (let i = 0; i < 2; i++) t.match(await attempt(port, '/ws'), { status: 401, code: 'WSA_GUARD_ERR_INVALID_CREDENTIAL' }, name)
    t.match(warnings(), [{ code: 'WSA_GUARD_WARN_NO_SUBJECT', msg: /return \{ subject \}/ }], name)
    t.equal(warnings().length, 1)
  }
  const { app, warnings } = await logged(t)
  route(app)
  const port = await listen(app)
  const refused = async (origin: string, host: string) => { t.match(await attempt(port, '/ws', [], { origin, headers: { 'x-forwarded-host': host } }), { status: 403 }) }
  await refused('https://evil.test', 'app.test')
  t.same(warnings(), [])
  for (let i = 0; i < 2; i++) await refused('https://app.test', 'app.test')
  t.match(warnings(), [{ code: 'WSA_GUARD_WARN_TRUST_PROXY', msg: /give Fastify trustProxy/ }])
  t.equal(warnings().length, 1)
})

t.test('a number as trustProxy is warned of where it matters', async t => {
  const forwarded = { headers: { 'x-forwarded-for': '192.0.2.7' } }
  for (const [trustProxy, headers, count] of [[1, forwarded, 1], [1, {}, 0], ['127.0.0.1', forwarded, 0], [false, forwarded, 0]] as const) {
    const { app, warnings } = await logged(t, {}, { trustProxy: trustProxy as never })
    route(app, { authenticate: header })
    const port = await listen(app)
    for (let i = 0; i < 2; i++) await attempt(port, '/ws', [], headers)
    t.same(warnings().map(({ code }) => code), count === 1 ? ['WSA_GUARD_WARN_TRUST_PROXY'] : [], String(trustProxy))
  }
})

t.test('a right set-up is not warned of', async t => {
  const { app, warnings } = await logged(t, { allowedOrigins: ['https://app.test'] })
  route(app)
  app.get('/native', { websocket: true, preValidation: app.wsGuard({ authenticate: header, missingOrigin: 'allow' }) }, socket)
  await app.ready()
  t.same(warnings(), [])
  t.ok('maxPayload' in (websocketOptions().options as object))
})

t.test('what is for the whole server has no place in a route', async t => {
  const app = await build(t)
  const server = {
    upgradeTimeout: 5,
    pendingPerAddress: 5,
    pendingTotal: 5,
    connectionsPerAddress: 5,
    connectRate: 5,
    refuseBeforeRouting: true,
    maxSocketBytes: 5,
    stallTimeout: 5,
    sessionClaim: 'sid',
    ignoreWarnings: []
  }
  for (const [name, value] of Object.entries(server)) {
    t.throws(() => app.wsGuard({ [name]: value } as object), { code: 'WSA_GUARD_ERR_OPTION', message: `Invalid option: ${name}: give it where you register the plugin, since it is for the whole server` }, name)
  }
})
