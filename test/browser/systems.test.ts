import t from 'tap'
import { startDemo } from '../demo.js'
import { openBrowser } from './chromium.js'
import { keepsSecrets, pageOf, visit } from './visit.js'

t.test('a person in a browser: an external token, and the upstream', async t => {
  const chromium = await openBrowser(t)
  if (chromium === null) return
  const demo = await startDemo(t)
  const watched = await chromium.newPage()
  const { page, problems } = watched
  await visit(watched, demo.url)
  const { button, entries, login } = pageOf(page)

  await button('Get token').click()
  await page.getByText('It is in a cookie that this page cannot read').waitFor()
  await button('Who am I?').click()
  await page.getByText('HTTP says: Bob').waitFor()
  await button('Connect to /ws/external').click()
  await page.getByText('The socket says: Bob').waitFor()
  await button('Ask the socket').click()
  await entries('in', '{"type":"whoami","userInfo":{"id":"bob"').waitFor()
  await button('Revoke').click()
  await entries('bad', '4403').waitFor()
  t.pass('the revoked token has closed its socket')

  t.ok(await button('Connect to /ws/upstream').isDisabled(), 'not without a session')
  await login('Alice')
  await button('Connect to /ws/upstream').click()
  await page.getByText('connected to the upstream').waitFor()
  await button('Echo').click()
  await page.getByText('The upstream answers: hello, upstream').waitFor()
  await button('Call /api/hello').click()
  const answer = page.getByText('Hello from the upstream')
  await answer.waitFor()
  t.match(await answer.innerText(), /x-api-key/, 'the key was there')
  t.same(problems, [], 'the console is clean')
  await keepsSecrets(t, watched, demo.url)
})
