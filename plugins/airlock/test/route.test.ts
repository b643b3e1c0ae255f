import t from 'tap'
import type { AirlockOptions, WsRouteOptions } from '../src/index.js'
import { OPTIONS } from '../src/misplaced.js'
import { bare, build, jwt, listen } from './helpers.js'
import airlock, { jwt as jwtAuthenticator } from '../src/index.js'

t.test('a route has both doors, and its connections are in the hub', async t => {
  const { app } = await build(t)
  t.equal(app.wsRoute('/ws', function (socket, request) {
    socket.send(JSON.stringify({ hello: request.wsIdentity.subject, count: this.wsHub.count() }))
  }), app, 'chains')
  const { connect, sign, ticket } = await listen(t, app)
  await t.rejects(connect('/ws'), { message: 'HTTP 401 WSA_GUARD_ERR_NO_CREDENTIAL' })
  const client = await connect('/ws', ['airlock.v1', `ticket.${await ticket('alice')}`])
  client.send({ type: 'auth', token: sign('alice') })
  t.match(await client.next(), { type: 'auth_ok' })
  t.same(await client.next(), { hello: 'alice', count: 1 })
  const other = await connect(`/ws?ticket=${await ticket('alice')}`)
  other.send({ type: 'auth', token: sign('bob') })
  t.equal(await other.closed, '4403 subject mismatch')
})

t.test('a route may have one door', async t => {
  const { app } = await build(t, { jwt, hub: { maxConnectionsPerSubject: 1 } })
  app.wsRoute('/first-frame', { guard: false }, socket => socket.send('"in"'))
  app.wsRoute('/ticket', { handshake: false, hub: { topics: ['news'] } }, socket => socket.send('"in"'))
  app.wsRoute('/outside', { handshake: false, hub: false }, socket => socket.send('"in"'))
  app.wsRoute('/outside/first-frame', { guard: false, hub: false }, socket => socket.send('"in"'))
  app.wsRoute('/jwt', { guard: { authenticate: jwtAuthenticator() }, handshake: false, hub: false }, socket => socket.send('"in"'))
  const { connect, sign, ticket } = await listen(t, app)

  const frame = await connect('/first-frame')
  frame.send({ type: 'auth', token: sign('alice') })
  t.match(await frame.next(), { type: 'auth_ok' })
  t.equal(await frame.next() as unknown, 'in')
  t.equal(app.wsHub.count(), 1)

  t.equal(await (await connect('/ticket', ['airlock.v1', `ticket.${await ticket('bob')}`])).next() as unknown, 'in')
  t.equal(app.wsHub.count('news'), 1)
  const refused = await connect('/ticket', ['airlock.v1', `ticket.${await ticket('bob')}`])
  await t.rejects(refused.next(), { message: /closed: 4429/ }, 'the hub refuses, and the handler is not called')
  await t.rejects(connect('/ticket'), { message: /^HTTP 401/ })

  t.equal(await (await connect(`/outside?ticket=${await ticket('carol')}`)).next() as unknown, 'in')
  const outside = await connect('/outside/first-frame')
  outside.send({ type: 'auth', token: sign('carol') })
  await outside.next()
  t.equal(await outside.next() as unknown, 'in')
  t.equal(await (await connect('/jwt', [], { headers: { authorization: `Bearer ${sign('dave')}` } })).next() as unknown, 'in')
  t.equal(app.wsHub.count(), 2)
})

t.test('connections join topics and patterns, which may depend on the request', async t => {
  const { app } = await build(t)
  const hub: WsRouteOptions<{ Params: { room: string } }>['hub'] = {
    topics: request => [`room/${request.params.room}`, `user/${request.wsIdentity.subject}`],
    patterns: ['news/+']
  }
  app.wsRoute<{ Params: { room: string } }>('/:room', { handshake: false, hub }, socket => socket.send('"in"'))
  app.wsRoute('/none', { handshake: false, hub: {} }, socket => socket.send('"in"'))
  const { connect, ticket } = await listen(t, app)
  await (await connect(`/7?ticket=${await ticket('alice')}`)).next()
  await (await connect(`/none?ticket=${await ticket('bob')}`)).next()
  t.same(app.wsHub.topics().sort(), ['room/7', 'user/alice'])
  t.same(app.wsHub.topics({ wildcard: true }), ['news/+'])
})

t.test('what a route joins is checked', async t => {
  const handler = (): void => {}
  for (const [hub, message] of [
    [{ topics: 'news' }, /^Invalid route \/ws: hub\.topics: Expected a list or a function, not a string$/],
    [{ patterns: 'news/+' }, /hub\.patterns: Expected a list or a function/],
    [{ topics: [7] }, /hub\.topics\.0: Expected a string that is not empty, not 7/],
    [{ topics: [''] }, /hub\.topics\.0: Expected a string that is not empty/],
    [{ topics: null }, /hub\.topics: /],
    [{ topic: ['news'] }, /hub\.topic: unknown option `topic`; did you mean `topics`\? Known options: topics and patterns/],
    [true, /hub: Expected false or an object/],
    [['news'], /hub: Expected an object|hub\.0: unknown option/]
  ] as const) {
    const { app } = await build(t)
    t.throws(() => (app.wsRoute as (...given: unknown[]) => void)('/ws', { hub }, handler), { code: 'WSA_AIRLOCK_ERR_ROUTE', message }, JSON.stringify(hub))
  }
  const { app, log } = await build(t)
  for (const [path, option, returned] of [['/letters', 'topics', 'news'], ['/promise', 'topics', Promise.resolve(['news'])], ['/nothing', 'patterns', undefined]] as const) {
    app.wsRoute(path, { handshake: false, hub: { [option]: () => returned as never } }, handler)
  }
  const { connect, ticket } = await listen(t, app)
  for (const [path, option] of [['/letters', 'topics'], ['/promise', 'topics'], ['/nothing', 'patterns']] as const) {
    await (await connect(`${path}?ticket=${await ticket('alice')}`)).closed
    t.ok(log.some(line => line.includes(`Invalid route ${path}: hub.${option}: the function has to return a list`)), path)
  }
  t.same([...app.wsHub.topics(), ...app.wsHub.topics({ wildcard: true })], [])
})

t.test('options of Fastify and the options of the parts reach the route', async t => {
  const { app } = await build(t)
  const seen: unknown[] = []
  app.wsRoute('/ws', {
    handshake: { describeUser: () => ({ id: 'described' }) },
    guard: { allowedOrigins: ['https://app.test'] },
    config: { mine: 1 } as never,
    constraints: { host: 'app.test' },
    schema: { querystring: { type: 'object', required: ['room'] } },
    preValidation: async request => { seen.push(request.wsIdentity?.subject) }
  }, (socket, request) => { seen.push((request.routeOptions.config as { mine?: number }).mine) })
  const { connect, sign, ticket } = await listen(t, app)
  const headers = { host: 'app.test' }
  await t.rejects(connect(`/ws?ticket=${await ticket('alice')}`), { message: /^HTTP 404/ })
  await t.rejects(connect(`/ws?ticket=${await ticket('alice')}`, [], { headers }), { message: /^HTTP 400/ }, 'the schema')
  await t.rejects(connect(`/ws?room=1&ticket=${await ticket('alice')}`, [], { headers, origin: 'https://evil.test' }), { message: /^HTTP 403/ })
  const client = await connect(`/ws?room=1&ticket=${await ticket('alice')}`, [], { headers, origin: 'https://app.test' })
  client.send({ type: 'auth', token: sign('alice') })
  t.match(await client.next(), { type: 'auth_ok', user: { id: 'described' } })
  t.same(seen, ['alice', 'alice', 1], 'hooks of the route run after the guard')
})

t.test('routes stand in scopes, with the decorators and the prefix of the scope', async t => {
  const { app } = await build(t)
  await app.register(async scope => {
    scope.decorate('mine', 'scope')
    scope.wsRoute('/ws', function (socket) { socket.send(JSON.stringify((this as unknown as { mine: string }).mine)) })
    await scope.register(async inner => {
      inner.wsRoute('/ws', { preValidation: [] }, function (socket) { socket.send(JSON.stringify((this as unknown as { mine: string }).mine)) })
    }, { prefix: '/inner' })
  }, { prefix: '/v1' })
  const { wsRoute } = app
  wsRoute('/ws', { handshake: false }, socket => socket.send('"root"'))
  const { connect, sign, ticket } = await listen(t, app)
  for (const path of ['/v1/ws', '/v1/inner/ws']) {
    const client = await connect(`${path}?ticket=${await ticket('alice')}`)
    client.send({ type: 'auth', token: sign('alice') })
    await client.next()
    t.equal(await client.next() as unknown, 'scope', path)
  }
  t.equal(await (await connect(`/ws?ticket=${await ticket('alice')}`)).next() as unknown, 'root')
})

t.test('the plugin works in a scope with a prefix', async t => {
  const { app } = bare(t)
  await app.register(async scope => {
    await scope.register(airlock, { jwt })
    scope.wsRoute('/ws', { handshake: false }, socket => socket.send('"in"'))
    scope.addHook('onReady', async () => { token = scope.jwt.sign({ sub: 'alice' }, { expiresIn: 60 }) })
  }, { prefix: '/v1' })
  let token = ''
  const { connect } = await listen(t, app)
  const { ticket } = (await app.inject({ method: 'POST', url: '/v1/ws/ticket', headers: { authorization: `Bearer ${token}` } })).json()
  t.equal(await (await connect(`/v1/ws?ticket=${ticket}`)).next() as unknown, 'in')
})

t.test('what is wrong with the options of a route is said with the cure', async t => {
  const { app } = await build(t)
  for (const [options, message] of [
    [{ gaurd: {} }, 'Invalid route /ws: unknown option `gaurd`; did you mean `guard`?'],
    [{ authorize: () => false }, 'Invalid route /ws: authorize is an option of handshake: give handshake: { authorize }'],
    [{ hub: { topic: ['a'] } }, /hub\.topic: unknown option `topic`; did you mean `topics`\?/],
    [{ connectRate: 5 }, 'Invalid route /ws: connectRate is an option of guard for the whole server: give guard: { connectRate } where you register it'],
    [{ stallTimeout: 5 }, 'Invalid route /ws: stallTimeout is an option of guard for the whole server: give guard: { stallTimeout } where you register it'],
    [{ guard: { connectRate: 5 } }, 'Invalid route /ws: connectRate is an option of guard for the whole server: give guard: { connectRate } where you register it'],
    [{ handshake: { pendingTotal: 5 } }, 'Invalid route /ws: pendingTotal is an option of handshake for the whole server: give handshake: { pendingTotal } where you register it'],
    [{ messageRate: false }, 'Invalid route /ws: messageRate is an option of hub for the whole server: give hub: { messageRate } where you register it'],
    [{ hub: { messageRate: false } }, 'Invalid route /ws: messageRate is an option of hub for the whole server: give hub: { messageRate } where you register it'],
    [{ pendingPerAddress: 5 }, 'Invalid route /ws: pendingPerAddress is an option of handshake: give handshake: { pendingPerAddress }'],
    [{ topics: ['a'] }, 'Invalid route /ws: topics is an option of hub: give hub: { topics }'],
    [{ guard: null }, /guard: Expected false, or an object .*, not null/]
  ] as const) t.throws(() => app.wsRoute('/ws', options as never, () => {}), { code: 'WSA_AIRLOCK_ERR_ROUTE', message })
  t.doesNotThrow(() => app.wsRoute('/ws', { helmet: {}, rateLimit: {}, bus: {}, drain: {}, compress: false, cors: {}, hub: {}, guard: {}, handshake: {}, prefixTrailingSlash: 'both' } as never, () => {}))
})

t.test('each option of a part is known where it stands in the wrong place', async t => {
  const { app } = await build(t)
  const known = (call: () => unknown): string[] => {
    try {
      call()
    } catch (error) {
      return (error as Error).message.replace(/.*Known options: /, '').split(/, | and /)
    }
    return []
  }
  const unknown = { 'not an option': 1 } as object
  const names = [...known(() => app.wsGuard(unknown)), ...known(() => app.wsHandshake(() => {}, unknown)), ...known(() => app.wsRoute('/ws', { hub: unknown }, () => {}))]
  t.ok(names.length > 20)
  for (const name of names.filter(name => name !== 'hub' && name !== 'ignoreWarnings')) {
    t.throws(() => app.wsRoute('/ws', { [name]: undefined } as never, () => {}), { message: new RegExp(`${name} is an option of`) }, name)
  }
})

t.test('the options that are for the whole server are those that the parts have at their registration alone', async t => {
  const { app } = await build(t)
  const messageOf = (call: () => unknown): string => {
    try {
      call()
    } catch (error) {
      return (error as Error).message
    }
    return ''
  }
  let count = 0
  for (const name of [...OPTIONS.guard, ...OPTIONS.handshake]) {
    for (const [part, call] of [['guard', () => app.wsGuard({ [name]: undefined } as object)], ['handshake', () => app.wsHandshake(() => {}, { [name]: [] } as object)]] as const) {
      if (!OPTIONS[part].includes(name as never)) continue
      const expected = messageOf(call).includes('give it where you register')
      t.equal(messageOf(() => app.wsRoute('/ws', { [part]: { [name]: [] } } as never, () => {})).includes('where you register it'), expected, `${part}: ${name}`)
      count += Number(expected)
    }
  }
  t.ok(count >= 12)
})

t.test('injectWS', async t => {
  const { app } = await build(t)
  app.wsRoute('/ws', { handshake: false }, socket => socket.send('in'))
  await app.ready()
  const { ticket } = await app.wsTickets.issue('alice')
  const first = new Promise(resolve => {
    app.injectWS(`/ws?ticket=${ticket}`, {}, { onInit: client => client.once('message', data => resolve(String(data))) }).then(client => t.teardown(() => client.terminate()), resolve)
  })
  t.equal(await first, 'in')
  await t.rejects(app.injectWS('/ws'), { message: /401/ })
})

t.test('routes without a door, and options for parts that are not there, are refused', async t => {
  const handler = (): void => {}
  const cases: Array<[AirlockOptions, unknown[], string]> = [
    [{ jwt }, ['/ws', { guard: false, handshake: false }, handler], 'WSA_AIRLOCK_ERR_NO_DOOR'],
    [{ jwt, guard: false, handshake: false }, ['/ws', handler], 'WSA_AIRLOCK_ERR_NO_DOOR'],
    [{ jwt, guard: false }, ['/ws', { handshake: false }, handler], 'WSA_AIRLOCK_ERR_NO_DOOR'],
    [{ jwt, guard: false }, ['/ws', { guard: {} }, handler], 'WSA_AIRLOCK_ERR_MISSING_PART'],
    [{ jwt, handshake: false }, ['/ws', { handshake: {} }, handler], 'WSA_AIRLOCK_ERR_MISSING_PART'],
    [{ jwt, hub: false }, ['/ws', { hub: { topics: ['a'] } }, handler], 'WSA_AIRLOCK_ERR_MISSING_PART'],
    [{ jwt, ticket: false }, ['/ws', handler], 'WSA_GUARD_ERR_OPTION'],
    [{ jwt }, ['/ws'], 'WSA_AIRLOCK_ERR_ROUTE'],
    [{ jwt }, ['/ws', {}], 'WSA_AIRLOCK_ERR_ROUTE'],
    [{ jwt }, ['/ws', 'options', handler], 'WSA_AIRLOCK_ERR_ROUTE'],
    [{ jwt }, ['/ws', null, handler], 'WSA_AIRLOCK_ERR_ROUTE'],
    ...['handler', 'wsHandler', 'websocket', 'method', 'url'].map((name): [AirlockOptions, unknown[], string] =>
      [{ jwt }, ['/ws', { [name]: undefined }, handler], 'WSA_AIRLOCK_ERR_ROUTE']),
    ...[
      { gaurd: {} }, { guards: {} }, { handShake: {} }, { hubs: {} }, { guard: null }, { guard: true }, { guard: [] }, { handshake: null }, { handshake: 'x' },
      { hub: true }, { hub: null }, { hub: { topic: ['a'] } }, { hub: { topics: 'a' } }, { hub: { topics: [''] } }, { hub: { patterns: 5 } },
      { authorize: () => false }, { allowedOrigins: [] }, { topics: ['a'] }
    ].map((options): [AirlockOptions, unknown[], string] => [{ jwt }, ['/ws', options, handler], 'WSA_AIRLOCK_ERR_ROUTE'])
  ]
  for (const [options, given, code] of cases) {
    const { app } = await build(t, options)
    t.throws(() => (app.wsRoute as (...given: unknown[]) => void)(...given), { code }, JSON.stringify(given))
  }
})
