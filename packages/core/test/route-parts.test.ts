import websocket from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import {
  checkWebsocketOptions, describeRouteParts, expectRoutePart, foundRoutePart, goesToHub, markRoutePart, NO_LIMITS, type RoutePart, SetUp, UNPROTECTED, watchRoutes, websocketOptions
} from '../src/index.js'

/** A server that watches its routes, and the codes and messages of its warnings. */
async function build (t: Test, options: object = websocketOptions()) {
  const warnings: Array<{ code: string, msg: string }> = []
  const app = Fastify({ logger: { level: 'warn', stream: { write: (line: string) => { warnings.push(JSON.parse(line)) } } } })
  t.teardown(() => app.close())
  await app.register(websocket, options)
  watchRoutes(app)
  watchRoutes(app)
  return { app, warnings, codes: () => warnings.map(({ code }) => code) }
}

function part (role: RoutePart['role'], more: Partial<RoutePart> = {}) {
  const call = (_request: unknown, _reply: unknown, done?: () => void): void => done?.()
  return markRoutePart(call, {
    name: role, role, authenticates: role !== 'maker', fail: (mistake, detail) => Object.assign(new Error(detail), { code: mistake }), ...more
  })
}

const ws = (): void => {}
const http = async (): Promise<string> => 'plain'

/** A route, and the mistake that it is; none where it is right. */
type Row = [name: string, route: object, mistake?: RoutePart extends { fail (mistake: infer M, detail: string): Error } ? M : never]

const rows: Row[] = [
  ['a hook of a WebSocket route', { websocket: true, preValidation: part('hook'), handler: ws }],
  ['a hook in a list', { websocket: true, preValidation: [http, part('hook')], handler: ws }],
  ['a hook of a route with a wsHandler', { preValidation: part('hook'), wsHandler: ws, handler: http }],
  ['an onRequest hook', { websocket: true, onRequest: part('hook'), handler: ws }],
  ['a preHandler hook', { websocket: true, preHandler: [part('hook')], handler: ws }],
  ...['preParsing', 'preSerialization', 'onSend', 'onResponse', 'onTimeout', 'onError', 'onRequestAbort', 'errorHandler', 'handler', 'wsHandler'].map((name): Row =>
    [`a hook as ${name}`, { websocket: true, handler: ws, [name]: part('hook') }, 'MISPLACED']),
  ...['onRequest', 'preValidation', 'preHandler'].flatMap((name): Row[] => [
    [`a hook as ${name} of an HTTP route`, { [name]: part('hook'), handler: http }, 'NOT_WEBSOCKET'],
    [`a hook as ${name} of websocket: false`, { websocket: false, [name]: [http, part('hook')], handler: http }, 'NOT_WEBSOCKET'],
    [`a handler as ${name}`, { websocket: true, handler: ws, [name]: part('handler') }, 'MISPLACED']
  ]),
  ['a handler of a WebSocket route', { websocket: true, handler: part('handler') }],
  ['a wsHandler', { wsHandler: part('handler'), handler: http }],
  ['a handler of an HTTP route', { handler: part('handler') }, 'NOT_WEBSOCKET'],
  ['a handler beside a wsHandler', { wsHandler: ws, handler: part('handler') }, 'NOT_WEBSOCKET'],
  ['a wsHandler beside websocket: true', { websocket: true, wsHandler: part('handler'), handler: ws }, 'MISPLACED'],
  ...['onRequest', 'preParsing', 'preValidation', 'preHandler', 'handler', 'wsHandler', 'onSend', 'errorHandler'].flatMap((name): Row[] => [
    [`a maker as ${name}`, { websocket: true, handler: ws, [name]: part('maker') }, 'NOT_CALLED'],
    [`a maker as ${name} of an HTTP route`, { handler: http, [name]: part('maker') }, 'NOT_CALLED']
  ]),
  ['a check anywhere', { onRequest: part('check'), preParsing: part('check'), handler: http }],
  ['what may stand in an HTTP route', { preValidation: part('hook', { plain: true }), handler: part('handler', { plain: true }) }]
]

/** Each way to declare a route. */
const ways: Record<string, (app: FastifyInstance, route: object) => unknown> = {
  route: (app, route) => app.route({ method: 'GET', url: '/ws', ...route } as never),
  'route with methods': (app, route) => app.route({ method: ['GET', 'HEAD'], url: '/ws', exposeHeadRoute: false, ...route } as never),
  get: (app, { handler, ...options }: { handler?: unknown }) => app.get('/ws', options, handler as never),
  'get with options alone': (app, route) => app.get('/ws', route as never, undefined as never),
  'a scope': (app, route) => app.register(async scope => { scope.get('/ws', route as never, undefined as never) }, { prefix: '/in' })
}

t.test('each part in each place, however the route is declared', async t => {
  for (const [way, declare] of Object.entries(ways)) {
    for (const [name, route, mistake] of rows) {
      const { app } = await build(t)
      const declared = async (): Promise<void> => {
        await declare(app, route)
        await app.ready()
      }
      if (mistake === undefined) await t.resolves(declared(), `${way}: ${name}`)
      else await t.rejects(declared(), { code: mistake, message: way === 'a scope' ? / \/in\/ws\b/ : / \/ws\b/ }, `${way}: ${name}`)
    }
  }
})

t.test('a mistake throws where the route is declared, also without options and with other methods', async t => {
  const { app } = await build(t)
  t.throws(() => app.get('/ws', part('handler') as never), { code: 'NOT_WEBSOCKET', message: /GET \/ws has handler as its handler/ })
  t.throws(() => app.post('/ws', { preValidation: part('hook') }, http), { code: 'NOT_WEBSOCKET' })
  t.throws(() => app.all('/ws', { preValidation: part('maker') }, http), { code: 'NOT_CALLED', message: /which was not called/ })
  app.addHttpMethod('PROPFIND')
  t.throws(() => (app as unknown as { propfind: typeof app.get }).propfind('/ws', { preValidation: part('hook') }, http), { code: 'NOT_WEBSOCKET' })
  t.throws(() => app.route(undefined as never))
  t.doesNotThrow(() => app.get('/ws', http), 'what was declared before has no part in it')
})

t.test('another plugin may wrap hooks before they are seen', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  app.addHook('onRoute', route => {
    const { preValidation } = route
    route.preValidation = (request, reply, done) => (preValidation as (...given: unknown[]) => void)(request, reply, done)
    if (route.url === '/outer' && route.method === 'GET') app.get('/inner', http)
  })
  watchRoutes(app)
  t.throws(() => app.get('/ws', { preValidation: part('hook') }, http), { code: 'NOT_WEBSOCKET' })
  t.doesNotThrow(() => app.get('/outer', { websocket: true, preValidation: part('hook') }, ws), 'a route that is declared meanwhile counts for itself')
})

t.test('hooks of a scope may meet HTTP routes, but have to be hooks that run before the upgrade', async t => {
  const { app } = await build(t)
  t.doesNotThrow(() => app.addHook('preValidation', part('hook') as never))
  t.doesNotThrow(() => app.addHook('onRequest', part('check') as never))
  t.throws(() => app.addHook('preValidation', part('maker') as never), { code: 'NOT_CALLED', message: /the preValidation of a scope/ })
  t.throws(() => app.addHook('preParsing', part('hook') as never), { code: 'MISPLACED' })
  t.throws(() => app.addHook('preValidation', part('handler') as never), { code: 'MISPLACED' })
  app.get('/plain', http)
  t.equal((await app.inject('/plain')).body, 'plain')
})

t.test('a hook that a scope has may not stand in its routes and scopes as well, where the plugin says so', async t => {
  const twice = (detail: string): Error => Object.assign(new Error(detail), { code: 'TWICE' })
  const once = (more: Partial<RoutePart> = {}) => part('hook', { twice, ...more })
  const { app } = await build(t)
  app.get('/two', { websocket: true, preValidation: [once(), once()] }, ws)
  await app.register(async scope => {
    scope.addHook('onRequest', once() as never)
    scope.addHook('preValidation', part('hook') as never)
    t.throws(() => scope.get('/ws', { websocket: true, preValidation: once() }, ws), { code: 'TWICE', message: 'GET /ws has hook, and so has a scope that it is in' })
    t.throws(() => scope.addHook('preHandler', once() as never), { code: 'TWICE', message: 'a scope has hook as its preHandler, and so has one that it is in, or the scope itself' })
    t.doesNotThrow(() => scope.get('/other', { websocket: true, preValidation: part('hook') }, ws))
    t.doesNotThrow(() => scope.post('/plain', { preValidation: once({ plain: true }) }, http), 'no WebSocket route')
  })
  await app.ready()
  const { app: later } = await build(t)
  await later.register(async scope => {
    scope.get('/ws', { websocket: true, preValidation: once() }, ws)
    scope.addHook('onRequest', once() as never)
  })
  await t.rejects(async () => { await later.ready() }, { code: 'TWICE' })
})

t.test('WebSocket routes that everybody may use are named in one warning', async t => {
  const { app, warnings, codes } = await build(t)
  app.get('/open', { websocket: true }, ws)
  app.route({ method: 'GET', url: '/both', wsHandler: ws, handler: http })
  app.register(async scope => { scope.get('/', { websocket: true, onRequest: http }, ws) }, { prefix: '/in' })
  app.get('/guarded', { websocket: true, preValidation: part('hook') }, ws)
  app.get('/shaken', { websocket: true }, part('handler'))
  app.get('/checked', { websocket: true, preHandler: part('check') }, ws)
  app.get('/public', { websocket: true, config: { wsPublic: true } }, ws)
  app.get('/plain', http)
  app.register(async scope => {
    scope.get('/scoped', { websocket: true }, ws)
    scope.addHook('preValidation', part('hook') as never)
    scope.register(async inner => { inner.get('/deep', { websocket: true }, ws) })
  })
  await app.ready()
  t.same(codes(), [UNPROTECTED])
  t.match(warnings[0]?.msg, 'routes: GET /open, GET /both, GET /in. Give them app.wsGuard()')
})

t.test('no warning where each route is protected, said to be public, or where that cannot be seen', async t => {
  for (const [name, declare] of Object.entries<(app: FastifyInstance) => void>({
    'no route': () => {},
    guarded: app => { app.get('/ws', { websocket: true, preValidation: part('hook') }, ws) },
    public: app => { app.get('/ws', { websocket: true, config: { wsPublic: true } }, ws) },
    'a hook calls a part': app => {
      const guard = part('hook')
      expectRoutePart(app, guard)
      app.get('/ws', { websocket: true, preValidation: async () => { guard(null, null) } }, ws)
    },
    ignored: app => {
      SetUp.of(app).ignore([UNPROTECTED])
      app.get('/ws', { websocket: true }, ws)
    }
  })) {
    const { app, codes } = await build(t)
    declare(app)
    await app.ready()
    t.same(codes(), [], name)
  }
  const { app, codes } = await build(t)
  const [hook, scoped, placed] = [part('hook'), part('hook'), part('hook')]
  for (const each of [hook, scoped, placed]) expectRoutePart(app, each)
  foundRoutePart(app, placed)
  app.get('/ws', { websocket: true, preValidation: hook }, ws)
  app.get('/open', { websocket: true }, ws)
  app.register(async scope => { scope.addHook('preValidation', scoped as never) })
  await app.ready()
  t.same(codes(), [UNPROTECTED], 'a part that was found in a route or in a scope protects no other route')
})

t.test('parts that are made while the server runs are not kept', async t => {
  const { app } = await build(t)
  const kept: Array<WeakRef<object>> = []
  app.get('/', async () => {
    const guard = part('hook')
    kept.push(new WeakRef(guard))
    expectRoutePart(app, guard)
    return ''
  })
  await app.inject('/')
  const watch = Object.getOwnPropertySymbols(app.server).find(symbol => symbol === Symbol.for('airlock.routeWatch')) as symbol
  t.equal((app.server as unknown as Record<symbol, { loose: Set<object> }>)[watch]?.loose.size, 0)
  t.equal(kept.length, 1)
})

t.test('a part that nobody watches is nothing', async t => {
  t.doesNotThrow(() => foundRoutePart(Fastify(), part('hook')))
  const app = Fastify()
  t.teardown(() => app.close())
  t.doesNotThrow(() => expectRoutePart(app, part('hook')))
})

t.test('one server has one watch, whichever scopes have the plugins', async t => {
  const { app, codes } = await build(t)
  const bare = Fastify()
  t.teardown(() => bare.close())
  bare.register(async scope => { watchRoutes(scope) })
  bare.register(async scope => { watchRoutes(scope) })
  await bare.ready()
  app.register(async scope => {
    watchRoutes(scope)
    scope.get('/ws', { websocket: true }, ws)
  })
  await app.ready()
  t.same(codes(), [UNPROTECTED])
})

t.test('the options of @fastify/websocket', async t => {
  const defaults = websocketOptions()
  for (const [name, options, expected] of [
    ['as they are', defaults, []],
    ['changed', websocketOptions({ maxPayload: 1 }), []],
    ['with members of ones own', { ...defaults, options: { ...defaults.options, clientTracking: true } }, []],
    ['none', {}, [NO_LIMITS]],
    ['others', { options: { perMessageDeflate: true } }, [NO_LIMITS]]
  ] as const) {
    const { app, codes } = await build(t, options)
    checkWebsocketOptions(app, app.websocketServer)
    checkWebsocketOptions(app, app.websocketServer)
    await app.ready()
    t.same(codes(), expected, name)
  }
})

t.test('a decorator, what it makes and its plugin are described at once', async t => {
  class Mistake extends Error {}
  const errors = { NOT_CALLED: class extends Mistake {}, NOT_WEBSOCKET: class extends Mistake {}, MISPLACED: class extends Mistake {} }
  const { made, maker, plugin } = describeRouteParts('wsDoor', 'app.wsDoor()', { role: 'hook', authenticates: true, plain: true }, errors)
  t.match(made, { name: 'app.wsDoor()', role: 'hook', authenticates: true, plain: true })
  t.match(maker, { name: 'app.wsDoor', role: 'maker', authenticates: false })
  t.match(plugin, { name: 'the plugin wsDoor', role: 'maker', authenticates: false })
  for (const part of [made, maker, plugin]) {
    for (const mistake of ['NOT_CALLED', 'NOT_WEBSOCKET', 'MISPLACED'] as const) {
      const error = part.fail(mistake, 'GET /ws')
      t.ok(error instanceof errors[mistake])
      t.equal(error.message, 'GET /ws')
    }
  }
})

t.test('a handler is told of its route, may change it, and may say that nothing of it goes into the hub', async t => {
  const { app } = await build(t)
  const placed: string[] = []
  const handler = (hub: boolean) => part('handler', { hub, placed: route => { placed.push(`${String(route.method)} ${route.url}`) } })
  app.get('/in', { websocket: true }, handler(true))
  app.get('/out', { websocket: true }, handler(false))
  app.route({ method: 'GET', url: '/beside', wsHandler: handler(false), handler: http })
  app.get('/said', { websocket: true }, part('handler'))
  await app.ready()
  t.same(placed, ['GET /in', 'GET /out', 'GET /beside'])
})

t.test('the configuration of a route says whether its connections go into the hub', async t => {
  const { app } = await build(t)
  app.addHook('onRequest', async (request, reply) => await reply.send({ own: (request.routeOptions.config as { own?: number }).own ?? 0, goes: goesToHub(request.routeOptions.config) }))
  app.get('/in', { websocket: true, config: { own: 1 } as object }, part('handler'))
  app.get('/out', { websocket: true, config: { own: 1 } as object }, part('handler', { hub: false }))
  app.get('/bare', { websocket: true }, part('handler', { hub: false }))
  app.get('/plain', http)
  const answers = []
  for (const url of ['/in', '/out', '/bare', '/plain']) answers.push((await app.inject(url)).json())
  t.same(answers, [{ own: 1, goes: true }, { own: 1, goes: false }, { own: 0, goes: false }, { own: 0, goes: true }])
})
