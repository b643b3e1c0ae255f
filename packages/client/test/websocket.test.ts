import t from 'tap'
import { closeMaps, createWebSocketClass } from '../src/websocket.js'
import { clock, fakes, jwt } from './helpers.js'
import { build, next, watch } from './websocket.js'

t.test('takes a ticket for each attempt, and offers what the library does', async t => {
  const { create, sockets, tickets } = build(t)
  for (const [protocols, expected] of [
    [undefined, 'airlock.v1'], [[], 'airlock.v1'], [['graphql-transport-ws'], 'graphql-transport-ws'], [['mqtt', 'mqttv3.1'], 'mqtt']
  ] as const) {
    const count = tickets()
    const socket = create(protocols as unknown as string[])
    const under = await sockets.next()
    t.same(under.protocols, [...protocols?.length ? protocols : ['airlock.v1'], `ticket.ticket-${count}`])
    t.equal(under.url, 'ws://server.test/ws')
    under.accept(expected).say({ type: 'auth_ok', user: { id: 'alice' }, expiresAt: 1 })
    t.equal(socket.protocol, protocols?.length ? expected : '', 'no subprotocol that the library did not offer')
    t.equal(socket.extensions, '')
  }
})

t.test('offers the subprotocols of the options where the library offers none', async t => {
  const { create, sockets } = build(t, { protocols: ['mine'] })
  create()
  t.match((await sockets.next()).protocols, ['mine', /^ticket/])
})

t.test('is open from auth_ok on, and swallows what is not for the library', async t => {
  const { create, sockets, asked } = build(t)
  const socket = create(['mqtt'])
  const seen = watch(socket)
  const under = (await sockets.next()).accept('mqtt')
  t.equal(socket.readyState, 0)
  t.equal(socket.protocol, '')
  t.match(JSON.parse(String(under.sent[0])), { type: 'auth', token: jwt('1') })
  t.throws(() => { socket.send('early') }, { name: 'InvalidStateError' })
  under.say({ type: 'auth_ok', user: { id: 'alice' }, expiresAt: 1, alive: 25_000 })
  t.equal(socket.readyState, 1)
  t.equal(socket.protocol, 'mqtt')
  const refreshed = new Promise<unknown>(resolve => { under.send = resolve })
  under.say({ type: 'alive' }).say({ type: 'expiring', expiresAt: 1 })
  t.same(JSON.parse(String(await refreshed)), { type: 'refresh', token: jwt('2') })
  under.say({ type: 'refresh_ok', expiresAt: 2 }).say({ type: 'for the library' })
  t.same(seen, [['open'], ['message', '{"type":"for the library"}']])
  t.same(asked.map(({ reason }) => reason), ['connect', 'refresh'])
})

t.test('code 0, which Deno has for a connection that was lost, is 1006', async t => {
  const { create, open, sockets, errors } = build(t)
  const refused = watch(create())
  ;(await sockets.next()).end(0)
  const lost = await open()
  lost.under.end(0)
  const left = await open()
  left.socket.close(4001)
  left.under.onclose?.({ code: 0, reason: '', wasClean: false })
  for (const [name, seen] of Object.entries({ refused, lost: lost.seen, left: left.seen })) {
    t.same(seen.at(-1), ['close', 1006, '', false], name)
    t.equal(seen.some(([type]) => type === 'error'), name === 'refused', `${name}: only one that was never open has failed`)
  }
  t.same(errors.map(error => error.replace(/ ws.*/, '')), ['WSA_CLIENT_ERR_UNREACHABLE false', 'WSA_CLIENT_ERR_UNREACHABLE false'])
})

t.test('tells the application of a refresh that failed', async t => {
  let token: string | null = jwt('1')
  const { open, errors } = build(t, { getToken: () => token })
  const { under, socket } = await open()
  token = null
  under.say({ type: 'expiring', expiresAt: 1 })
  while (!errors.length) await new Promise(resolve => { setImmediate(resolve) })
  t.same(errors, ['WSA_CLIENT_ERR_UNAUTHENTICATED false ws://server.test/ws'])
  t.equal(socket.readyState, 1)
})

t.test('a library that closes at once takes no ticket', async t => {
  const { create, tickets, sockets } = build(t)
  const socket = create()
  const seen = watch(socket)
  socket.close()
  await next(socket, 'close')
  t.same(seen, [['error', 'WSA_CLIENT_ERR_CLOSED'], ['close', 1006, '', false]])
  t.equal(tickets(), 0)
  t.equal(sockets.all.length, 0)
  const given = create(['mqtt'])
  given.close()
  t.same([given.protocol, given.bufferedAmount], ['', 0])
  const while_ = create()
  const under = await sockets.next()
  while_.close()
  await next(while_, 'close')
  t.same(under.closing, [undefined, undefined], 'and one that closes during the upgrade closes the socket')
})

t.test('works through one door', async t => {
  const { create, sockets } = build(t, { getToken: undefined, getTicket: undefined })
  const socket = create()
  const seen = watch(socket)
  const under = (await sockets.next()).accept()
  t.equal(socket.readyState, 1)
  under.say({ type: 'auth_ok' })
  t.same(seen, [['open'], ['message', '{"type":"auth_ok"}']])
})

t.test('binary messages arrive as the library wants them', async t => {
  const { open } = build(t)
  const { socket, under } = await open()
  const seen: unknown[] = []
  socket.onmessage = ({ data }) => { seen.push(data) }
  under.onmessage?.({ data: new Uint8Array([1]).buffer })
  socket.binaryType = 'arraybuffer'
  under.onmessage?.({ data: new Uint8Array([2]).buffer })
  under.onmessage?.({ data: 'text' })
  t.type(seen[0], Blob)
  t.same(seen.slice(1), [new Uint8Array([2]).buffer, 'text'])
})

t.test('a failed attempt fails with error and close, and the next one waits', async t => {
  let status = 503
  const time = clock(t)
  const { Class, create, sockets, errors } = build(t, {
    getTicket: () => status === 200 ? 'ticket' : new Response('', { status }),
    reconnect: { min: 600_000, max: 600_000 }
  })
  const socket = create()
  const seen = watch(socket)
  await next(socket, 'close')
  t.same(seen, [['error', 'WSA_CLIENT_ERR_UNREACHABLE: 503'], ['close', 1006, '', false]])
  t.same(errors, ['WSA_CLIENT_ERR_UNREACHABLE false ws://server.test/ws'])
  status = 200
  create()
  create(undefined, 'ws://server.test/elsewhere')
  t.equal((await sockets.next()).url, 'ws://server.test/elsewhere', 'only that URL has to wait')
  t.equal(sockets.all.length, 1)
  time.ahead = 300_000
  create()
  t.equal((await sockets.next()).url, 'ws://server.test/ws', 'until its time has come')
  t.equal(sockets.all.length, 2)
  Class.resume()
  t.equal((await sockets.next()).url, 'ws://server.test/ws', 'or the application resumes')
})

t.test('the wait that a server asks for is kept, whenever the library comes back', async t => {
  const time = clock(t)
  const { create, sockets, open } = build(t, { reconnect: { min: 1, max: 1 } })
  const { under, seen } = await open()
  under.end(1012, '{"retryAfter":600000}')
  t.same(seen, [['close', 1012, '{"retryAfter":600000}', true]])
  create()
  create(undefined, 'ws://server.test/elsewhere')
  t.equal((await sockets.next()).url, 'ws://server.test/elsewhere')
  time.ahead = 600_000
  create()
  t.equal((await sockets.next()).url, 'ws://server.test/ws')
  t.equal(sockets.all.length, 3, 'the one that came too early still waits')
})

t.test('an error event has the code where the library judges by it', async t => {
  for (const [mapClose, expected] of [[closeMaps.graphqlWs, { code: 1006, reason: '' }], [closeMaps.any, { code: undefined, reason: undefined }]] as const) {
    const { create, sockets } = build(t, { mapClose })
    const failed = next(create(), 'error')
    ;(await sockets.next()).end()
    const { code, reason, error } = await failed
    t.same({ code, reason }, expected)
    t.equal(error.code, 'WSA_CLIENT_ERR_UNREACHABLE')
  }
})

t.test('the library is told even when the application\'s own function throws, or returns nonsense', async t => {
  const nonsense = { message: 'WSA_CLIENT_ERR_OPTIONS: mapClose' }
  for (const [name, mapClose, error] of [
    ['throws', () => { throw new Error('mine') }, { message: 'mine' }],
    ['a getter that throws', () => ({ get code () { throw new Error('mine') } }), { message: 'mine' }],
    ['nothing', () => {}, { name: 'TypeError' }],
    ['null', () => null, { name: 'TypeError' }],
    ['a number', () => 4400, nonsense],
    ['no code', () => ({}), nonsense],
    ['a promise', async () => ({ code: 4400, reason: '' }), nonsense],
    ['a code in a string', () => ({ code: '4400', reason: '' }), nonsense],
    ...[NaN, 0, 999, 5000, 4400.5, -1, Infinity].map(code => [`code ${code}`, () => ({ code, reason: '' }), nonsense] as const),
    ['a reason that is none', () => ({ code: 4400, reason: 4 }), nonsense],
    ['a reason that is null', () => ({ code: 4400, reason: null }), nonsense]
  ] as ReadonlyArray<readonly [string, any, object]>) {
    const { open } = build(t, { mapClose })
    const { under, seen } = await open()
    const uncaught = t.captureFn(() => {})
    const listeners = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.once('uncaughtException', uncaught)
    under.end(4401, 'token expired')
    await new Promise(resolve => { setImmediate(resolve) })
    process.removeAllListeners('uncaughtException')
    for (const listener of listeners) process.on('uncaughtException', listener)
    t.same(seen, [['close', 1013, '4401 token expired', true]], name)
    t.match(uncaught.args(), [[error]], name)
  }
  const { open } = build(t, { mapClose: (() => ({ code: 1000 })) as never })
  const { under, seen } = await open()
  under.end(4401, 'token expired')
  t.same(seen, [['close', 1000, '', true]], 'no reason at all is an empty one')
})

t.test('an open socket whose connection is lost tells of it by close alone, however that is noticed', async t => {
  for (const [name, lose] of Object.entries<(under: Awaited<ReturnType<ReturnType<typeof build>['open']>>['under']) => void>({
    'a cut': under => { under.end() },
    'a cut, with an error event of the platform': under => { under.onerror?.({}); under.end() },
    'code 0': under => { under.end(0) }
  })) {
    const { open, errors } = build(t)
    const { under, seen } = await open()
    lose(under)
    t.same(seen, [['close', 1006, '', false]], name)
    t.equal(errors.length, 1, `${name}: the application is told why`)
  }
})

t.test('after a final refusal no attempt is made until the application resumes', async t => {
  const { create, sockets, errors, tickets, Class, open } = build(t)
  const { under, socket, seen } = await open()
  under.end(4403, 'not authorized')
  t.same(seen, [['close', 4400, '4403 not authorized', true]])
  t.equal(socket.readyState, 3)
  t.same(errors, ['WSA_CLIENT_ERR_FORBIDDEN true ws://server.test/ws'])
  const refused = create()
  const refusedSeen = watch(refused)
  await next(refused, 'close')
  t.same(refusedSeen, [['error', 'WSA_CLIENT_ERR_FORBIDDEN: 4403'], ['close', 4400, '4403 not authorized', false]])
  t.equal(tickets(), 1)
  const waiting = create()
  const closed = create()
  closed.close()
  await new Promise(resolve => { setImmediate(resolve) })
  Class.resume()
  const again = await sockets.next()
  again.admit()
  t.equal(waiting.readyState, 1)
  t.equal(tickets(), 2)
})

t.test('a JWT that the server has refused is not used again', async t => {
  const { open, asked, create, sockets, errors } = build(t)
  const { under } = await open()
  under.end(4401, 'token expired')
  const socket = create()
  ;(await sockets.next()).admit()
  t.equal(socket.readyState, 1)
  t.same(asked.map(({ reason }) => reason), ['connect', 'rejected'])
  t.same(errors, ['WSA_CLIENT_ERR_UNAUTHENTICATED false ws://server.test/ws'])
})

t.test('a normal end is not final, but leaves time', async t => {
  const { open, create, sockets, errors } = build(t)
  const { under, seen } = await open()
  under.end(1000, 'done')
  t.same(seen, [['close', 1000, 'done', true]])
  t.same(errors, ['WSA_CLIENT_ERR_REFUSED false ws://server.test/ws'])
  create()
  await sockets.next()
  t.pass('connects again')
})

t.test('what is sent faster than the server allows waits', async t => {
  const time = clock(t)
  const { create, sockets } = build(t)
  const socket = create()
  const seen = watch(socket)
  const under = (await sockets.next()).accept()
  under.say({ type: 'auth_ok', user: { id: 'alice' }, expiresAt: 1, messageRate: { perSecond: 100, burst: 5 } })
  const view = new Uint8Array([1, 2, 3]).subarray(1)
  const buffer = new Uint8Array([4]).buffer
  for (const data of ['a', 'b', 'ü', view, buffer]) socket.send(data)
  view[0] = 9
  new Uint8Array(buffer)[0] = 9
  t.same(under.sent.slice(1), ['a', 'b'])
  t.equal(socket.bufferedAmount, 5)
  const sent = (count: number) => new Promise<void>(resolve => {
    const send = under.send.bind(under)
    under.send = data => {
      send(data)
      if (under.sent.length === count) resolve()
    }
  })
  time.ahead = 12
  await sent(4)
  t.equal(socket.bufferedAmount, 3)
  socket.close(4001, 'bye')
  t.equal(socket.readyState, 2)
  t.equal(under.closing, undefined, 'what waits goes out before the close')
  socket.send('too late')
  t.equal(socket.bufferedAmount, 11)
  const rest = sent(6)
  time.ahead = 1_000
  await rest
  t.same(under.sent.slice(1), ['a', 'b', 'ü', new Uint8Array([2, 3]), new Uint8Array([4]).buffer], 'as they were when they were sent')
  t.same(under.closing, [4001, 'bye'])
  under.onclose?.({ code: 4001, reason: 'bye', wasClean: true })
  t.same(seen, [['open'], ['close', 4001, 'bye', true]])
  t.equal(socket.bufferedAmount, 8)
})

t.test('the server closes while messages wait', async t => {
  clock(t)
  const { create, sockets } = build(t)
  const socket = create()
  const seen = watch(socket)
  const under = (await sockets.next()).accept()
  under.say({ type: 'auth_ok', user: { id: 'alice' }, expiresAt: 1, messageRate: { perSecond: 1, burst: 1 } })
  for (const data of ['a', 'b']) socket.send(data)
  socket.close()
  under.end(4100, 'over')
  t.same(seen, [['open'], ['close', 4100, 'over', true]])
})

t.test('how a close of the library ends', async t => {
  for (const [close, end, expected] of [
    [[4001], { code: 4001, reason: '', wasClean: true }, [['close', 4001, '', true]]],
    [[], { code: 1005, reason: '', wasClean: true }, [['close', 1005, '', true]]],
    [[4001], { code: 1000, reason: '', wasClean: true }, [['close', 1000, '', true]]],
    [[4001], { code: 1006, reason: '', wasClean: false }, [['close', 1006, '', false]]],
    [[1000], { code: 4401, reason: 'token expired', wasClean: true }, [['close', 1013, '4401 token expired', true]]],
    [[1000], { code: 4409, reason: 'replaced', wasClean: true }, [['close', 4409, 'replaced', true]]]
  ] as const) {
    const { open } = build(t)
    const { socket, under, seen } = await open()
    ;(socket.close as any)(...close)
    under.say({ type: 'too late' })
    under.onclose?.(end)
    t.same(seen, expected, JSON.stringify([close, end]))
  }
})

t.test('a page that was away finds out whether the server is still there', async t => {
  const listeners = new Map<string, () => void>()
  t.intercept(globalThis as any, 'addEventListener', { value: (name: string, listener: () => void) => { listeners.set(name, listener) } })
  t.intercept(globalThis as any, 'removeEventListener', { value: (name: string) => { listeners.delete(name) } })
  const time = clock(t)
  const { open } = build(t)
  const { under, socket } = await open()
  time.ahead = 5_000
  const refreshed = new Promise<unknown>(resolve => { under.send = resolve })
  listeners.get('online')?.()
  t.match(JSON.parse(String(await refreshed)), { type: 'refresh' })
  under.end(4100)
  t.equal(socket.readyState, 3)
  t.equal(listeners.size, 0)
})

t.test('a URL is taken as the page takes it, and no JWT in it', t => {
  const { Class } = build(t)
  t.intercept(globalThis as any, 'document', { value: { baseURI: 'https://app.example/a/b' } })
  const socket = new Class('c?d=e')
  t.equal(socket.url, 'wss://app.example/a/c?d=e')
  socket.close()
  t.intercept(globalThis as any, 'document', { value: undefined })
  t.intercept(globalThis as any, 'location', { value: { href: 'http://worker.example/a/b' } })
  const inWorker = new Class('/c')
  t.equal(inWorker.url, 'ws://worker.example/c')
  inWorker.close()
  t.throws(() => new Class(`wss://app.example/?token=${jwt('alice0000')}`), { name: 'SyntaxError' })
  t.end()
})

t.test('options that cannot be used', t => {
  t.throws(() => createWebSocketClass({ timeout: 0 }), { code: 'WSA_CLIENT_ERR_OPTIONS' })
  t.throws(() => createWebSocketClass({ reconnect: { min: 0 }, WebSocket: fakes().WebSocket }), { code: 'WSA_CLIENT_ERR_OPTIONS' })
  t.doesNotThrow(() => createWebSocketClass({ WebSocket: fakes().WebSocket }))
  t.end()
})

t.test('the platform\'s close event, or one of our own', async t => {
  class CloseEvent extends Event {
    readonly init: unknown
    constructor (type: string, init: unknown) {
      super(type)
      this.init = init
    }
  }
  for (const own of [undefined, CloseEvent]) {
    t.intercept(globalThis as any, 'CloseEvent', { value: own })
    const { open } = build(t)
    const { under, socket } = await open()
    const closed = next(socket, 'close')
    under.end(4100, 'over')
    const event = await closed
    if (own) t.match(event, { init: { code: 4100, reason: 'over', wasClean: true } })
    else t.match({ ...new event.constructor('close') }, { code: 0, reason: '', wasClean: false }, 'libraries copy it')
  }
})

t.test('only the last 256 URLs are remembered', async t => {
  const { create, tickets, sockets } = build(t, { getToken: undefined })
  create(undefined, 'ws://server.test/0')
  ;(await sockets.next()).accept().end(4403)
  for (let n = 1; n < 257; n++) create(undefined, `ws://server.test/${n}`)
  const before = tickets()
  create(undefined, 'ws://server.test/0')
  for (let n = 1; n <= 257; n++) await sockets.next()
  t.equal(sockets.all.at(-1)?.url, 'ws://server.test/0')
  t.ok(tickets() > before)
})
