import t from 'tap'
import { openBrowser } from './browser/chromium.js'
import { startDemo } from './demo.js'

t.test('a person in a browser: an external token, and the upstream', async t => {
  const chromium = await openBrowser(t)
  if (chromium === null) return
  const demo = await startDemo(t)
  const { page, problems } = await chromium.newPage()
  await page.goto(demo.url)
  const button = (name: string) => page.getByRole('button', { name, exact: true })
  const log = page.getByRole('log')
  const external = page.locator('#external-state')
  const upstream = page.locator('#upstream-state')

  await button('Log in there').click()
  await external.getByText('The cookie ext_token is set').waitFor()
  await button('Who am I?').click()
  await external.getByText('Bob').waitFor()
  await button('Connect /ws/external').click()
  await external.getByText('Connected').waitFor()
  await button('Ask the socket').click()
  await log.getByText('{"type":"whoami","userInfo":{"id":"bob"').waitFor()
  await button('Revoke').click()
  await log.getByText('closed: 4403 token revoked').waitFor()
  t.pass('the revoked token has closed its socket')

  t.ok(await button('Connect /ws/upstream').isDisabled(), 'not without a session')
  await button('alice').click()
  await page.getByText('Logged in as', { exact: false }).first().waitFor()
  await button('Connect /ws/upstream').click()
  await upstream.getByText('connected with the upstream').waitFor()
  await button('Echo').click()
  await log.getByText('{"type":"echo","data":"hello, upstream"}').nth(1).waitFor()
  await button('GET /api/hello').click()
  await upstream.getByText('Hello from the upstream').waitFor()
  t.match(await upstream.innerText(), /x-api-key/, 'the key was there')
  t.same(problems, [], 'the console is clean')
})
