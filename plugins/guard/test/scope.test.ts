import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import Fastify, { type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import t from 'tap'
import { guardScope, identityOf } from '../src/index.js'
import { attempt, build, listen, TICKET, ticketsOf } from './helpers.js'

/** What libraries do: plain routes and WebSockets, sometimes under one path, and knowing nothing of any guard. */
async function library (scope: FastifyInstance): Promise<void> {
  const answer = (socket: { send (text: string): void }, { raw }: { raw: object }) => { socket.send(JSON.stringify(identityOf(raw))) }
  scope.get('/plain', async () => 'plain')
  scope.get('/ws', { websocket: true }, answer)
  scope.route({ method: 'GET', url: '/both', handler: async () => 'both', wsHandler: answer })
}

for (const [kind, plugin] of Object.entries({ 'a plugin of its own scope': library, 'a plugin that decorates its parent': fp(library, '5.x') })) {
  t.test(`guardScope guards what ${kind} declares`, async t => {
    const app = await build(t)
    await app.register(async scope => {
      guardScope(scope, { protocols: ['of.others'] })
      await scope.register(plugin, { prefix: '' })
    }, { prefix: '/lib' })
    app.get('/public', { websocket: true, config: { wsPublic: true } }, (socket, { raw }) => { socket.send(JSON.stringify(identityOf(raw))) })
    const port = await listen(app)
    for (const path of ['/plain', '/both']) {
      const response = await fetch(`http://127.0.0.1:${port}/lib${path}`)
      t.equal(await response.text(), path.slice(1), 'what is no upgrade passes')
    }
    for (const path of ['/lib/ws', '/lib/both']) {
      t.match(await attempt(port, path, ['of.others']), { status: 401, code: 'WSA_GUARD_ERR_NO_CREDENTIAL' })
      t.match(await attempt(port, path, ['airlock.v1', `ticket.${TICKET}`]), { status: 400, code: 'WSA_GUARD_ERR_SUBPROTOCOL' })
      t.match(await attempt(port, path, [`ticket.${TICKET}`, 'of.others']), { status: 101, protocol: 'of.others', identity: { subject: 'u1' } })
      ticketsOf(app).live.add(TICKET)
    }
    // Refused for nothing but its route, which is not a WebSocket's.
    t.match(await attempt(port, '/public'), { status: 101, identity: null })
  })
}

t.test('a scope that is guarded counts as such at the start', async t => {
  const warnings = async (set: (scope: FastifyInstance) => void): Promise<string[]> => {
    const lines: string[] = []
    const app = await build(t, { server: { logger: { level: 'warn', stream: { write: (line: string) => { lines.push(JSON.parse(line).code) } } } } })
    await app.register(async scope => {
      set(scope)
      await scope.register(library)
    })
    await app.ready()
    return lines.filter(code => code === 'WSA_CORE_WARN_UNPROTECTED_ROUTE')
  }
  t.same(await warnings(scope => guardScope(scope)), [])
  t.same(await warnings(() => {}), ['WSA_CORE_WARN_UNPROTECTED_ROUTE'])
  t.same(await warnings(scope => {
    scope.register(async other => { guardScope(other) })
  }), ['WSA_CORE_WARN_UNPROTECTED_ROUTE'], 'of another scope')
})

t.test('guardScope needs a guard, and checks its options', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  t.throws(() => guardScope(app), { code: 'WSA_GUARD_ERR_OPTION', message: /register the guard/ })
  const guarded = await build(t)
  t.throws(() => guardScope(guarded, { protocol: 'x' } as never), { code: 'WSA_GUARD_ERR_OPTION' })
})

/** Ways to have two guards on one route, and where each throws: at once, or when the server is ready. */
const twice: Record<string, (app: FastifyInstance) => unknown> = {
  'a route in a guarded scope': app => app.register(async scope => {
    guardScope(scope)
    scope.get('/ws', { websocket: true, preValidation: scope.wsGuard() }, () => {})
  }),
  ...Object.fromEntries((['onRequest', 'preHandler'] as const).map(hook => [`a route in a guarded scope, ${hook}`, (app: FastifyInstance) => app.register(async scope => {
    guardScope(scope)
    scope.get('/ws', { websocket: true, [hook]: [async () => {}, scope.wsGuard()] }, () => {})
  })])),
  'a wsHandler in a guarded scope': app => app.register(async scope => {
    guardScope(scope)
    scope.route({ method: 'GET', url: '/ws', preValidation: scope.wsGuard(), handler: async () => 'x', wsHandler: () => {} })
  }),
  'a route in a scope in a guarded scope': app => app.register(async scope => {
    guardScope(scope)
    await scope.register(async inner => { inner.get('/ws', { websocket: true, preValidation: inner.wsGuard() }, () => {}) })
  }),
  'a plugin of a guarded scope': app => app.register(async scope => {
    guardScope(scope)
    await scope.register(fp(async inner => { inner.get('/ws', { websocket: true, preValidation: inner.wsGuard() }, () => {}) }, '5.x'))
  }),
  'a guarded scope in another': app => app.register(async scope => {
    guardScope(scope)
    await scope.register(async inner => { guardScope(inner) })
  }),
  'two scopes between': app => app.register(async scope => {
    guardScope(scope)
    await scope.register(async middle => { await middle.register(async inner => { guardScope(inner) }) })
  }),
  'the same scope twice': app => app.register(async scope => {
    guardScope(scope)
    guardScope(scope)
  }),
  'the root': app => {
    guardScope(app)
    app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, () => {})
  },
  'a guard as the hook of a scope': app => app.register(async scope => {
    scope.addHook('preValidation', scope.wsGuard())
    scope.get('/ws', { websocket: true, preValidation: scope.wsGuard() }, () => {})
  }),
  'two hooks of a scope': app => app.register(async scope => {
    scope.addHook('onRequest', scope.wsGuard())
    scope.addHook('preValidation', scope.wsGuard())
  }),
  'a scope that is guarded after its route': app => app.register(async scope => {
    scope.get('/ws', { websocket: true, preValidation: scope.wsGuard() }, () => {})
    guardScope(scope)
  }),
  'a scope that is guarded after the scope of a route': app => app.register(async scope => {
    await scope.register(async inner => { inner.get('/ws', { websocket: true, preValidation: inner.wsGuard() }, () => {}) })
    guardScope(scope)
  })
}

for (const [name, declare] of Object.entries(twice)) {
  t.test(`two guards would spend a ticket twice: ${name}`, async t => {
    const app = await build(t)
    await t.rejects(async () => {
      await declare(app)
      await app.ready()
    }, { code: 'WSA_GUARD_ERR_TWICE', message: /^Have one guard for each route, since it spends the ticket: / })
  })
}

t.test('scopes beside each other, and routes beside a guarded scope, have a guard each', async t => {
  const app = await build(t)
  const answer = (socket: { send (text: string): void }, { raw }: { raw: object }) => { socket.send(JSON.stringify(identityOf(raw))) }
  for (const prefix of ['/a', '/b']) {
    await app.register(async scope => {
      await scope.register(async inner => {
        guardScope(inner)
        inner.get('/in', { websocket: true }, answer)
      })
      scope.get('/beside', { websocket: true, preValidation: scope.wsGuard() }, answer)
    }, { prefix })
  }
  const port = await listen(app)
  for (const path of ['/a/in', '/a/beside', '/b/in', '/b/beside']) {
    ticketsOf(app).live.add(TICKET)
    const before = ticketsOf(app).asked.length
    t.match(await attempt(port, path, ['airlock.v1', `ticket.${TICKET}`]), { status: 101, identity: { subject: 'u1' } }, path)
    t.equal(ticketsOf(app).asked.length, before + 1, `${path}: asked once`)
  }
})
