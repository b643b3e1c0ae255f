import t from 'tap'
import { startDemo } from '../demo.js'
import { openBrowser } from './chromium.js'
import { keepsSecrets, pageOf, takePicture, visit } from './visit.js'

t.test('an admin resets a kiosk, there or away, and throws its user out', async t => {
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
  const order = async (): Promise<void> => {
    for (const index of [0, 1, 0]) await products.nth(index).click()
    t.equal(await count.getAttribute('data-count'), '3')
  }
  const position = (offset: number) => kiosk.locator(`[data-position="${offset}"]`)
  const note = kiosk.locator('.reset-note')
  await order()
  await position(0).waitFor()
  await kiosk.getByText('subscribed, was never away').waitFor()
  await takePicture(t, kiosk, 'kiosk')

  await visit(office, demo.url)
  const { button, login } = pageOf(office.page)
  await login('Admin')
  await button('Reset kiosks').click()
  await office.page.getByText('Reset 1 kiosk on this node').waitFor()
  await kiosk.getByText(/^Reset by an admin at \d\d:\d\d:\d\d$/).waitFor()
  t.equal(await count.getAttribute('data-count'), '0')
  await position(1).waitFor()

  const cut = kiosk.getByRole('button', { name: 'Cut my network' })
  const mend = kiosk.getByRole('button', { name: 'Give my network back' })
  const connected = async (): Promise<number> => (await (await fetch(`${demo.url}/healthz`)).json() as { connections: number }).connections
  t.equal(await connected(), 1)
  await order()
  await cut.click()
  await kiosk.getByText('network cut', { exact: false }).first().waitFor()
  while (await connected() > 0) await new Promise(resolve => setTimeout(resolve, 20))
  t.pass('the socket is really gone')
  await kiosk.getByText('not subscribed').waitFor()
  const upgrades = shop.urls.filter(url => url.startsWith('ws')).length
  for (let n = 0; n < 2; n++) {
    await button('Reset kiosks').click()
    await office.page.getByText('Reset 0 kiosks on this node').waitFor()
  }
  t.equal(await count.getAttribute('data-count'), '3', 'it knows of nothing')
  t.equal(shop.urls.filter(url => url.startsWith('ws')).length, upgrades, 'and does not come back by itself')

  await mend.click()
  await kiosk.getByText(/^Reset by an admin at \d\d:\d\d:\d\d, while this kiosk was away$/).waitFor()
  t.equal(await count.getAttribute('data-count'), '0')
  await position(3).waitFor()
  await kiosk.getByText('back, and nothing was missed').waitFor()

  await order()
  t.equal(await note.innerText(), '')
  await cut.click()
  await kiosk.getByText('not subscribed').waitFor()
  await mend.click()
  await kiosk.getByText('back, and nothing was missed').waitFor()
  t.equal(await count.getAttribute('data-count'), '3', 'what it had is not done again')
  t.equal(await note.innerText(), '')

  await office.page.getByLabel('User', { exact: true }).fill('bob')
  await button('Disconnect user').click()
  await office.page.getByText('Closed 1 socket of bob').waitFor()
  await kiosk.locator('[data-status=closed]').waitFor()
  t.pass('the kiosk is out')
  t.same([...office.problems, ...shop.problems], [], 'the console is clean')
  await keepsSecrets(t, shop, demo.url)
})
