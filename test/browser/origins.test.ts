import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { startDemo } from '../demo.js'
import { openBrowser } from './chromium.js'
import { pageOf, visit } from './visit.js'

const chromium = await openBrowser(t)
const demo = await startDemo(t)

/** A page of somebody else, in the browser of Alice, who is logged in and connected in another tab. */
async function besideAlice (t: Test, host: string) {
  if (chromium === null) return null
  const context = await chromium.newContext()
  t.teardown(() => context.close())
  const alice = await chromium.newPage(context)
  await visit(alice, demo.url)
  const person = pageOf(alice.page)
  await person.login('Alice')
  await person.connect()

  const server = createServer((_request, response) => response.setHeader('content-type', 'text/html').end('<!doctype html><title>evil</title>'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const evil = await chromium.newPage(context)
  await evil.page.goto(`http://${host}:${(server.address() as AddressInfo).port}`)
  const { token } = await demo.login('alice', 'wonderland')
  return {
    token,
    alice: person,
    evil: evil.page,
    ticket: (await demo.ticket(token)).ticket,
    /** The close code of a socket that the foreign page opens. */
    open: async (path: string, protocols: string[] = []): Promise<number> => await evil.page.evaluate(async ({ url, protocols }) => {
      const socket = new WebSocket(url, protocols)
      return await new Promise<number>(resolve => { socket.onclose = ({ code }) => resolve(code) })
    }, { url: demo.url.replace('http', 'ws') + path, protocols }),
    /** What the foreign page can read of an answer. */
    read: async (path: string, init: RequestInit): Promise<string> => await evil.page.evaluate(async ({ url, init }) => {
      try {
        return await (await fetch(url, init)).text()
      } catch (error) {
        return String(error)
      }
    }, { url: demo.url + path, init })
  }
}

for (const [host, kind] of [['127.0.0.1', 'another port, to which the cookies go'], ['localhost', 'another site']] as const) {
  t.test(`a page of another origin (${kind}) gets nowhere, cookies or not`, async t => {
    const scene = await besideAlice(t, host)
    if (scene === null) return
    const { token, ticket, alice, evil, open, read } = scene

    t.equal(await open('/ws/demo'), 1006)
    t.equal(await open(`/ws/demo?ticket=${ticket}`), 1006, 'a stolen ticket in the URL')
    t.equal(await open('/ws/demo', ['airlock.v1', `ticket.${ticket}`]), 1006, 'or as a subprotocol')
    await evil.evaluate(ticket => { document.cookie = `ticket=${ticket}; Path=/ws` }, ticket)
    t.equal(await open('/ws/demo', ['airlock.v1']), 1006, 'or as a cookie')
    t.equal(await open('/ws/bearer', ['airlock.v1', `bearer.${token}`]), 1006, 'or a stolen JWT')
    t.equal(await open('/ws/upstream'), 1006, 'nor does it get through to the upstream')
    t.equal(await open('/ws/upstream', ['airlock.v1', `ticket.${ticket}`]), 1006, 'with the stolen ticket neither')
    t.equal(await open('/ws/external'), 1006)

    t.match(await read('/ws/ticket', { method: 'POST', credentials: 'include' }), /Failed to fetch/, 'nor can it read a ticket')
    t.match(await read('/session', { method: 'POST', credentials: 'include' }), /Failed to fetch/, 'or a JWT')
    t.match(await read('/me', { credentials: 'include' }), /Failed to fetch/, 'or a name')

    const socket = await demo.connect('/ws/demo', ['airlock.v1', `ticket.${ticket}`])
    t.equal(socket.socket.readyState, 1, 'the refusals have not used the ticket up')
    t.equal(await alice.status('open').count(), 1, 'and Alice has noticed nothing')
  })
}

t.test('a page of another origin changes nothing, though the cookies of the session come along', async t => {
  const scene = await besideAlice(t, '127.0.0.1')
  if (scene === null) return
  const { token, alice, evil, read } = scene
  const routes = ['/login', '/logout', '/session', '/ws/ticket', '/broadcast', '/kiosk/reset', '/admin/disconnect', '/external/login', '/external/logout', '/api/hello']

  // What a page may send without asking first: the answer is hidden from it, an effect would not be.
  const bodies = [undefined, JSON.stringify({ username: 'bob', password: 'builder', user: 'alice', data: 'evil' })]
  const refusals = () => demo.log.filter(line => line.includes('"statusCode":403') && line.includes('request completed')).length
  const before = refusals()
  for (const path of routes) {
    for (const body of bodies) {
      t.match(await read(path, { method: 'POST', credentials: 'include', mode: 'no-cors', ...(body !== undefined && { body }) }), /Failed to fetch/, path)
    }
  }
  const { status, doors, button } = alice
  t.equal(await status('open').count(), 1, 'the socket of Alice is still open')
  const echo = doors.page().getByLabel('Message to echo')
  await echo.fill('still here')
  await button('Send').click()
  await alice.entries('in', 'still here').waitFor()
  t.equal(await alice.entries('in', 'evil').count(), 0)
  await doors.page().reload()
  await button('Log out').waitFor()
  t.pass('she is still logged in')
  t.equal(refusals() - before, routes.length * bodies.length, 'the server has refused every attempt')

  // The same, where the answer can be seen.
  const origin = await evil.evaluate(() => location.origin)
  for (const path of routes) {
    const response = await fetch(demo.url + path, { method: 'POST', headers: { origin, cookie: `session=${token}` } })
    t.match(await response.json(), { statusCode: 403, code: 'WSA_DEMO_ERR_ORIGIN' }, path)
  }
})
