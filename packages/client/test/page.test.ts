import t from 'tap'
import { build, clock, fakes, jwt, open, until, virtual } from './helpers.js'
import { page } from './page.js'

t.test('accepts a URL relative to the page, as fetch and WebSocket do', async t => {
  for (const [base, url, expected] of [
    ['', '/ws?a=1', 'wss://app.test/ws?a=1'], ['', 'ws', 'wss://app.test/users/ws'],
    ['<base href="/">', 'ws', 'wss://app.test/ws'], ['<base href="/a/b/">', '../ws', 'wss://app.test/a/ws'],
    ['<base href="/a/">', '/ws', 'wss://app.test/ws'], ['<base href="http://other.test/a/">', 'ws', 'ws://other.test/a/ws'],
    ['<base href="/a/">', '//third.test/ws', 'wss://third.test/ws'], ['<base href="/a/">', '?b', 'wss://app.test/a/?b']
  ]) {
    t.test(`${base} ${url}`, async t => {
      page(t, 'https://app.test/users/42', base)
      t.equal((await build(t, { url: url as string }).sockets.next()).url, expected)
    })
  }
  t.test('in a worker, which has no document', async t => {
    t.intercept(globalThis, 'location' as never, { value: { href: 'https://app.test/scripts/worker.js' } })
    t.equal((await build(t, { url: 'ws' }).sockets.next()).url, 'wss://app.test/scripts/ws')
  })
})

t.test('sets the cookie for the upgrade, and then removes it', async t => {
  const { document, window } = page(t, 'https://app.test/ws/page')
  const set: string[] = []
  const cookie = Object.getOwnPropertyDescriptor(window.Document.prototype, 'cookie') as PropertyDescriptor
  Object.defineProperty(document, 'cookie', {
    get: () => cookie.get?.call(document),
    set: value => {
      set.push(value)
      cookie.set?.call(document, value)
    }
  })
  const { sockets, connection } = build(t, { carrier: 'cookie', url: '/ws', ticketName: 'key' })
  const socket = await sockets.next()
  t.same(set, ['key=ticket-0; Path=/ws; SameSite=Strict; Secure; Max-Age=30'])
  t.equal(document.cookie, 'key=ticket-0')
  t.same(socket.protocols, ['airlock.v1'])
  socket.accept()
  t.equal(document.cookie, '')
  t.equal(set.at(-1), 'key=; Path=/ws; SameSite=Strict; Secure; Max-Age=0')
  socket.end()
  const next = await sockets.next()
  t.match(document.cookie, /^key=ticket-[12]$/)
  connection.close()
  t.equal(document.cookie, '')
  t.ok(next.closing)
})

t.test('sets no secure cookie on a page without TLS', async t => {
  const { document } = page(t, 'http://app.test/')
  const { sockets } = build(t, { carrier: 'cookie', url: '/' })
  await sockets.next()
  t.equal(document.cookie, 'ticket=ticket-0')
})

t.test('goes on at the slowest pace when the browser says that there is no network', async t => {
  const window = page(t)
  const { connection, sockets, seen } = build(t, { reconnect: { min: 4, max: 40 } })
  window.offline()
  ;(await sockets.next()).end()
  t.match(seen.at(-1), ['waiting', { delay: 30, attempt: 1 }], 'not even at once with a new ticket')
  ;(await sockets.next()).admit()
  t.equal(connection.status, 'open', 'the server was reachable all the time')
})

t.test('a wait ends when the network returns or the page becomes visible', async t => {
  const window = page(t)
  for (const wake of [() => { window.online() }, () => { window.turn('hidden'); window.turn('visible') }]) {
    const { connection, sockets } = build(t, { getTicket: undefined, reconnect: { min: 60_000, max: 60_000 } })
    ;(await sockets.next()).end()
    t.equal(connection.status, 'waiting')
    wake()
    wake()
    await sockets.next()
    t.equal(sockets.all.length, 2)
    connection.close()
  }
})

t.test('an attempt begins anew when the network returns, or the page was hidden for more than 2 s of it', async t => {
  let now = 1_000_000
  t.intercept(Date, 'now', { value: () => now })
  const window = page(t)
  const hide = (ms: number) => () => {
    window.turn('hidden')
    now += ms
    window.turn('visible')
  }
  for (const [wake, sockets] of [[() => { window.online() }, 2], [hide(2_000), 1], [hide(2_001), 2]] as const) {
    for (const upgraded of [false, true]) {
      const built = build(t)
      const first = await built.sockets.next()
      if (upgraded) first.accept()
      const before = built.tickets()
      wake()
      await new Promise(resolve => { setImmediate(resolve) })
      t.equal(built.sockets.all.length, sockets)
      t.equal(built.tickets() - before, sockets - 1, 'with a new ticket')
      t.equal(first.closing !== undefined, sockets === 2)
      built.sockets.all.at(-1)?.admit()
      t.equal(built.connection.status, 'open')
      t.same(built.seen.filter(([name]) => name === 'close' || name === 'error'), [])
      built.connection.close()
    }
  }
})

t.test('but it lasts as long as the server asked for', async t => {
  const window = page(t)
  const { connection, sockets } = build(t, { reconnect: { min: 60_000, max: 60_000 } })
  const before = performance.now()
  ;(await sockets.next()).admit().end(1012, '{"retryAfter":80}')
  window.online()
  window.online()
  await until(connection, 'status')
  t.ok(performance.now() - before >= 79, `${performance.now() - before}`)
})

t.test('probes a socket that may be dead', async t => {
  const window = page(t)
  const time = clock(t)
  let now = 1_000_000
  t.intercept(Date, 'now', { value: () => now })
  let tokens = 0
  const { connection, socket, sockets } = await open(t, { getToken: () => jwt(`${tokens++}`), timeout: 300 })
  const sent = (count: number): Promise<void> => new Promise(resolve => {
    socket.send = data => { if (socket.sent.push(data) === count) resolve() }
  })
  let next = sent(2)
  window.online()
  window.online()
  await next
  socket.say({ type: 'refresh_ok', expiresAt: 1 })
  window.online()
  t.equal(tokens, 2, 'at most once a second')

  time.ahead += 2_000
  window.turn('hidden')
  now += 60_000
  window.turn('visible')
  await new Promise(resolve => { setImmediate(resolve) })
  t.equal(tokens, 2, 'not after a short time in the background')
  next = sent(3)
  window.turn('hidden')
  now += 60_001
  window.turn('visible')
  await next
  t.equal(connection.status, 'open')
  t.match(await until(connection, 'waiting'), { error: { code: 'WSA_CLIENT_ERR_TIMEOUT' } }, 'no answer')
  await sockets.next()
})

t.test('a socket that was dead before the page woke is replaced within 2 s, whatever the back-off', async t => {
  const reconnect = { min: 60_000, max: 60_000 }
  type Woken = Awaited<ReturnType<typeof open>> & { clock: ReturnType<typeof virtual> }
  for (const [name, die] of Object.entries({
    'closed while the page was frozen': ({ socket }: Woken) => { socket.end() },
    // Its timers are late, as those of a hidden page.
    silent: ({ clock }: Woken) => { clock.pass(1_000) }
  })) {
    for (const wake of ['online', 'visible'] as const) {
      await t.test(`${name}, ${wake}`, async t => {
        const window = page(t)
        const built = await open(t, { reconnect, random: () => 0.9 })
        built.socket.end(1001)
        t.equal(built.connection.status, 'waiting')
        window.online()
        const socket = (await built.sockets.next()).accept()
        const clock = virtual(t)
        socket.say({ type: 'auth_ok', user: { id: 'alice' }, expiresAt: 1e15, alive: 25_000 })
        clock.pass(59_999, 60_000)
        if (wake === 'online') window.online()
        else {
          window.turn('hidden')
          window.turn('visible')
        }
        clock.pass(0)
        die({ ...built, socket, clock })
        clock.pass(0)
        t.match(built.seen.findLast(([name]) => name === 'waiting'), ['waiting', { delay: 0 }])
        const next = (await built.sockets.next()).accept()
        next.say({ type: 'auth_ok', user: { id: 'alice' }, expiresAt: 1e15 })
        t.equal(built.connection.status, 'open')
        next.end()
        t.match(built.seen.at(-1), ['waiting', { delay: 54_000 }], 'once')
      })
    }
  }
})

t.test('but a server that asked to wait is given its time, and a socket that ends later is no such socket', async t => {
  const window = page(t)
  const time = clock(t)
  for (const [passed, code, reason, delay] of [[0, 1012, '{"retryAfter":70000}', 70_000], [1_999, 1006, '', 0], [2_001, 1006, '', 54_000]] as const) {
    const { socket, seen, connection } = await open(t, { reconnect: { min: 60_000, max: 60_000 }, random: () => 0.9 })
    window.online()
    time.ahead += passed
    socket.end(code, reason)
    t.match(seen.at(-1), ['waiting', { delay }], `${passed} ${code}`)
    connection.close()
  }
})

t.test('a page that opened in the background was hidden for long', async t => {
  const window = page(t)
  let asked = 0
  const { connection, socket } = await open(t, { getToken: () => jwt(`${asked++}`) })
  const probed = until(connection, 'refreshed')
  socket.send = () => { socket.say({ type: 'refresh_ok', expiresAt: 1 }) }
  window.turn('visible')
  await probed
  t.equal(asked, 2, 'the connection is probed')
  t.equal(connection.status, 'open')
})

t.test('does not probe without JWTs', async t => {
  const window = page(t)
  const { socket, seen } = await open(t, { getToken: undefined })
  window.online()
  await new Promise(resolve => { setImmediate(resolve) })
  t.same(socket.sent, [])
  t.notOk(seen.some(([name]) => name === 'error'))
})

t.test('a probe that gets no JWT does not end the connection', async t => {
  const window = page(t)
  let calls = 0
  const { connection } = await open(t, { getToken: () => { if (calls++ > 0) throw new Error('down'); return jwt('1') } })
  window.online()
  t.match(await until(connection, 'error'), { code: 'WSA_CLIENT_ERR_UNREACHABLE', final: false })
  t.equal(connection.status, 'open')
})

t.test('removes its listeners from the page at the end', async t => {
  const { listening } = page(t)
  const { connection } = build(t)
  t.equal(listening(), 2)
  connection.close()
  t.equal(listening(), 0)
  t.same(fakes().all, [])
})
