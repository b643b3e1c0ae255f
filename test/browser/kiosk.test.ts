import t from 'tap'
import { startDemo } from '../demo.js'
import { openBrowser } from './chromium.js'
import { keepsSecrets, pageOf, takePicture, visit } from './visit.js'

t.test('an admin resets a kiosk, and throws its user out', async t => {
  const chromium = await openBrowser(t)
  if (chromium === null) return
  const demo = await startDemo(t)
  const office = await chromium.newPage()
  const shop = await chromium.newPage(await chromium.newContext({ viewport: { width: 1280, height: 720 }, colorScheme: 'light', reducedMotion: 'reduce' }))

  const kiosk = shop.page
  await visit(shop, `${demo.url}/kiosk`)
  await pageOf(kiosk).userButton('Bob').click()
  await kiosk.locator('[data-status=open]').waitFor()
  const count = kiosk.locator('[data-count]')
  const products = kiosk.getByRole('button', { name: /^Add / })
  t.ok(await products.count() > 1)
  await products.nth(0).click()
  await products.nth(1).click()
  await products.nth(0).click()
  t.equal(await count.getAttribute('data-count'), '3')
  await takePicture(t, kiosk, 'kiosk')

  await visit(office, demo.url)
  const { button, login } = pageOf(office.page)
  await login('Admin')
  await button('Reset kiosks').click()
  await office.page.getByText('Reset 1 kiosk on this node').waitFor()
  await kiosk.getByText(/Reset by an admin at \d\d:\d\d:\d\d/).waitFor()
  t.equal(await count.getAttribute('data-count'), '0')

  await office.page.getByLabel('User', { exact: true }).fill('bob')
  await button('Disconnect user').click()
  await office.page.getByText('Closed 1 socket of bob').waitFor()
  await kiosk.locator('[data-status=closed]').waitFor()
  t.pass('the kiosk is out')
  t.same([...office.problems, ...shop.problems], [], 'the console is clean')
  await keepsSecrets(t, shop, demo.url)
})
