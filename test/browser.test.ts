import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { openBrowser } from './browser/chromium.js'
import { startDemo } from './demo.js'

/** Refused upgrades are errors on the console whatever the page does, since the browser itself reports them. */
const REFUSED_UPGRADE = /WebSocket connection to .* failed/

t.test('a person in a browser: log in, pass both doors, talk, be refused, log out', async t => {
  const chromium = await openBrowser(t)
  if (chromium === null) return
  const demo = await startDemo(t, { AUTH_TIMEOUT_MS: '800', TICKET_TTL_MS: '2000' })
  const { page, problems } = await chromium.newPage()
  await page.goto(demo.url)
  const button = (name: string) => page.getByRole('button', { name, exact: true })
  const log = page.getByRole('log')
  const door = page.locator('#door')

  await button('admin').click()
  await page.getByText('Logged in as', { exact: false }).first().waitFor()

  for (const carrier of ['subprotocol', 'cookie', 'URL']) {
    await page.getByLabel(carrier).check()
    await button('All three').click()
    await door.getByText('Through both doors').waitFor()
    t.pass(`connected with the ticket as ${carrier}`)
    if (carrier !== 'URL') {
      await button('Close').click()
      await door.getByText('Closed with 1000').waitFor()
    }
  }

  await log.getByText('{"type":"tick","n":1}').first().waitFor()
  await page.getByLabel('Echo to me').fill('grüße')
  await button('Send').click()
  await log.getByText('{"type":"echo","data":"grüße"}').nth(1).waitFor()
  await button('Broadcast').click()
  await log.getByText('{"type":"broadcast","data":"hello, all"}').waitFor()
  await log.getByText('delivered to 1').waitFor()
  t.pass('individual messages, echo and broadcast')

  const attempts = page.getByRole('button', { name: /^Try: / })
  const scenarios = page.locator('#scenarios li')
  for (let i = 0; i < await attempts.count(); i++) {
    if (await attempts.nth(i).isDisabled()) continue
    const name = await scenarios.nth(i).getByRole('heading').innerText()
    await attempts.nth(i).click()
    const output = scenarios.nth(i).locator('output.good, output.bad')
    await output.waitFor({ timeout: 20_000 })
    t.match(await output.innerText(), /as expected/, name)
  }

  await button('Log out').click()
  await door.getByText('Closed with 4403').waitFor()
  t.pass('logging out closes the socket')
  t.same(problems.filter(problem => !REFUSED_UPGRADE.test(problem)), [], 'the console is clean')
})

t.test('a page of another origin gets nowhere, cookies or not', async t => {
  const chromium = await openBrowser(t)
  if (chromium === null) return
  const demo = await startDemo(t)
  const { page } = await chromium.newPage()
  await page.goto(demo.url)
  await page.getByRole('button', { name: 'alice', exact: true }).click()
  await page.getByText('Logged in as', { exact: false }).first().waitFor()

  const evil = createServer((_request, response) => response.setHeader('content-type', 'text/html').end('<!doctype html><title>evil</title>'))
  evil.listen(0, '127.0.0.1')
  await once(evil, 'listening')
  t.teardown(() => {
    evil.closeAllConnections()
    evil.close()
  })
  // Another port is another origin, though cookies do not know ports: the session's cookie comes along.
  await page.goto(`http://127.0.0.1:${(evil.address() as AddressInfo).port}`)

  const { token } = await demo.login('alice', 'wonderland')
  const { ticket } = await demo.ticket(token)
  const close = async (url: string, protocols: string[]): Promise<number> => await page.evaluate(async ([url, protocols]) => {
    const socket = new WebSocket(url as string, protocols)
    return await new Promise<number>(resolve => { socket.onclose = ({ code }) => resolve(code) })
  }, [url, protocols] as const)
  const address = demo.url.replace('http', 'ws')
  t.equal(await close(`${address}/ws/demo`, []), 1006)
  t.equal(await close(`${address}/ws/demo?ticket=${ticket}`, []), 1006, 'a stolen ticket in the URL')
  t.equal(await close(`${address}/ws/demo`, ['airlock.v1', `ticket.${ticket}`]), 1006, 'or as a subprotocol')
  t.equal(await close(`${address}/ws/bearer`, ['airlock.v1', `bearer.${token}`]), 1006, 'or a stolen JWT')
  t.equal(await close(`${address}/ws/upstream`, []), 1006, 'nor does it get through to the upstream')
  t.equal(await close(`${address}/ws/upstream`, ['airlock.v1', `ticket.${ticket}`]), 1006, 'with the stolen ticket neither')

  const minted = await page.evaluate(async url => {
    try {
      return await (await fetch(`${url}/ws/ticket`, { method: 'POST', credentials: 'include' })).text()
    } catch (error) {
      return String(error)
    }
  }, demo.url)
  t.match(minted, /Failed to fetch/, 'nor can it read a ticket')

  const socket = await demo.connect('/ws/demo', ['airlock.v1', `ticket.${ticket}`])
  t.equal(socket.socket.readyState, 1, 'the refusals have not used the ticket up')
})
