import t from 'tap'
import { type AttemptContext, connect, raw, type TokenContext } from '../src/index.js'
import { build, clock, type FakeSocket, fakes, jwt, open, until, watch } from './helpers.js'

const bytes = (size: number): string => 'x'.repeat(size)

t.test('through both doors', async t => {
  const { connection, sockets, seen } = build(t)
  t.equal(connection.status, 'ticket')
  t.equal(connection.protocol, '')
  t.equal(connection.bufferedAmount, 0)
  const ready = connection.ready()
  const socket = await sockets.next()
  t.equal(connection.status, 'connecting')
  t.equal(socket.url, 'ws://server.test/ws')
  t.same(socket.protocols, ['airlock.v1', 'ticket.ticket-0'])
  t.equal(socket.binaryType, 'arraybuffer')
  socket.accept()
  t.equal(connection.status, 'authenticating')
  t.same(socket.sent, [`{"type":"auth","token":"${jwt('alice')}"}`])
  socket.say({ type: 'auth_ok', user: { id: 'alice', role: 'admin' }, expiresAt: 123 })
  await ready
  t.equal(connection.status, 'open')
  t.equal(connection.protocol, 'airlock.v1')
  t.same(connection.user, { id: 'alice', role: 'admin' })
  t.equal(connection.expiresAt, 123)
  socket.bufferedAmount = 7
  t.equal(connection.bufferedAmount, 7)
  t.match(seen, [
    ['status', 'ticket'], ['status', 'connecting'], ['status', 'authenticating'], ['status', 'open'],
    ['open', { user: { id: 'alice' }, expiresAt: 123, timings: { ticket: Number, upgrade: Number, auth: Number } }]
  ])
  t.equal(seen.length, 5)
  await connection.ready()
})

t.test('without the second door it is ready at the 101, and reads no control messages', async t => {
  const { connection, sockets, seen } = build(t, { getToken: undefined })
  const socket = (await sockets.next()).accept()
  t.match(seen.at(-1), ['open', { user: null, expiresAt: null, timings: { auth: 0 } }])
  t.same(socket.sent, [])
  socket.say({ type: 'expiring', expiresAt: 1 })
  t.same(seen.at(-1), ['message', { type: 'expiring', expiresAt: 1 }])
  t.equal(connection.status, 'open')
})

t.test('without the first door it has no carrier, and is in no hurry', async t => {
  const { connection, sockets } = build(t, { getTicket: undefined })
  const socket = await sockets.next()
  t.same(socket.protocols, ['airlock.v1'])
  socket.end()
  t.equal(connection.status, 'waiting')
  t.equal((await until(connection, 'status')), 'ticket')
})

t.test('a message before auth_ok reaches nobody, nor does another auth_ok', async t => {
  const { sockets, seen } = build(t)
  const socket = (await sockets.next()).accept().say('early').say({ type: 'expiring', expiresAt: 1 }).admit()
  const before = seen.length
  t.notOk(seen.some(([name]) => name === 'message' || name === 'expiring'))
  socket.say({ type: 'auth_ok', user: { id: 'mallory' }, expiresAt: 1 })
  t.equal(seen.length, before)
  socket.say({ type: 'auth_ok' })
  t.same(seen.at(-1), ['message', { type: 'auth_ok' }], 'what is no control message belongs to the application')
})

t.test('the carriers', async t => {
  const query = build(t, { carrier: 'query', ticketName: 'key', url: 'https://server.test/ws?room=a%20b#top' })
  const socket = await query.sockets.next()
  t.equal(socket.url, 'wss://server.test/ws?room=a+b&key=ticket-0')
  t.same(socket.protocols, ['airlock.v1'])

  const named = build(t, { protocols: ['airlock.v2', 'airlock.v1'], url: new URL('http://server.test/ws') })
  t.same((await named.sockets.next()).protocols, ['airlock.v2', 'airlock.v1', 'ticket.ticket-0'])

  const told = build(t, { getTicket: () => ({ ticket: 'abc', protocol: 'own.v1' }), protocols: [] })
  t.same((await told.sockets.next()).accept('own.v1').protocols, ['own.v1', 'ticket.abc'])
  t.equal(told.connection.status, 'authenticating')

  const reply = build(t, { getTicket: () => Response.json({ ticket: 'abc', expiresIn: 30, protocol: 'airlock.v1' }) })
  t.same((await reply.sockets.next()).protocols, ['airlock.v1', 'ticket.abc'])
})

t.test('a subprotocol that was not offered is the end', async t => {
  for (const protocol of ['', 'ticket.ticket-0', 'other']) {
    const { connection, sockets } = build(t)
    const socket = (await sockets.next()).accept(protocol)
    t.match(connection, { status: 'closed', error: { code: 'WSA_CLIENT_ERR_PROTOCOL', final: true } })
    t.same(socket.sent, [], 'no JWT for it')
    t.ok(socket.closing)
  }
})

t.test('options that can not be used', async t => {
  const { WebSocket } = fakes()
  const url = 'ws://server.test/ws'
  for (const options of [
    { url: '/ws' }, { url: 'ftp://server.test' }, { url: `${url}?token=${jwt('c3ViamVjdCI')}` }, { url: `${url}#${jwt('c3ViamVjdCI')}` },
    { timeout: 0 }, { timeout: NaN }, { reconnect: { min: 0 } }, { reconnect: { max: -1 } }, { reconnect: { attempts: 0 } },
    { queue: { messages: 0 } }, { queue: { bytes: NaN } }, { iteratorLimit: 0 }
  ]) {
    t.throws(() => connect({ url, WebSocket, ...options }), { code: 'WSA_CLIENT_ERR_OPTIONS' }, JSON.stringify(options))
  }
  try {
    connect({ url: `${url}?token=${jwt('c3ViamVjdCI')}`, WebSocket })
  } catch (error) {
    t.notMatch(String(error), 'eyJ', 'which is not quoted')
  }
  t.intercept(globalThis, 'WebSocket', { value: undefined })
  t.throws(() => connect({ url }), { code: 'WSA_CLIENT_ERR_NO_WEBSOCKET' })
  connect({ url: `${url}?file=monkeyJar.tar.gz`, WebSocket, timeout: undefined, reconnect: undefined, queue: undefined }).close()
})

t.test('what a WebSocket refuses ends it, without a word of the ticket', async t => {
  class WebSocket extends fakes().WebSocket {
    constructor (url: string, protocols?: string[]) {
      super(url, protocols)
      throw new SyntaxError(`The subprotocol ${String(protocols)} is invalid`)
    }
  }
  const { connection } = build(t, { WebSocket })
  const { error } = await until(connection, 'close').then(() => connection)
  t.match(error, { code: 'WSA_CLIENT_ERR_OPTIONS', final: true, cause: undefined })
  t.notMatch(String(error), 'ticket-0')
  const noPage = build(t, { carrier: 'cookie' })
  await until(noPage.connection, 'close')
  t.match(noPage.connection.error, { code: 'WSA_CLIENT_ERR_OPTIONS' }, 'no cookies without a page')
})

t.test('what the ticket request says', async t => {
  for (const [answer, code] of [
    [new Response(null, { status: 401 }), 'UNAUTHENTICATED'], [new Response(null, { status: 403 }), 'FORBIDDEN'],
    [new Response(null, { status: 404 }), 'REFUSED']
  ] as const) {
    const { connection, seen } = build(t, { getTicket: () => answer })
    t.same(await connection.closed, { code: 1006, reason: '', willReconnect: false })
    const error = { code: `WSA_CLIENT_ERR_${code}`, status: answer.status, final: true }
    t.match(connection, { status: 'closed', error })
    t.match(seen.slice(-3), [['status', 'closed'], ['error', error], ['close', { code: 1006, willReconnect: false }]])
    await t.rejects(connection.ready(), error)
    await t.rejects(connection.refresh(), { code: 'WSA_CLIENT_ERR_CLOSED', cause: error })
    t.throws(() => connection.send(1), { code: 'WSA_CLIENT_ERR_CLOSED', cause: error })
  }

  for (const [source, status] of [
    [() => new Response(null, { status: 429 }), 429], [() => new Response(null, { status: 503 }), 503],
    [() => { throw new TypeError('fetch failed') }, undefined], [() => { throw Object.assign(new Error('x'), { status: 502 }) }, 502],
    [() => new Response('<html>'), undefined], [() => Response.json(null), undefined], [() => Response.json({}), undefined],
    [() => undefined, undefined], [() => '', undefined], [() => jwt('alice'), undefined], [() => 'a; Path=/', undefined]
  ] as const) {
    const { connection } = build(t, { getTicket: source as () => string })
    const { error, delay } = await until(connection, 'waiting')
    t.match(error, { code: 'WSA_CLIENT_ERR_UNREACHABLE', status, final: false })
    t.equal(delay, 2)
  }

  const thrown = build(t, { getTicket: () => { throw Object.assign(new Error('x'), { status: 401 }) } })
  await thrown.connection.closed
  t.match(thrown.connection.error, { code: 'WSA_CLIENT_ERR_UNAUTHENTICATED', status: 401 })
})

t.test('Retry-After is the least that is waited', async t => {
  const answers = [new Response(null, { status: 503, headers: { 'retry-after': '5' } })]
  const { connection } = build(t, { getTicket: () => answers.shift() ?? 'abc' })
  t.match(await until(connection, 'waiting'), { delay: 5_000, attempt: 1 })
  connection.retryNow()
  t.equal(connection.status, 'ticket', 'but the user decides')
  connection.retryNow()
})

t.test('without a JWT there is no connection', async t => {
  for (const token of [null, '', undefined as unknown as null]) {
    const none = build(t, { getToken: () => token })
    await none.connection.closed
    t.match(none.connection.error, { code: 'WSA_CLIENT_ERR_UNAUTHENTICATED', final: true })
  }
  const long = build(t, { getToken: () => bytes(8_192) })
  await long.connection.closed
  t.match(long.connection.error, { code: 'WSA_CLIENT_ERR_OPTIONS' })
  t.same(long.sockets.all, [], 'and no ticket is spent')
  const fits = build(t, { getToken: () => bytes(8_192 - JSON.stringify({ type: 'refresh', token: '' }).length) })
  t.match((await fits.sockets.next()).accept().sent, [String])
})

t.test('each attempt has a ticket of its own, and tells how many went before', async t => {
  const contexts: AttemptContext[] = []
  const { connection, sockets } = build(t, {
    getTicket: context => {
      contexts.push(context)
      return `t${contexts.length}`
    }
  })
  const first = (await sockets.next()).end()
  t.match(connection.status, 'waiting')
  const second = (await sockets.next()).end()
  const third = (await sockets.next()).admit().end()
  await sockets.next()
  t.same([first, second, third].map(({ protocols }) => protocols[1]), ['ticket.t1', 'ticket.t2', 'ticket.t3'])
  t.same(contexts.map(({ attempt }) => attempt), [0, 1, 2, 0])
  t.same(contexts.map(({ signal }) => signal.aborted), [true, true, true, false])
})

t.test('a refused upgrade is tried once more at once, then with a back-off', async t => {
  const { connection, sockets, seen } = build(t)
  for (let n = 0; n < 4; n++) (await sockets.next()).end()
  t.same(seen.flatMap(([name, event]) => name === 'waiting' ? [event.delay] : []), [0, 2, 4, 8])
  t.match(seen.filter(([name]) => name === 'close')[0], ['close', { code: 1006, willReconnect: true }])
  t.match(seen.filter(([name]) => name === 'error')[0], ['error', { code: 'WSA_CLIENT_ERR_UNREACHABLE', final: false, closeCode: 1006 }])
  t.equal(connection.error, null)
})

t.test('a server that takes everybody in and closes at once is not called without end', async t => {
  for (const code of [1001, 1006, 1012, 4401, 4408, 4413, 4429, 4500]) {
    let n = 0
    const { sockets, seen } = build(t, { getToken: () => jwt(`${n++}`) })
    for (let n = 0; n < 4; n++) (await sockets.next()).admit().end(code, '{"retryAfter":0}')
    const delays = seen.flatMap(([name, event]) => name === 'waiting' ? [event.delay] : [])
    t.same(delays, [4401, 4408, 4413].includes(code) ? [0, 2, 4, 8] : [2, 4, 8, 16], `${code}`)
  }
})

t.test('back-off begins anew after 30 s of open', async t => {
  const time = clock(t)
  const { connection, sockets, seen } = build(t)
  const lose = async (after: number): Promise<void> => {
    const socket = (await sockets.next()).admit()
    time.ahead += after
    socket.end()
  }
  await lose(0)
  await lose(29_000)
  await lose(30_000)
  await lose(0)
  t.same(seen.flatMap(([name, event]) => name === 'waiting' ? [event.delay] : []), [2, 4, 2, 4])
  t.equal(connection.status, 'waiting')
})

t.test('a restart is waited out for as long as the server says, once', async t => {
  const { sockets, seen } = build(t, { reconnect: { min: 4_000 } })
  const restart = async (): Promise<void> => { (await sockets.next()).admit().end(1012, '{"retryAfter":30}') }
  await restart()
  await restart()
  t.same(seen.flatMap(([name, event]) => name === 'waiting' ? [event.delay] : []), [30, 4_000])
})

t.test('codes that end it', async t => {
  for (const [code, reason] of [
    [1000, 'REFUSED'], [1009, 'REFUSED'], [4400, 'REFUSED'], [4403, 'FORBIDDEN'], [4409, 'REFUSED']
  ] as const) {
    const { connection, socket, seen } = await open(t)
    const error = { code: `WSA_CLIENT_ERR_${reason}`, closeCode: code, final: true }
    socket.end(code, 'why')
    t.match(connection, { status: 'closed', error, protocol: '' })
    t.same(await connection.closed, { code, reason: 'why', willReconnect: false })
    t.match(seen.slice(-2), [['error', error], ['close', { code, reason: 'why', willReconnect: false }]])
  }
})

t.test('an auth_error counts where no close frame follows', async t => {
  const { connection, sockets, seen } = build(t)
  const socket = (await sockets.next()).accept()
  socket.say({ type: 'auth_error', code: 4403, reason: 'subject mismatch', retry: false })
  t.match(connection, { status: 'closed', error: { code: 'WSA_CLIENT_ERR_FORBIDDEN', closeCode: 4403 } })
  t.same(await connection.closed, { code: 4403, reason: 'subject mismatch', willReconnect: false })
  const before = seen.length
  socket.end(4403, 'subject mismatch')
  t.equal(seen.length, before)
})

t.test('a refused JWT is replaced once, at once', async t => {
  const asked: TokenContext[] = []
  const tokens = [jwt('old'), jwt('new')]
  const { connection, sockets } = build(t, {
    getToken: context => {
      asked.push(context)
      return tokens[asked.length - 1] ?? jwt('new')
    }
  })
  ;(await sockets.next()).accept().end(4401, 'token expired')
  const second = await sockets.next()
  t.match(second.accept().sent, [/\.new\./])
  t.same(asked.map(({ reason, attempt }) => [reason, attempt]), [['connect', 0], ['rejected', 1]])
  second.end(4401)
  await connection.closed
  t.match(connection.error, { code: 'WSA_CLIENT_ERR_UNAUTHENTICATED', final: true }, 'the same one again is the end')
  t.equal(sockets.all.length, 2)
})

t.test('no other JWT after 4401 is the end, and so is 4401 without one', async t => {
  const gone = build(t, { getToken: ({ reason }) => reason === 'connect' ? jwt('a') : null })
  ;(await gone.sockets.next()).admit().end(4401)
  await gone.connection.closed
  t.match(gone.connection.error, { code: 'WSA_CLIENT_ERR_UNAUTHENTICATED' })
  const without = build(t, { getToken: undefined })
  ;(await without.sockets.next()).accept().end(4401)
  t.match(without.connection, { status: 'closed', error: { code: 'WSA_CLIENT_ERR_UNAUTHENTICATED', closeCode: 4401 } })
})

t.test('once it was let in, a JWT is not the rejected one any more', async t => {
  const reasons: string[] = []
  const { sockets } = build(t, {
    getToken: ({ reason }) => {
      reasons.push(reason)
      return jwt(`${reasons.length}`)
    }
  })
  ;(await sockets.next()).admit().end(4401)
  ;(await sockets.next()).end()
  ;(await sockets.next()).admit().end()
  await sockets.next()
  t.same(reasons, ['connect', 'rejected', 'rejected', 'connect'])
})

t.test('an attempt takes no longer than its deadline', async t => {
  let aborted = false
  const mute = build(t, {
    timeout: 10,
    getTicket: ({ signal }) => new Promise(resolve => {
      signal.addEventListener('abort', () => {
        aborted = true
        setImmediate(resolve, 'too-late')
      })
    })
  })
  t.match(await until(mute.connection, 'waiting'), { error: { code: 'WSA_CLIENT_ERR_TIMEOUT' }, delay: 2 })
  t.ok(aborted)
  await new Promise(resolve => { setImmediate(() => setImmediate(resolve)) })
  t.same(mute.sockets.all, [], 'what comes later is not used')

  for (const far of [(socket: FakeSocket) => socket, (socket: FakeSocket) => socket.accept()]) {
    const { connection, sockets } = build(t, { timeout: 20, reconnect: { min: 4 } })
    const socket = far(await sockets.next())
    t.match(await until(connection, 'waiting'), { error: { code: 'WSA_CLIENT_ERR_TIMEOUT' } })
    t.ok(socket.closing)
    socket.accept().say('late')
    t.equal(connection.status, 'waiting', 'a socket that was given up is not heard')
  }
})

t.test('an end is final where it shall be', async t => {
  const never = await open(t, { reconnect: false })
  never.socket.end(1001)
  t.match(never.connection, { status: 'closed', error: { code: 'WSA_CLIENT_ERR_UNREACHABLE', closeCode: 1001, final: true } })

  const twice = build(t, { reconnect: { min: 4, attempts: 2 } })
  ;(await twice.sockets.next()).end()
  ;(await twice.sockets.next()).end()
  t.match(twice.connection, { status: 'closed', error: { code: 'WSA_CLIENT_ERR_UNREACHABLE', final: true } })

  const once = await open(t, { reconnect: { min: 4, attempts: 1 } })
  once.socket.end()
  t.equal(once.connection.status, 'waiting', 'after a success there are as many again')
})

t.test('what is sent early waits, in order, and goes before what listeners send', async t => {
  const { connection, sockets } = build(t)
  t.equal(connection.send('a'), false)
  t.equal(connection.send(new Uint8Array([1, 2])), false)
  t.equal(connection.bufferedAmount, 5)
  connection.on('status', status => { if (status === 'open') connection.send('status') })
  connection.on('open', () => { t.equal(connection.send('open'), true) })
  const socket = (await sockets.next()).accept()
  t.equal(connection.send('b'), false)
  socket.admit()
  t.same(socket.sent.slice(2), ['"a"', new Uint8Array([1, 2]), '"b"', '"status"', '"open"'])
  t.equal(connection.bufferedAmount, 0)
  socket.readyState = 2
  t.equal(connection.send('c'), false, 'a socket that closes takes nothing')
  socket.end()
  const next = (await sockets.next()).admit()
  t.same(next.sent.slice(1), ['"c"', '"status"', '"open"'])
})

t.test('what waits when the server closes behind auth_ok goes to the next socket', async t => {
  const { connection, sockets } = build(t)
  connection.send('a')
  const socket = (await sockets.next()).accept()
  socket.readyState = 2
  socket.say({ type: 'auth_ok', user: { id: 'alice' }, expiresAt: 1 }).end(1001)
  t.equal(socket.sent.length, 1)
  t.same((await sockets.next()).admit().sent.slice(1), ['"a"'])
})

t.test('no more waits than may', async t => {
  const few = build(t, { queue: { messages: 2 } })
  few.connection.send(1)
  few.connection.send(2)
  t.throws(() => few.connection.send(3), { code: 'WSA_CLIENT_ERR_QUEUE_FULL' })
  const small = build(t, { codec: raw, queue: { bytes: 10 } })
  small.connection.send('ääää')
  t.throws(() => small.connection.send('abc'), { code: 'WSA_CLIENT_ERR_QUEUE_FULL' })
  small.connection.send(new Blob(['ab']))
  t.equal(small.connection.bufferedAmount, 10)
  t.throws(() => small.connection.send({} as any), { code: 'WSA_CLIENT_ERR_QUEUE_FULL' }, 'nor what has no size')
  const standard = build(t)
  for (let n = 0; n < 128; n++) standard.connection.send(n)
  t.throws(() => standard.connection.send(0), { code: 'WSA_CLIENT_ERR_QUEUE_FULL' })
})

t.test('messages of every kind', async t => {
  const { socket, seen } = await open(t)
  const buffer = new ArrayBuffer(2)
  socket.say({ a: 1 })
  socket.onmessage?.({ data: buffer })
  socket.onmessage?.({ data: '{' })
  t.match(seen.slice(5), [['message', { a: 1 }], ['message', buffer], ['error', { code: 'WSA_CLIENT_ERR_MESSAGE', final: false, cause: SyntaxError }]])
  const { socket: bare, seen: heard } = await open(t, { codec: raw })
  bare.onmessage?.({ data: '{' })
  t.same(heard.at(-1), ['message', '{'])
})

t.test('close() ends everything, wherever it stands', async t => {
  t.test('before the first attempt: no ticket is asked for', async t => {
    const { connection, tickets, seen } = build(t)
    connection.close()
    connection.close()
    t.equal(connection.status, 'closed')
    t.same(await connection.closed, { code: 1000, reason: '', willReconnect: false })
    t.equal(tickets(), 0)
    t.same(seen, [['status', 'closed'], ['close', { code: 1000, reason: '', willReconnect: false }]])
    t.equal(connection.error, null)
    await t.rejects(connection.ready(), { code: 'WSA_CLIENT_ERR_CLOSED', final: true })
    t.throws(() => connection.send(1), { code: 'WSA_CLIENT_ERR_CLOSED' })
  })
  t.test('while the ticket is asked for', async t => {
    let signal: AbortSignal | undefined
    const { connection, sockets } = build(t, {
      getTicket: context => {
        signal = context.signal
        connection.close()
        return 'abc'
      }
    })
    const ready = connection.ready()
    await t.rejects(ready, { code: 'WSA_CLIENT_ERR_CLOSED' })
    t.ok(signal?.aborted)
    await new Promise(resolve => { setImmediate(resolve) })
    t.same(sockets.all, [])
  })
  t.test('while connecting, and authenticating', async t => {
    for (const far of [(socket: FakeSocket) => socket, (socket: FakeSocket) => socket.accept()]) {
      const { connection, sockets } = build(t)
      const socket = far(await sockets.next())
      connection.send('dropped')
      connection.close(4_000, 'enough')
      t.same(socket.closing, [4_000, 'enough'])
      t.equal(connection.bufferedAmount, 0)
      socket.accept().end()
      t.equal(connection.status, 'closed')
    }
  })
  t.test('while waiting', async t => {
    const { connection, sockets } = build(t, { getTicket: undefined })
    ;(await sockets.next()).end()
    connection.close()
    t.same(await connection.closed, { code: 1000, reason: '', willReconnect: false })
    connection.retryNow()
    t.equal(connection.status, 'closed')
  })
  t.test('with what a WebSocket takes', async t => {
    const { connection, socket } = await open(t)
    for (const [code, reason] of [[1001, ''], [2999, ''], [5000, ''], [NaN, ''], [1000, 'ä'.repeat(62)]] as const) {
      t.throws(() => { connection.close(code, reason) }, { code: 'WSA_CLIENT_ERR_OPTIONS' })
    }
    t.equal(connection.status, 'open')
    connection.close(3_000, 'a'.repeat(123))
    t.same(socket.closing, [3_000, 'a'.repeat(123)])
  })
})

t.test('close() in any listener', async t => {
  for (const name of ['status', 'open', 'message', 'close', 'waiting', 'error'] as const) {
    const { connection, sockets, seen } = build(t)
    connection.on(name, () => { connection.close() })
    if (name !== 'status') (await sockets.next()).admit().say('hi').end()
    await connection.closed
    t.equal(connection.status, 'closed', name)
    t.same(seen.at(-1), ['close', { code: 1000, reason: '', willReconnect: false }], 'nothing follows')
  }
})

t.test('close() when the signal of an attempt aborts', async t => {
  let close = (): void => {}
  const getTicket = ({ signal }: AttemptContext): string => {
    signal.addEventListener('abort', () => { close() })
    return 'abc'
  }
  const lost = build(t, { getTicket })
  close = () => { lost.connection.close() }
  ;(await lost.sockets.next()).admit().end()
  t.equal(lost.connection.status, 'closed')
  t.same(lost.seen.slice(-2), [['status', 'closed'], ['close', { code: 1000, reason: '', willReconnect: false }]])

  const closed = build(t, { getTicket })
  close = () => { closed.connection.close() }
  ;(await closed.sockets.next()).admit()
  closed.connection.close(4_000)
  t.same(closed.seen.slice(-2), [['status', 'closed'], ['close', { code: 4_000, reason: '', willReconnect: false }]])
})

t.test('retryNow() in a listener: no word of a wait that is over', async t => {
  const { connection, sockets, seen } = build(t, { getTicket: undefined })
  connection.on('error', () => { connection.retryNow() })
  ;(await sockets.next()).end()
  t.match(seen.slice(-3), [['error', {}], ['status', 'ticket'], ['close', { willReconnect: true }]])
  t.notOk(seen.some(([name]) => name === 'waiting'))
})

t.test('an AbortSignal ends it as close() does', async t => {
  const controller = new AbortController()
  const { connection, socket } = await open(t, { signal: controller.signal })
  const reason = new Error('left the page')
  controller.abort(reason)
  t.same(await connection.closed, { code: 1000, reason: '', willReconnect: false })
  t.same(socket.closing, [1000, ''])
  t.equal(connection.error, null)
  await t.rejects(connection.ready(), { code: 'WSA_CLIENT_ERR_CLOSED', cause: reason })

  const { connection: late, tickets } = build(t, { signal: controller.signal })
  t.equal(late.status, 'closed')
  t.same(await late.closed, { code: 1000, reason: '', willReconnect: false })
  await new Promise(resolve => { setImmediate(resolve) })
  t.equal(tickets(), 0)
})

t.test('iteration', async t => {
  t.test('takes what comes from the moment it is made, until the application closes', async t => {
    const { connection, socket } = await open(t)
    socket.say(0)
    const messages = connection[Symbol.asyncIterator]()
    socket.say(1).say(2)
    const got: unknown[] = []
    t.same(await messages.next(), { done: false, value: 1 })
    const waiting = [messages.next(), messages.next(), messages.next()]
    socket.say(3).say(4)
    t.same(await Promise.all(waiting), [2, 3, 4].map(value => ({ done: false, value })))
    const last = messages.next()
    connection.close()
    t.same(await last, { done: true, value: undefined })
    for await (const message of connection) got.push(message)
    t.same(got, [], 'what is closed has no messages')
  })
  t.test('break ends it', async t => {
    const { connection, socket } = await open(t, { iteratorLimit: 1 })
    setImmediate(() => { socket.say(1).say(2) })
    for await (const message of connection) if (message === 1) break
    const messages = connection[Symbol.asyncIterator]()
    const pending = messages.next()
    await messages.return?.()
    t.same(await pending, { done: true, value: undefined })
    socket.say(2).say(3)
    t.same(await messages.next(), { done: true, value: undefined })
  })
  t.test('what was taken in is dropped by close(), and handed out before an error', async t => {
    const { connection, socket } = await open(t)
    const messages = connection[Symbol.asyncIterator]()
    socket.say(1).end(4403)
    t.same(await messages.next(), { done: false, value: 1 })
    await t.rejects(messages.next(), { code: 'WSA_CLIENT_ERR_FORBIDDEN' })
    const closed = await open(t)
    const none = closed.connection[Symbol.asyncIterator]()
    closed.socket.say(1)
    closed.connection.close()
    t.same(await none.next(), { done: true, value: undefined })
  })
  t.test('goes on over a reconnection', async t => {
    const { connection, socket, sockets } = await open(t)
    const messages = connection[Symbol.asyncIterator]()
    const first = messages.next()
    socket.end()
    ;(await sockets.next()).admit().say('back')
    t.same(await first, { done: false, value: 'back' })
  })
  t.test('holds no more than it may', async t => {
    const { connection, socket } = await open(t, { iteratorLimit: 2 })
    const messages = connection[Symbol.asyncIterator]()
    socket.say(1).say(2).say(3).say(4)
    t.same(await messages.next(), { done: false, value: 1 })
    t.same(await messages.next(), { done: false, value: 2 })
    await t.rejects(messages.next(), { code: 'WSA_CLIENT_ERR_OVERFLOW' })
    t.equal(connection.status, 'open')
  })
})

t.test('two connections have nothing to do with each other', async t => {
  const a = await open(t)
  const b = await open(t)
  const heard = watch(b.connection)
  a.socket.say('for a')
  a.connection.close()
  t.same(heard, [])
  t.equal(b.connection.status, 'open')
})
