import axe, { type AxeResults } from 'axe-core'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { startDemo } from '../demo.js'
import { chatOf, startChat, visitChat } from './chat.js'
import { openBrowser, type Watched } from './chromium.js'
import { pageOf, visit } from './visit.js'

const SCHEMES = ['light', 'dark'] as const

// Two of them wait for a ticket to expire.
t.jobs = 2

const chromium = await openBrowser(t)
if (chromium !== null) {
  const demo = await startDemo(t, { AUTH_TIMEOUT_MS: '1500', TICKET_TTL_MS: '3000' })
  // Without motion nothing is measured on its way from one colour to another.
  const open = async (path: string, width: number): Promise<Watched> => {
    const watched = await chromium.newPage(await chromium.newContext({ viewport: { width, height: 800 }, reducedMotion: 'reduce' }))
    await visit(watched, demo.url + path)
    return watched
  }

  t.test('the page, from the login to a break-in', { buffered: true }, async t => {
    const { page } = await open('/', 1280)
    const { button, userButton, login, connect, entries, allHeld } = pageOf(page)
    await userButton('Alice').waitFor()
    await isAccessible(t, page, 'logged out')
    await isReadableUnderThePointer(t, page, 'logged out')
    await login('Alice')
    await isAccessible(t, page, 'logged in')
    await connect()
    await entries('in', 'tick').first().waitFor()
    await isAccessible(t, page, 'connected')
    await isReadableUnderThePointer(t, page, 'connected')
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
    await isReadableUnderThePointer(t, page, 'an order')
    t.equal(await page.getByRole('heading', { level: 1 }).count(), 1)
  })

  t.test('the chat, connected and not', { buffered: true }, async t => {
    const chat = await startChat(t)
    const enter = async (width: number): Promise<ReturnType<typeof chatOf> & Watched> => {
      const watched = await chromium.newPage(await chromium.newContext({ viewport: { width, height: 800 }, reducedMotion: 'reduce' }))
      await visitChat(watched, chat.url)
      const { page } = watched
      await page.getByLabel('Name').waitFor()
      await isAccessible(t, page, 'logged out')
      await fits(t, page, 'logged out')
      await chatOf(page).enter('alice')
      return { ...watched, ...chatOf(page) }
    }
    const [wide, narrow] = [await enter(1280), await enter(360)]
    for (let n = 0; n < 30; n++) await wide.say(`${n} ${'a long message '.repeat(n)}`)
    for (const device of [wide, narrow]) {
      await device.lines.nth(29).waitFor()
      await device.isHere('alice (you) 2 devices')
      await isAccessible(t, device.page, 'connected')
      await isReadableUnderThePointer(t, device.page, 'connected')
      await fits(t, device.page, 'connected')
    }
    await chat.stop('SIGKILL')
    for (const device of [wide, narrow]) {
      await device.say('y'.repeat(500))
      await device.region.getByText('Sending…').waitFor()
      await device.connection('waiting').waitFor()
      await isAccessible(t, device.page, 'lost')
      await fits(t, device.page, 'lost')
      t.equal(await device.page.getByRole('heading', { level: 1 }).count(), 1)
    }
  })

  t.test('on 360 pixels, nothing has to be scrolled sideways', { buffered: true }, async t => {
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
  await page.evaluate(axe.source)
  for (const colorScheme of SCHEMES) {
    await page.emulateMedia({ colorScheme })
    const found = describe(await page.evaluate<AxeResults>('axe.run(document)'))
    t.same(found, [], `${state}, ${colorScheme}`)
  }
}

/** One button and one link of each kind, while the pointer is on it. */
async function isReadableUnderThePointer (t: Test, page: Page, state: string): Promise<void> {
  await page.evaluate(axe.source)
  const controls = page.locator('button:enabled:visible, a:visible, label:has(input[type=radio]):visible')
  const kinds = await controls.evaluateAll(elements => elements.map(element =>
    `${element.tagName}.${element.className} in ${element.parentElement?.className}`))
  t.ok(kinds.length > 0)
  for (const colorScheme of SCHEMES) {
    await page.emulateMedia({ colorScheme })
    for (const [index, kind] of kinds.entries()) {
      if (kinds.indexOf(kind) !== index) continue
      const control = controls.nth(index)
      await control.hover()
      const results = await control.evaluate(async element => await (globalThis as unknown as { axe: typeof axe }).axe.run(element, { runOnly: 'color-contrast' }))
      t.same(describe(results), [], `${state}, ${colorScheme}: ${kind}`)
    }
  }
}

/** What would keep somebody out. */
function describe ({ violations, incomplete }: AxeResults): string[] {
  const found = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
  // Words in the colour of what is behind them may be hidden on purpose, so axe-core leaves the verdict to others.
  const invisible = incomplete.filter(({ nodes }) => nodes.some(({ any }) => any.some(({ data }) => data?.messageKey === 'equalRatio')))
  return [...found, ...invisible].map(({ id, nodes }) =>
    `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('; ')}`)
}

async function fits (t: Test, page: Page, state: string): Promise<void> {
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth] as const)
  t.ok(content <= window, `${state}: ${content} of ${window} pixels`)
}
