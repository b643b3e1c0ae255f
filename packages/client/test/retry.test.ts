import t from 'tap'
import type { AttemptContext, TokenContext } from '../src/index.js'
import { build, clock, type FakeSocket, jwt, open, until } from './helpers.js'

const bytes = (size: number): string => 'x'.repeat(size)

t.test('decides by the answer to the ticket request', async t => {
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

t.test('waits at least for the Retry-After', async t => {
  const answers = [new Response(null, { status: 503, headers: { 'retry-after': '5' } })]
  const { connection } = build(t, { getTicket: () => answers.shift() ?? 'abc' })
  t.match(await until(connection, 'waiting'), { delay: 5_000, attempt: 1 })
  connection.retryNow()
  t.equal(connection.status, 'ticket', 'retryNow() overrides it')
  connection.retryNow()
})

t.test('ends without a usable JWT', async t => {
  for (const token of [null, '', undefined as unknown as null]) {
    const none = build(t, { getToken: () => token })
    await none.connection.closed
    t.match(none.connection.error, { code: 'WSA_CLIENT_ERR_UNAUTHENTICATED', final: true })
  }
  const long = build(t, { getToken: () => bytes(8_192) })
  await long.connection.closed
  t.match(long.connection.error, { code: 'WSA_CLIENT_ERR_OPTIONS', message: /maxAuthBytes/ })
  t.same(long.sockets.all, [], 'no ticket is spent')
  const fits = build(t, { getToken: () => bytes(8_192 - JSON.stringify({ type: 'refresh', token: '' }).length) })
  t.same((await fits.sockets.next()).accept().sent.map(text => Object.keys(JSON.parse(text as string))), [['type', 'token']], 'what it asks for would not fit')
  const more = JSON.stringify({ type: 'auth', token: '', final: [4410], alive: true, messageRate: true }).length
  for (const [size, members] of [[8_192 - more, 5], [8_192 - more + 1, 2]] as const) {
    const { sockets } = build(t, { getToken: () => bytes(size) })
    t.same((await sockets.next()).accept().sent.map(text => Object.keys(JSON.parse(text as string)).length), [members], `${size} bytes`)
  }
  const raised = build(t, { getToken: () => bytes(60_000), maxAuthBytes: 65_536 })
  t.same((await raised.sockets.next()).accept().sent.map(text => (text as string).length), [60_000 + more])
})

t.test('gets a new ticket for each attempt, and counts the attempts', async t => {
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

t.test('retries a refused upgrade once at once, then with back-off', async t => {
  const { connection, sockets, seen } = build(t)
  for (let n = 0; n < 4; n++) (await sockets.next()).end()
  t.same(seen.flatMap(([name, event]) => name === 'waiting' ? [event.delay] : []), [0, 2, 4, 8])
  t.match(seen.filter(([name]) => name === 'close')[0], ['close', { code: 1006, willReconnect: true }])
  t.match(seen.filter(([name]) => name === 'error')[0], ['error', { code: 'WSA_CLIENT_ERR_UNREACHABLE', final: false, closeCode: 1006 }])
  t.equal(connection.error, null)
})

t.test('backs off from a server that accepts and then closes each connection', async t => {
  for (const code of [1001, 1006, 1012, 4401, 4408, 4413, 4429, 4500]) {
    let n = 0
    const { sockets, seen } = build(t, { getToken: () => jwt(`${n++}`) })
    for (let n = 0; n < 4; n++) (await sockets.next()).admit().end(code, '{"retryAfter":0}')
    const delays = seen.flatMap(([name, event]) => name === 'waiting' ? [event.delay] : [])
    t.same(delays, [4401, 4408, 4413].includes(code) ? [0, 2, 4, 8] : [2, 4, 8, 16], `${code}`)
  }
})

t.test('back-off starts over after a connection of 30 s', async t => {
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

t.test('after a restart, waits exactly as long as the server says, but only the first time', async t => {
  const { sockets, seen } = build(t, { reconnect: { min: 4_000 } })
  const restart = async (): Promise<void> => { (await sockets.next()).admit().end(1012, '{"retryAfter":30}') }
  await restart()
  await restart()
  t.same(seen.flatMap(([name, event]) => name === 'waiting' ? [event.delay] : []), [30, 4_000])
})

t.test('ends on final close codes', async t => {
  for (const [code, reason] of [
    [1000, 'REFUSED'], [1009, 'REFUSED'], [4400, 'REFUSED'], [4403, 'FORBIDDEN'], [4409, 'REFUSED'], [4410, 'LOGGED_OUT']
  ] as const) {
    const { connection, socket, seen } = await open(t)
    const error = { code: `WSA_CLIENT_ERR_${reason}`, closeCode: code, final: true }
    socket.end(code, 'why')
    t.match(connection, { status: 'closed', error, protocol: '' })
    t.same(await connection.closed, { code, reason: 'why', willReconnect: false })
    t.match(seen.slice(-2), [['error', error], ['close', { code, reason: 'why', willReconnect: false }]])
  }
})

t.test('an auth_error counts even when no close frame follows', async t => {
  const { connection, sockets, seen } = build(t)
  const socket = (await sockets.next()).accept()
  socket.say({ type: 'auth_error', code: 4403, reason: 'subject mismatch', retry: false })
  t.match(connection, { status: 'closed', error: { code: 'WSA_CLIENT_ERR_FORBIDDEN', closeCode: 4403 } })
  t.same(await connection.closed, { code: 4403, reason: 'subject mismatch', willReconnect: false })
  const before = seen.length
  socket.end(4403, 'subject mismatch')
  t.equal(seen.length, before)
})

t.test('replaces a refused JWT once, without a wait', async t => {
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
  t.match(connection.error, { code: 'WSA_CLIENT_ERR_UNAUTHENTICATED', final: true }, 'the same JWT again ends the connection')
  t.equal(sockets.all.length, 2)
})

t.test('ends after 4401 when there is no other JWT', async t => {
  const gone = build(t, { getToken: ({ reason }) => reason === 'connect' ? jwt('a') : null })
  ;(await gone.sockets.next()).admit().end(4401)
  await gone.connection.closed
  t.match(gone.connection.error, { code: 'WSA_CLIENT_ERR_UNAUTHENTICATED' })
  const without = build(t, { getToken: undefined })
  ;(await without.sockets.next()).accept().end(4401)
  t.match(without.connection, { status: 'closed', error: { code: 'WSA_CLIENT_ERR_UNAUTHENTICATED', closeCode: 4401 } })
})

t.test('forgets the rejected JWT when a connection opens', async t => {
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

t.test('gives up an attempt at its deadline', async t => {
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
  t.same(mute.sockets.all, [], 'a late answer is not used')

  for (const far of [(socket: FakeSocket) => socket, (socket: FakeSocket) => socket.accept()]) {
    const { connection, sockets } = build(t, { timeout: 20, reconnect: { min: 4 } })
    const socket = far(await sockets.next())
    t.match(await until(connection, 'waiting'), { error: { code: 'WSA_CLIENT_ERR_TIMEOUT' } })
    t.ok(socket.closing)
    socket.accept().say('late')
    t.equal(connection.status, 'waiting', 'an abandoned socket is ignored')
  }
})

t.test('reconnect decides which end is final', async t => {
  const never = await open(t, { reconnect: false })
  never.socket.end(1001)
  t.match(never.connection, { status: 'closed', error: { code: 'WSA_CLIENT_ERR_UNREACHABLE', closeCode: 1001, final: true } })

  const twice = build(t, { reconnect: { min: 4, attempts: 2 } })
  ;(await twice.sockets.next()).end()
  ;(await twice.sockets.next()).end()
  t.match(twice.connection, { status: 'closed', error: { code: 'WSA_CLIENT_ERR_UNREACHABLE', final: true } })

  const once = await open(t, { reconnect: { min: 4, attempts: 1 } })
  once.socket.end()
  t.equal(once.connection.status, 'waiting', 'a success resets the number of attempts')
})
