import type { CloseInfo, Connection, ConnectOptions } from '@fastify-airlock/client'
import t, { type Test } from 'tap'
import { until } from '../helpers.js'
import { bundle } from './bundle.js'
import { openBrowser, REFUSED_UPGRADE, UNAUTHORIZED } from './chromium.js'
import { startSite } from './site.js'

interface Seen extends Connection {
  /** Names and contents of the events so far; errors as their codes. */
  seen: Array<[string, unknown]>
}

declare global {
  // Of the page below.
  var start: (options?: Partial<ConnectOptions>) => Seen
  var connection: Seen
}

/** The client without React: `start` connects, as a page of the site would. */
const PAGE = await bundle(`
  import { connect } from '@fastify-airlock/client'

  const getToken = async () => await (await fetch('/token', { method: 'POST' })).text()
  globalThis.start = options => {
    const connection = connect({
      url: '/ws',
      getTicket: async ({ signal }) => fetch('/ws/ticket', { method: 'POST', headers: { authorization: 'Bearer ' + await getToken() }, signal }),
      getToken,
      ...options
    })
    const seen = []
    for (const name of ['status', 'open', 'message', 'expiring', 'refreshed', 'close', 'waiting', 'error']) {
      connection.on(name, event => seen.push([name, name === 'error' ? event.code : event]))
    }
    return globalThis.connection = Object.assign(connection, { seen })
  }`)

const chromium = await openBrowser(t)

/** A fresh page on a fresh site. */
async function openPage (t: Test, settings?: { tokenLife?: number }) {
  if (chromium === null) return null
  const site = await startSite(t, PAGE, settings)
  const context = await chromium.newContext()
  t.teardown(() => context.close())
  const watched = await chromium.newPage(context)
  await watched.page.goto(site.origin)
  return { ...site, ...watched, context }
}

for (const carrier of ['subprotocol', 'cookie', 'query'] as const) {
  t.test(`through both doors with the ticket as ${carrier}, and text and bytes come back`, async t => {
    const opened = await openPage(t)
    if (opened === null) return
    const { page, count, closes, urls, problems } = opened
    const result = await page.evaluate(async carrier => {
      const connection = start({ carrier })
      connection.send({ said: 'grüße' })
      connection.send(new Uint8Array([1, 2, 3]))
      const received: unknown[] = []
      for await (const message of connection) {
        received.push(message instanceof ArrayBuffer ? [...new Uint8Array(message)] : message)
        if (received.length === 2) break
      }
      const { status, user, protocol } = connection
      connection.close()
      return { received, status, user, protocol, end: await connection.closed, cookie: document.cookie }
    }, carrier)
    t.strictSame(result, {
      received: [{ said: 'grüße' }, [1, 2, 3]],
      status: 'open',
      user: { id: 'alice' },
      protocol: 'airlock.v1',
      end: { code: 1000, reason: '', willReconnect: false },
      cookie: ''
    })
    t.match(count, { tickets: 1, upgrades: 1 })
    t.equal(urls.filter(url => url.includes('ticket=')).length, carrier === 'query' ? 1 : 0)
    t.notMatch(urls.join(' '), /eyJ/, 'no JWT in any URL')
    await until(() => closes.length === 1)
    t.same(closes, [1000])
    t.same(problems, [], 'the console is clean')
  })
}

t.test('without a network it tries slowly, and is back with a new ticket as soon as there is one', async t => {
  const opened = await openPage(t)
  if (opened === null) return
  const { page, context, count, sockets } = opened
  await page.evaluate(async () => await start({ reconnect: { min: 1, max: 600_000 } }).ready())
  await context.setOffline(true)
  for (const socket of sockets) socket.terminate()
  await page.waitForFunction(() => connection.seen.some(([name, event]) => name === 'waiting' && (event as { delay: number }).delay >= 300_000))
  const before = { ...count }
  t.equal(await page.evaluate(() => connection.status), 'waiting')
  await context.setOffline(false)
  await page.evaluate(async () => await connection.ready())
  t.match(count, { tickets: before.tickets + 1, upgrades: before.upgrades + 1 })
  t.equal(sockets.size, 1)
})

t.test('when the browser errs about the network, as it may for this machine, attempts go on and get through', async t => {
  const opened = await openPage(t)
  if (opened === null) return
  const { page, count, sockets } = opened
  await page.evaluate(async () => {
    Object.defineProperty(navigator, 'onLine', { value: false })
    await start({ reconnect: { min: 1, max: 400 } }).ready()
  })
  t.match(count, { tickets: 1, upgrades: 1 }, 'the first as well')
  for (const socket of sockets) socket.terminate()
  await page.waitForFunction(() => connection.seen.filter(([name]) => name === 'open').length === 2)
  const delays = await page.evaluate(() => connection.seen.flatMap(([name, event]) => name === 'waiting' ? [(event as { delay: number }).delay] : []))
  t.equal(delays.length, 1)
  t.ok(delays[0]! >= 200 && delays[0]! <= 400, `${delays[0]}`)
  t.match(count, { tickets: 2, upgrades: 2 })
})

t.test('relative URLs resolve as those of fetch and WebSocket', async t => {
  const opened = await openPage(t)
  if (opened === null) return
  const { page, urls } = opened
  await page.evaluate(() => {
    history.replaceState(null, '', '/users/42')
    document.head.innerHTML = '<base href="/deep/er/">'
    for (const url of ['ws', '../ws', '/ws', '?a']) {
      new WebSocket(url).close()
      start({ url, getTicket: undefined, reconnect: false })
    }
  })
  const asked = () => urls.filter(url => url.startsWith('ws')).map(url => url.replace(/^ws:..[^/]*/, '')).sort()
  await until(() => asked().length === 8)
  t.same(asked(), ['/deep/er/?a', '/deep/er/?a', '/deep/er/ws', '/deep/er/ws', '/deep/ws', '/deep/ws', '/ws', '/ws'])
})

t.test('when the network changes under an open socket, the socket is probed', async t => {
  const opened = await openPage(t)
  if (opened === null) return
  const { page, context, count, problems } = opened
  await page.evaluate(async () => await start().ready())
  const { tokens } = count
  await context.setOffline(true)
  await context.setOffline(false)
  await page.waitForFunction(() => connection.seen.some(([name]) => name === 'refreshed'))
  t.match(count, { tickets: 1, upgrades: 1, tokens: tokens + 1 }, 'it was alive')
  t.same(problems, [])
})

t.test('a wait ends when the page is looked at again', async t => {
  const opened = await openPage(t)
  if (opened === null) return
  const { page, count, site } = opened
  site.ticketStatus = 500
  await page.evaluate(() => { start({ reconnect: { min: 600_000, max: 600_000 }, random: () => 0.9 }) })
  await page.waitForFunction(() => connection.seen.some(([name]) => name === 'waiting'))
  t.equal(count.tickets, 1)
  site.ticketStatus = 201
  // Headless pages are never hidden.
  await page.evaluate(async () => {
    for (const state of ['hidden', 'visible']) {
      Object.defineProperty(document, 'visibilityState', { value: state, configurable: true })
      document.dispatchEvent(new Event('visibilitychange'))
    }
    await connection.ready()
  })
  t.match(count, { tickets: 2, upgrades: 1 })
})

t.test('a JWT that is about to expire is renewed on the same socket, for as long as it takes', async t => {
  const opened = await openPage(t, { tokenLife: 2 })
  if (opened === null) return
  const { page, count, problems } = opened
  await page.evaluate(async () => await start().ready())
  await page.waitForFunction(() => connection.seen.filter(([name]) => name === 'refreshed').length === 3)
  const names = await page.evaluate(() => connection.seen.map(([name]) => name).filter(name => name !== 'status'))
  t.same(names.slice(0, 7), ['open', 'expiring', 'refreshed', 'expiring', 'refreshed', 'expiring', 'refreshed'])
  t.match(count, { tickets: 1, upgrades: 1 })
  t.same(problems, [])
})

t.test('an AbortSignal ends it', async t => {
  const opened = await openPage(t)
  if (opened === null) return
  const { page, count, closes, problems } = opened
  const { ends, error } = await page.evaluate(async () => {
    const ends: CloseInfo[] = []
    const controller = new AbortController()
    const connection = start({ signal: controller.signal })
    await connection.ready()
    controller.abort()
    ends.push(await connection.closed)
    ends.push(await start({ signal: AbortSignal.abort() }).closed)
    return { ends, error: connection.error }
  })
  t.match(ends, [{ code: 1000, willReconnect: false }, { willReconnect: false }])
  t.equal(error, null)
  t.match(count, { tickets: 1, upgrades: 1 }, 'what was aborted before it began asked for nothing')
  await until(() => closes.length === 1)
  t.same(problems, [])
})

t.test('refused and unreachable are told apart', async t => {
  const opened = await openPage(t)
  if (opened === null) return
  const { page, count, site, problemsBesides } = opened

  site.ticketStatus = 401
  t.equal(await page.evaluate(async () => await start().closed.then(() => connection.error?.code)), 'WSA_CLIENT_ERR_UNAUTHENTICATED')
  site.ticketStatus = 403
  t.equal(await page.evaluate(async () => await start().closed.then(() => connection.error?.code)), 'WSA_CLIENT_ERR_FORBIDDEN')
  t.match(count, { tickets: 2, upgrades: 0 }, 'one question each')

  // The ticket is fine, and the upgrade refused: which the browser does not show.
  site.ticketStatus = 201
  await page.evaluate(() => { start({ url: '/ws/foreign', reconnect: { min: 600_000, max: 600_000 }, random: () => 0.9 }) })
  await page.waitForFunction(() => connection.seen.filter(([name]) => name === 'waiting').length === 2)
  t.match(count, { tickets: 4, upgrades: 2 }, 'once more at once with a new ticket, then it waits')
  t.same(await page.evaluate(() => connection.seen.flatMap(([name, event]) => name === 'close' ? [(event as CloseInfo).code] : [])), [1006, 1006])
  t.same(problemsBesides(REFUSED_UPGRADE, UNAUTHORIZED, /status of 403/), [])
})
