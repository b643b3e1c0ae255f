import axe, { type AxeResults } from 'axe-core'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { startDemo } from '../demo.js'
import { openBrowser, type Watched } from './chromium.js'
import { pageOf, visit } from './visit.js'

const SCHEMES = ['light', 'dark'] as const

const chromium = await openBrowser(t)
if (chromium !== null) {
  const demo = await startDemo(t, { AUTH_TIMEOUT_MS: '1500', TICKET_TTL_MS: '3000' })
  // Without motion nothing is measured on its way from one colour to another.
  const open = async (path: string, width: number): Promise<Watched> => {
    const watched = await chromium.newPage(await chromium.newContext({ viewport: { width, height: 800 }, reducedMotion: 'reduce' }))
    await visit(watched, demo.url + path)
    return watched
  }

  t.test('the page, from the login to a break-in', async t => {
    const { page } = await open('/', 1280)
    const { button, userButton, login, connect, entries, allHeld } = pageOf(page)
    await userButton('Alice').waitFor()
    await isAccessible(t, page, 'logged out')
    await login('Alice')
    await isAccessible(t, page, 'logged in')
    await connect()
    await entries('in', 'tick').first().waitFor()
    await isAccessible(t, page, 'connected')
    await button('Try all').click()
    await allHeld(16)
    await isAccessible(t, page, 'after a break-in')
    t.equal(await page.getByRole('heading', { level: 1 }).count(), 1)
  })

  t.test('the kiosk', async t => {
    const { page } = await open('/kiosk', 1280)
    const { userButton } = pageOf(page)
    await userButton('Alice').waitFor()
    await isAccessible(t, page, 'logged out')
    await userButton('Alice').click()
    await page.locator('[data-status=open]').waitFor()
    await page.getByRole('button', { name: /^Add / }).first().click()
    await isAccessible(t, page, 'an order')
    t.equal(await page.getByRole('heading', { level: 1 }).count(), 1)
  })

  t.test('on 360 pixels, nothing has to be scrolled sideways', async t => {
    const { page } = await open('/', 360)
    const { button, userButton, login, connect, entries, allHeld } = pageOf(page)
    await userButton('Alice').waitFor()
    await fits(t, page, 'logged out')
    await login('Admin')
    await connect()
    await entries('in', 'tick').first().waitFor()
    await fits(t, page, 'connected')
    await button('Try all').click()
    await allHeld(15)
    await fits(t, page, 'after a break-in')
    await isAccessible(t, page, 'narrow')

    const kiosk = await open('/kiosk', 360)
    await pageOf(kiosk.page).userButton('Bob').click()
    await kiosk.page.locator('[data-status=open]').waitFor()
    await fits(t, kiosk.page, 'kiosk')
  })
}

/** axe-core finds nothing that would keep somebody out, in light and in dark. */
async function isAccessible (t: Test, page: Page, state: string): Promise<void> {
  for (const colorScheme of SCHEMES) {
    await page.emulateMedia({ colorScheme })
    await page.evaluate(axe.source)
    const { violations } = await page.evaluate<AxeResults>('axe.run(document, { resultTypes: ["violations"] })')
    const found = violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('; ')}`)
    t.same(found, [], `${state}, ${colorScheme}`)
  }
}

async function fits (t: Test, page: Page, state: string): Promise<void> {
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth] as const)
  t.ok(content <= window, `${state}: ${content} of ${window} pixels`)
}
