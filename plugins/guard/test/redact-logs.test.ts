import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyReply, type FastifyServerOptions } from 'fastify'
import { type Logger, pino } from 'pino'
import t, { type Test } from 'tap'
import websocket from '@fastify/websocket'
import { redactLogs, type RedactLogsOptions, websocketOptions } from '../src/index.js'
import { redactValue } from '../src/redact-value.js'
import { listen, raw, TICKET, upgradeHead } from './helpers.js'

const JWT = `eyJhbGciOiJIUzI1NiJ9.${'e30'.repeat(9)}.${'s'.repeat(20)}`
/** Opaque, of a form that is known by its place alone. */
const OPAQUE = 'canary-0123456789'
const SECRETS = [TICKET, JWT.slice(-30), OPAQUE]

/** Everything that a client can send a credential in. */
const headers = {
  authorization: `Bearer ${OPAQUE}`,
  'proxy-authorization': `Basic ${OPAQUE}`,
  cookie: `a=b; ticket=${TICKET}; session=${JWT}; c=${OPAQUE}`,
  'sec-websocket-protocol': `airlock.v1, ticket.${TICKET}, bearer.${JWT}`,
  referer: `https://user:${OPAQUE}@app.test/?token=${OPAQUE}`
}
const QUERY = `room=7&ticket=${TICKET}&access_token=${JWT}&TOKEN=${OPAQUE}`

interface Case {
  name: string
  options?: FastifyServerOptions
  /** Changes the application before and after the redaction. */
  before?: (app: FastifyInstance) => unknown
  after?: (app: FastifyInstance) => unknown
  redaction?: RedactLogsOptions
  /** What the log has to have, which shows that the case was reached. */
  reached?: RegExp
}

const all = (request: { url: string, headers: object, raw: { rawHeaders: string[] }, query: unknown }) =>
  ({ address: request.url, headers: request.headers, rawHeaders: request.raw.rawHeaders, query: request.query })
const child = (name: string) => (logger: FastifyBaseLogger, bindings: object, options: object, request: { url?: string }) =>
  logger.child({ ...bindings, url: request.url, factory: name }, { ...options, serializers: { req: all } })

const CASES: Case[] = [
  { name: 'as Fastify makes it', reached: /incoming request/ },
  { name: 'no request lines', options: { disableRequestLogging: true } },
  { name: 'serializers of the application', options: { logger: { serializers: { req: all } } }, reached: /"address":"\/plain\?room=7&ticket=\[redacted\]/ },
  { name: 'a serializer that passes its value on', options: { logger: { serializers: { err: (error: Error) => error as never } } } },
  { name: 'a logger of pino', options: { loggerInstance: true as never } },
  { name: 'serializers of a route', after: app => app.get('/own', { logSerializers: { req: all } }, async () => ''), reached: /"address":"\/own\?room=7&ticket=\[redacted\]/ },
  { name: 'serializers of a scope', after: app => app.register(async scope => { scope.get('/own', async () => '') }, { logSerializers: { req: all as never } }), reached: /"address":"\/own\?/ },
  { name: 'a factory given to Fastify', options: { childLoggerFactory: child('constructor') as never }, reached: /"factory":"constructor".*"address":/ },
  { name: 'a factory set before', before: app => app.setChildLoggerFactory(child('before') as never), reached: /"factory":"before".*"address":/ },
  { name: 'a factory set after', after: app => app.setChildLoggerFactory(child('after') as never), reached: /"factory":"after".*"address":/ },
  { name: 'a factory of a scope', after: app => app.register(async scope => { scope.setChildLoggerFactory(child('scope') as never).get('/own', async () => '') }), reached: /"factory":"scope".*"address":"\/own\?/ },
  { name: 'a factory of a route', after: app => app.get('/own', { childLoggerFactory: child('route') as never }, async () => ''), reached: /"factory":"route".*"address":"\/own\?/ },
  { name: 'a child of the request\'s logger', after: app => app.get('/own', async request => { request.log.child({ req: request }, { serializers: { req: all } }).info({ req: request }, 'by hand') }), reached: /"address".*by hand/ },
  { name: 'a child from before', before: app => { const log = app.log.child({ early: true }); app.get('/own', async request => { log.info({ req: request }, 'by hand') }) }, reached: /"early":true.*by hand/ },
  { name: 'a route from before', before: app => app.get('/own', async () => ''), reached: /\/own\?room=7&ticket=\[redacted\]/ },
  { name: 'members of a log line', after: app => app.get('/own', async request => { request.log.info({ url: request.url, originalUrl: request.originalUrl, path: request.url, query: request.query, headers: request.headers, rawHeaders: request.raw.rawHeaders }, 'by hand') }), reached: /originalUrl.*by hand/ },
  { name: 'a member of any name', after: app => app.get('/own', async request => { request.log.info({ target: request.url, seen: [request.url], deep: { ...request.headers }, ticket: TICKET, Token: OPAQUE, authorization: OPAQUE, cookie: OPAQUE }, 'by hand') }), reached: /"target":"\/own\?room=7.*"ticket":"\[redacted\]".*by hand/ },
  { name: 'what refers to itself', after: app => app.get('/own', async (request, reply) => { request.log.info({ request, reply, raw: request.raw, big: { n: 1n, url: request.url } }, 'by hand') }), reached: /by hand/ },
  { name: 'bindings', after: app => app.get('/own', async request => { request.log.child({ target: request.url }).info('child'); request.log.child({ target: request.url }, { serializers: { req: all } }).info({ at: request.url }, 'grandchild'); (request.log as Logger).setBindings({ at: request.url }); request.log.info('by hand') }), reached: /"at":"\/own\?room=7.*by hand/ },
  { name: 'a message with values', after: app => app.get('/own', async request => { request.log.info('%s and %o', request.url, { url: request.url }) }), reached: /own\?room=7/ },
  { name: 'a key of messages', options: { logger: { messageKey: 'text' } }, after: app => app.get('/own', async request => { request.log.info(request.url) }), reached: /"text":"\/own\?room=7/ },
  { name: 'a key of errors', options: { logger: { errorKey: 'failure' } }, after: app => app.get('/own', async request => { request.log.error(new Error(request.url)) }), reached: /"failure":\{"type":"Error","message":"\/own\?room=7/ },
  { name: 'a key of everything', options: { logger: { nestedKey: 'data' } }, after: app => app.get('/own', async request => { request.log.info({ target: request.url }, 'by hand') }), reached: /"data":\{"target":"\/own\?room=7/ },
  { name: 'formatters and a mixin', options: { logger: { formatters: { log: object => ({ ...object, copy: (object.req as { url?: string } | undefined)?.url }) }, mixin: () => ({ mixed: `?token=${OPAQUE}` }) } }, reached: /"mixed":"\?token=\[redacted\]".*"copy":"\/plain\?room=7/ },
  { name: 'ids of requests', options: { requestIdLogLabel: 'trace', genReqId: request => request.url as string }, reached: /"trace":"\/plain\?room=7&ticket=\[redacted\]/ },
  { name: 'an error handler', after: app => { app.setErrorHandler((_error, request, reply) => { request.log.error({ failed: request.url }, 'by hand'); reply.send('') }); app.get('/own', async () => { throw new Error('x') }) }, reached: /"failed":"\/own\?room=7.*by hand/ },
  { name: 'an error', after: app => app.get('/own', async request => { request.log.error(new Error(`at ${request.url} with ${request.headers.authorization}`)) }), reached: /at \/own\?room=7&ticket=\[redacted\]/ },
  { name: 'a reply that was sent twice', after: app => app.get('/own', async (request, reply) => { reply.send(''); reply.send('') }), reached: /FST_ERR_REP_ALREADY_SENT/ },
  { name: 'a handler for unknown routes from before', before: app => app.setNotFoundHandler((_request, reply) => reply.code(404).send('mine')), reached: /"statusCode":404/ },
  { name: 'a handler for unknown routes from after', after: app => app.setNotFoundHandler((_request, reply) => reply.code(404).send('mine')), reached: /"statusCode":404/ },
  { name: 'twice', after: app => redactLogs(app) }
]

for (const { name, options, before, after, redaction, reached } of CASES) {
  t.test(`no credential is in the log or in an answer: ${name}`, async t => {
    const lines: string[] = []
    const stream = { write (line: string) { lines.push(line) } }
    const logger = { level: 'trace', stream, ...options?.logger as object }
    const app = Fastify(options?.loggerInstance === undefined ? { ...options, logger } : { loggerInstance: pino({ level: 'trace' }, stream) as FastifyBaseLogger })
    t.teardown(() => app.close())
    await app.register(websocket, websocketOptions({ closeTimeout: 1 }))
    await before?.(app)
    redactLogs(app, redaction)
    await after?.(app)
    app.get('/plain', async () => 'plain')
    const bodies = await visit(t, app)
    await app.close()

    const log = lines.join('')
    for (const secret of SECRETS) {
      t.notOk(log.includes(secret), secret)
      t.notOk(bodies.includes(secret), `${secret} in an answer`)
    }
    t.match(log, 'no websocket handler')
    if (reached !== undefined) t.match(log, reached)
  })
}

/** Sends credentials in every place to routes of every kind. */
async function visit (t: Test, app: FastifyInstance): Promise<string> {
  const port = await listen(app)
  let bodies = ''
  for (const delimiter of ['?', '#', ';', '?x=1;', '?x=1#', '?x#']) {
    for (const path of ['/plain', '/own', '/none']) {
      const url = `${path}${delimiter}${QUERY}`
      const { text } = await raw(t, port, ['GET ' + url + ' HTTP/1.1', 'Host: localhost', 'Connection: close', ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`), '', ''].join('\r\n'))
      bodies += await text
    }
  }
  for (const path of ['/plain', '/none']) {
    bodies += await (await raw(t, port, upgradeHead(`${path}?${QUERY}`, headers))).text
  }
  return bodies
}

/** A logger that is not of pino: it knows what Fastify asks of one. */
class OtherLogger {
  level = 'trace'
  readonly lines: string[]
  readonly serializers: Record<string, (value: unknown) => unknown>
  readonly bindings: object

  constructor (lines: string[], serializers: OtherLogger['serializers'] = {}, bindings: object = {}) {
    this.lines = lines
    this.serializers = serializers
    this.bindings = bindings
  }

  child (bindings: object, options: { serializers?: Record<string, (value: unknown) => unknown> } = {}): OtherLogger {
    return new OtherLogger(this.lines, { ...this.serializers, ...options.serializers }, { ...this.bindings, ...bindings })
  }

  #write (given: object, message?: string): void {
    const members = Object.entries({ ...this.bindings, ...given }).map(([name, value]) => [name, this.serializers[name]?.(value) ?? value])
    this.lines.push(JSON.stringify([Object.fromEntries(members), message]))
  }

  fatal = this.#write
  error = this.#write
  warn = this.#write
  info = this.#write
  debug = this.#write
  trace = this.#write
  silent = this.#write
}

t.test('a logger of another kind gets a factory of child loggers', async t => {
  const lines: string[] = []
  const app = Fastify({ loggerInstance: new OtherLogger(lines) as unknown as FastifyBaseLogger })
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions({ closeTimeout: 1 }))
  app.setChildLoggerFactory((logger, bindings, options) => logger.child({ ...bindings, mine: 'factory' }, options))
  redactLogs(app)
  app.get('/plain', async () => 'plain')
  app.get('/own', { logSerializers: { req: all } }, async request => { request.log.info({ ticket: TICKET, authorization: OPAQUE, cookie: OPAQUE, token: OPAQUE }, 'by hand') })
  const bodies = await visit(t, app)
  await app.close()
  const log = lines.join('\n')
  for (const secret of SECRETS) t.notOk((log + bodies).includes(secret), secret)
  t.match(log, /"mine":"factory"/)
  t.match(log, /"address":"\/own\?/)
  t.match(log, 'no websocket handler')
})

t.test('without a log nothing is set but the handler for unknown routes', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const { childLoggerFactory } = app
  redactLogs(app)
  t.equal(app.childLoggerFactory, childLoggerFactory)
  t.equal((await app.inject(`/none?${QUERY}`)).json().message, 'Route GET:/none not found')
  t.throws(() => redactLogs(app), { code: 'FST_ERR_INSTANCE_ALREADY_LISTENING' }, 'too late')
})

t.test('parts of the application answer for unknown routes as before', async t => {
  const app = Fastify({ logger: { level: 'silent' } })
  t.teardown(() => app.close())
  redactLogs(app)
  ;(app.setNotFoundHandler as unknown as () => void)()
  app.get('/call', (_request, reply) => reply.callNotFound())
  app.register(async scope => { scope.setNotFoundHandler((_request, reply) => reply.code(404).send('scope')) }, { prefix: '/scope' })
  t.equal((await app.inject('/none?ticket=1')).json().message, 'Route GET:/none not found')
  t.equal((await app.inject('/call?ticket=1')).json().message, 'Route GET:/call not found')
  t.equal((await app.inject('/scope/none?ticket=1')).body, 'scope')
})

t.test('an application may set handlers for unknown routes in any scope, before and after', async t => {
  const own = (name: string) => (_request: unknown, reply: FastifyReply) => { reply.code(404).send(name) }
  type Scope = FastifyInstance
  const rows: Array<[name: string, declare: (app: Scope, redact: (scope: Scope) => void) => unknown, root: string | null, inside: string | null]> = [
    ['none', (app, redact) => redact(app), null, null],
    ['root, after', (app, redact) => { redact(app); app.setNotFoundHandler(own('root')) }, 'root', 'root'],
    ['root, before', (app, redact) => { app.setNotFoundHandler(own('root')); redact(app) }, 'root', 'root'],
    ['in a scope', (app, redact) => app.register(async scope => redact(scope)), null, null],
    ['in a scope, root after', (app, redact) => { app.register(async scope => redact(scope)); app.setNotFoundHandler(own('root')) }, 'root', 'root'],
    ['in a scope, a sibling after', (app, redact) => { app.register(async scope => redact(scope)); app.register(async scope => { scope.setNotFoundHandler(own('sibling')) }) }, 'sibling', 'sibling'],
    ['in a prefix', (app, redact) => app.register(async scope => redact(scope), { prefix: '/in' }), null, null],
    ['in a prefix, root after', (app, redact) => { app.register(async scope => redact(scope), { prefix: '/in' }); app.setNotFoundHandler(own('root')) }, 'root', 'root'],
    ['in a prefix, its own after', (app, redact) => app.register(async scope => { redact(scope); scope.setNotFoundHandler(own('inside')) }, { prefix: '/in' }), null, 'inside'],
    ['in a prefix, its own before', (app, redact) => app.register(async scope => { scope.setNotFoundHandler(own('inside')); redact(scope) }, { prefix: '/in' }), null, 'inside'],
    ['in a scope of a prefix, its own after', (app, redact) => app.register(async outer => { await outer.register(async scope => redact(scope)); outer.setNotFoundHandler(own('inside')) }, { prefix: '/in' }), null, 'inside'],
    ['another prefix before', (app, redact) => { app.register(async scope => { scope.setNotFoundHandler(own('inside')) }, { prefix: '/in' }); app.register(async scope => redact(scope)) }, null, 'inside'],
    ['another prefix after', (app, redact) => { redact(app); app.register(async scope => { scope.setNotFoundHandler(own('inside')) }, { prefix: '/in' }) }, null, 'inside']
  ]
  for (const [name, declare, root, inside] of rows) {
    const app = Fastify()
    t.teardown(() => app.close())
    declare(app, scope => redactLogs(scope))
    for (const [url, answer] of [['/none', root], ['/in/none', inside]] as const) {
      const { statusCode, body } = await app.inject(`${url}?${QUERY}`)
      t.equal(statusCode, 404, name)
      if (answer === null) t.equal(JSON.parse(body).message, `Route GET:${url} not found`, name)
      else t.equal(body, answer, name)
    }
  }
})

t.test('values are copied as JSON has them, without credentials', async t => {
  const circle: Record<string, unknown> = { name: 'circle' }
  circle.self = circle
  const redact = (value: unknown): unknown => redactValue(value, ['ticket'])
  t.same(redact({ date: new Date(0), flag: true, ticket: false, none: null, deep: [{ Ticket: 5 }], undefined }), {
    date: '1970-01-01T00:00:00.000Z', flag: true, ticket: false, none: null, deep: [{ Ticket: '[redacted]' }], undefined
  })
  t.same(redact({ 'Set-Cookie': ['a=b', 'c=d'], cookie: { a: 'b', ticket: 'c' } }), { 'Set-Cookie': '[redacted]', cookie: { a: 'b', ticket: '[redacted]' } })
  t.same(redact([1, 'Cookie', 'a=b', 'Host', 'x']), [1, 'Cookie', '[redacted]', 'Host', 'x'])
  t.equal(redact('no credential: ticket.json, a Bearer token, 1 = 1, me@host.test'), 'no credential: ticket.json, a Bearer token, 1 = 1, me@host.test')
  t.match(JSON.stringify(redact(circle)), /"self":"\[redacted\]"/)
})
