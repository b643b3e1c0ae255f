import websocket from '@fastify/websocket'
import { markRoutePart, websocketOptions } from '@fastify-airlock/core'
import fastifyJwt from '@fastify/jwt'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { wsHandshake, type WsHandshakeOptions } from '../src/index.js'
import { build, refused, secret } from './helpers.js'

async function bare (t: Test, options: WsHandshakeOptions = {}, server: object = websocketOptions()) {
  const lines: Array<{ code: string, msg: string }> = []
  const app = Fastify({ logger: { level: 'warn', stream: { write: (line: string) => { lines.push(JSON.parse(line)) } } } })
  t.teardown(() => app.close())
  await app.register(websocket, server)
  await app.register(fastifyJwt, { secret })
  await app.register(wsHandshake, options)
  return { app, lines }
}

const plain = async (): Promise<string> => 'plain'

t.test('a handshake in the wrong place throws where the route is declared', async t => {
  const { app } = await bare(t)
  const { wsHandshake: make } = app
  const handler = make(() => {})
  const rows: Array<[() => unknown, string, string | RegExp]> = [
    [() => app.get('/ws', handler as never), 'NOT_WEBSOCKET', /\(GET \/ws has app\.wsHandshake\(handler\) as its handler\): register .*\{ websocket: true \}$/],
    [() => app.route({ method: 'GET', url: '/ws', handler: handler as never }), 'NOT_WEBSOCKET', /GET \/ws/],
    [() => app.get('/ws', { websocket: true }, make as never), 'NOT_CALLED', 'Call it with your handler, app.wsHandshake(handler): the handler of GET /ws is app.wsHandshake itself, which was not called'],
    [() => app.route({ method: 'GET', url: '/ws', wsHandler: make as never, handler: plain }), 'NOT_CALLED', /the wsHandler of GET \/ws/],
    [() => app.get('/ws', { websocket: true }, wsHandshake as never), 'NOT_CALLED', /the plugin wsHandshake/],
    [() => app.get('/ws', { websocket: true, preValidation: handler as never }, () => {}), 'MISPLACED', /app\.wsHandshake\(handler\) is the preValidation of GET \/ws/],
    [() => app.route({ method: 'GET', url: '/ws', websocket: true, wsHandler: handler, handler: plain } as never), 'MISPLACED', /the wsHandler of one without/],
    [() => make({ routeOptions: {} } as never), 'NOT_CALLED', /it was called with a request/]
  ]
  const as = (part: object) => markRoutePart(() => {}, { name: 'a part', role: 'hook', authenticates: true, fail: () => new Error('no'), ...part })
  rows.push(
    [() => make(handler as never), 'OPTION', /handler: Expected your own function, not app\.wsHandshake\(handler\)/],
    [() => make(make as never), 'OPTION', /not app\.wsHandshake$/],
    [() => make(as({}) as never), 'OPTION', /not a part$/],
    [() => make(as({ role: 'maker', authenticates: false }) as never), 'OPTION', /not a part$/],
    ...[null, 'x', [], () => {}].map((options): typeof rows[number] => [() => make(() => {}, options as object), 'OPTION', /options: Expected an object/])
  )
  t.doesNotThrow(() => make(as({ role: 'handler', authenticates: false }) as never), 'a proxy')
  for (const [declare, code, message] of rows) t.throws(declare, { code: `WSA_HANDSHAKE_ERR_${code}`, message }, String(message))
  t.doesNotThrow(() => app.get('/ws', { websocket: true }, handler))
  t.doesNotThrow(() => app.route({ method: 'GET', url: '/both', wsHandler: handler as never, handler: plain }))
})

t.test('the decorator may be taken from its instance, and finds what a scope has', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(wsHandshake)
  const { wsHandshake: outer } = app
  t.throws(() => outer(() => {}), { message: /@fastify\/jwt/ })
  await app.register(async scope => {
    await scope.register(fastifyJwt, { secret })
    const { wsHandshake: make } = scope
    t.doesNotThrow(() => make(() => {}))
  })
})

t.test('warnings at the start, and how to silence them', async t => {
  const open = (app: FastifyInstance): void => {
    app.get('/open', { websocket: true }, () => {})
    app.get('/ws', { websocket: true }, app.wsHandshake(() => {}))
  }
  const all = ['WSA_CORE_WARN_UNPROTECTED_ROUTE', 'WSA_CORE_WARN_WEBSOCKET_OPTIONS']
  for (const [name, options, server, expected] of [
    ['both', {}, {}, all],
    ['ignored', { ignoreWarnings: all }, {}, []],
    ['right options', {}, websocketOptions(), all.slice(0, 1)]
  ] as const) {
    const { app, lines } = await bare(t, options as WsHandshakeOptions, server)
    open(app)
    await app.ready()
    t.same(lines.map(({ code }) => code).sort(), expected, name)
  }
})

t.test('a hook that answers neither true nor false is explained once', async t => {
  for (const [hook, answer, reason] of [
    ['isRevoked', undefined, 'token revoked'], ['authorize', undefined, 'not authorized'], ['authorize', 'yes', 'not authorized']
  ] as const) {
    const { connect, sign, lines } = await build(t, { options: { [hook]: () => answer } })
    for (let i = 0; i < 2; i++) {
      const client = connect()
      await client.opened()
      client.json({ type: 'auth', token: sign() })
      await refused(t, client, 4403, reason, false)
    }
    const warnings = lines.map(line => JSON.parse(line)).filter(({ level }) => level === 40)
    t.match(warnings, [{ code: 'WSA_HANDSHAKE_WARN_ANSWER', msg: `${hook} returned ${typeof answer} in place of true or false` }])
    t.equal(warnings.length, 1)
  }
})

t.test('a promise of authorizeMessage is explained', async t => {
  const { connect, sign, lines } = await build(t, { options: { authorizeMessage: (async () => true) as never } })
  const client = connect()
  await client.auth(sign())
  client.socket.send('hello')
  await refused(t, client, 4403, 'not authorized', false)
  t.match(lines.map(line => JSON.parse(line)).filter(({ level }) => level === 40), [{ msg: /^authorizeMessage returned a promise/ }])
})
