import Fastify, { type FastifyInstance } from 'fastify'
import { EventEmitter } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import type { Server } from 'node:http'
import t, { type Test } from 'tap'
import { limitServer, serverOptions } from '../src/index.js'

type Limits = Pick<Server, 'requestTimeout' | 'headersTimeout' | 'timeout' | 'keepAliveTimeout' | 'maxConnections'>

function limitsOf ({ server }: { server: object }): Partial<Limits> {
  const { requestTimeout, headersTimeout, timeout, keepAliveTimeout, maxConnections } = server as Limits
  return { requestTimeout, headersTimeout, timeout, keepAliveTimeout, maxConnections }
}

function make (t: Test, options: object): FastifyInstance {
  const app = Fastify(options) as unknown as FastifyInstance
  t.teardown(() => app.close())
  return app
}

const GOOD = { requestTimeout: 30_000, headersTimeout: 15_000, timeout: 60_000, keepAliveTimeout: 72_000, maxConnections: undefined }

for (const [name, options, expected] of [
  ['of nothing', serverOptions(), GOOD],
  ['with TLS', serverOptions({ https: {} }), GOOD],
  ['of a short request', serverOptions({ requestTimeout: 5_000 }), { ...GOOD, requestTimeout: 5_000, headersTimeout: 5_000 }],
  ['of a request without limit', serverOptions({ requestTimeout: 0 }), { ...GOOD, requestTimeout: 0 }],
  ['of a head without limit', serverOptions({ headersTimeout: 0 }), { ...GOOD, headersTimeout: 0 }],
  ['of a long request', serverOptions({ requestTimeout: 900_000, headersTimeout: 600_000 }), { ...GOOD, requestTimeout: 900_000, headersTimeout: 600_000 }],
  ['of all', serverOptions({ requestTimeout: 4, headersTimeout: 3, connectionTimeout: 2, keepAliveTimeout: 1 }), { ...GOOD, requestTimeout: 4, headersTimeout: 3, timeout: 2, keepAliveTimeout: 1 }],
  ['with Node\'s own names', serverOptions({ http: { headersTimeout: 7_000 } }), { ...GOOD, headersTimeout: 7_000 }]
] as const) {
  t.test(`serverOptions make a server with limits: ${name}`, async t => {
    t.same(limitsOf(make(t, { logger: false, ...options })), expected)
  })
}

t.test('the time of a TLS handshake is an option of its own', t => {
  const { https } = serverOptions({ https: { cert: 'c' } })
  t.match(https, { cert: 'c', handshakeTimeout: 10_000, connectionsCheckingInterval: 5_000, headersTimeout: 15_000 })
  t.equal(serverOptions({ handshakeTimeout: 5, https: {} }).https.handshakeTimeout, 5)
  t.equal(serverOptions({ handshakeTimeout: 5, https: { handshakeTimeout: 6 } }).https.handshakeTimeout, 6)
  t.equal('https' in serverOptions({ handshakeTimeout: 5 }), false)
  t.end()
})

const LIMITED = { ...GOOD, maxConnections: 50_000 }

for (const [name, options, given, expected] of [
  ['that has none', {}, undefined, LIMITED],
  ['that has all', serverOptions({ requestTimeout: 9_000, headersTimeout: 8_000, connectionTimeout: 7_000, keepAliveTimeout: 6_000 }), {}, { requestTimeout: 9_000, headersTimeout: 8_000, timeout: 7_000, keepAliveTimeout: 6_000, maxConnections: 50_000 }],
  ['with a short time for requests', { requestTimeout: 5_000 }, {}, { ...LIMITED, requestTimeout: 5_000, headersTimeout: 5_000 }],
  ['whose application wants a minute for a head', { http: { headersTimeout: 60_000 } }, {}, { ...LIMITED, headersTimeout: 60_000 }],
  ['the same with TLS', { https: { headersTimeout: 60_000 } }, {}, { ...LIMITED, headersTimeout: 60_000 }],
  ['that is told all', serverOptions(), { requestTimeout: 5, headersTimeout: 4, connectionTimeout: 3, keepAliveTimeout: 2, maxConnections: 1 }, { requestTimeout: 5, headersTimeout: 4, timeout: 3, keepAliveTimeout: 2, maxConnections: 1 }],
  ['that is told none', {}, { requestTimeout: 0, headersTimeout: 0, connectionTimeout: 0, keepAliveTimeout: 0, maxConnections: 7 }, { requestTimeout: 0, headersTimeout: 0, timeout: 0, keepAliveTimeout: 0, maxConnections: 7 }],
  ['of HTTP/2', { http2: true }, {}, { requestTimeout: undefined, headersTimeout: undefined, timeout: 60_000, keepAliveTimeout: undefined, maxConnections: 50_000 }],
  ['of HTTP/2 and HTTP/1.1', { http2: true, https: { allowHTTP1: true } }, {}, { requestTimeout: 300_000, headersTimeout: 15_000, timeout: 60_000, keepAliveTimeout: undefined, maxConnections: 50_000 }],
  ['that the application makes', { serverFactory: (handler: http.RequestListener) => http.createServer({ requestTimeout: 0 }, handler) }, {}, { ...LIMITED, keepAliveTimeout: 5_000 }]
] as const) {
  t.test(`limitServer changes a server: ${name}`, async t => {
    const app = make(t, options)
    // Of a server of HTTP/2 and HTTP/1.1 only some versions of Node have one.
    const { keepAliveTimeout } = limitsOf(app)
    limitServer(app, given)
    t.same(limitsOf(app), { ...expected, keepAliveTimeout: expected.keepAliveTimeout ?? keepAliveTimeout })
  })
}

t.test('limits of the server that the application has set stay, and a server of another runtime may have none', t => {
  const app = make(t, {})
  app.server.maxConnections = 12
  app.server.timeout = 34
  app.server.headersTimeout = 56
  limitServer(app)
  t.match(limitsOf(app), { maxConnections: 12, timeout: 34, headersTimeout: 56 })
  const other = { server: Object.assign(new EventEmitter(), { timeout: 0 }) as Partial<Limits>, addHook () {} }
  limitServer(other as never)
  t.same(limitsOf(other), { requestTimeout: undefined, headersTimeout: undefined, timeout: 0, keepAliveTimeout: undefined, maxConnections: 50_000 })
  t.end()
})

t.test('Fastify knows what server it makes of them', async t => {
  const plain = Fastify({ logger: false, ...serverOptions() })
  const secure = Fastify({ logger: false, ...serverOptions({ https: {} }) })
  t.teardown(async () => await Promise.all([plain.close(), secure.close()]))
  const servers: [Server, https.Server] = [plain.server, secure.server]
  t.same(servers.map(server => server instanceof https.Server), [false, true])
})

t.test('what is wrong or unknown is refused, and nothing is set', t => {
  const app = Fastify()
  const code = 'WSA_CORE_ERR_OPTION'
  for (const [given, message] of [
    [{ requestTimout: 5 }, /unknown option `requestTimout`; did you mean `requestTimeout`/],
    [{ requestTimeout: '5s' }, /requestTimeout: Expected a whole number/],
    [{ headersTimeout: -1 }, /headersTimeout/],
    [{ connectionTimeout: Infinity }, /connectionTimeout/],
    [{ keepAliveTimeout: 2 ** 31 }, /keepAliveTimeout/],
    [null, /Expected an object/],
    [5, /Expected an object/]
  ] as const) {
    t.throws(() => serverOptions(given as never), { code, message }, JSON.stringify(given))
    t.throws(() => limitServer(app, given as never), { code, message }, JSON.stringify(given))
  }
  for (const given of [{ http: 5 }, { https: 'on' }, { handshakeTimeout: 0 }, { connectionsCheckingInterval: 0.5 }, { maxConnections: 5 }, { shutdownTimeout: 5 }]) {
    t.throws(() => serverOptions(given as never), { code }, JSON.stringify(given))
  }
  for (const given of [{ maxConnections: 'a' }, { maxConnections: 0 }, { maxConnection: 3 }, { http: {} }, { shutdownTimeout: -1 }, { shutdownTimeout: Infinity }]) {
    t.throws(() => limitServer(app, given as never), { code }, JSON.stringify(given))
  }
  t.equal(app.server.requestTimeout, 0)
  t.equal(app.server.maxConnections ?? null, null)
  t.end()
})
