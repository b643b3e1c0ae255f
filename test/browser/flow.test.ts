import type { Page } from 'playwright-core'
import t from 'tap'
import { startDemo } from '../demo.js'
import { openBrowser, UNAUTHORIZED } from './chromium.js'
import { keepsSecrets, pageOf, takePicture, visit } from './visit.js'

const chromium = await openBrowser(t)
if (chromium !== null) {
  const demo = await startDemo(t)

  t.test('a person with a mouse: log in, pass both doors in three ways, talk, refresh, log out', async t => {
    const watched = await chromium.newPage(await chromium.newContext({ viewport: { width: 1280, height: 1000 }, colorScheme: 'light', reducedMotion: 'reduce' }))
    const { page, problems } = watched
    await visit(watched, demo.url)
    const { button, status, step, sentence, entries, login, isOut } = pageOf(page)

    await status('idle').waitFor()
    t.match(await sentence.innerText(), /Log in/)
    await login('Admin')
    t.equal(await step('login').getAttribute('data-state'), 'done')

    for (const carrier of ['Subprotocol', 'Cookie', 'URL']) {
      await page.getByRole('radio', { name: carrier, exact: true }).check()
      await button('Connect').click()
      await status('open').waitFor()
      for (const name of ['login', 'ticket', 'upgrade', 'auth', 'open']) {
        t.equal(await step(name).getAttribute('data-state'), 'done', `${carrier}: ${name}`)
      }
      for (const name of ['ticket', 'upgrade', 'auth']) t.match(await step(name).locator('.step-time').innerText(), /^[\d.]+ m?s$/)
      await button('Disconnect').click()
      await page.locator('#doors:not([data-status=open])').waitFor()
    }
    t.match(await page.evaluate(() => document.cookie), '', 'the cookie with the ticket is gone')

    await page.getByRole('radio', { name: 'Subprotocol', exact: true }).check()
    await page.getByLabel('Route').selectOption('/ws/admin')
    await button('Connect').click()
    await status('open').waitFor()
    t.match(await sentence.innerText(), 'You passed both doors as Admin.')
    await entries('in', '{"type":"tick","n":2}').first().waitFor()
    await page.getByLabel('Message to echo').fill('grüße')
    await button('Send').click()
    await entries('out', '{"type":"echo","data":"grüße"}').waitFor()
    await entries('in', '{"type":"echo","data":"grüße"}').waitFor()
    await button('Broadcast').click()
    await entries('in', '{"type":"broadcast","data":"hello, all"}').waitFor()
    await page.getByText('Delivered to 1 socket').waitFor()
    t.pass('ticks, echo and broadcast')
    await takePicture(t, page, 'open-light')
    await page.emulateMedia({ colorScheme: 'dark' })
    await takePicture(t, page, 'open-dark')
    await page.getByText('1 open now').waitFor()

    await button('Refresh now').click()
    await page.locator('[data-refreshed="1"]').waitFor()
    await status('open').waitFor()

    await page.getByRole('checkbox', { name: 'Ticks' }).uncheck()
    t.equal(await entries('in', '"tick"').count(), 0, 'ticks can be hidden')
    await keepsSecrets(t, watched, demo.url)
    await button('Clear').click()
    t.equal(await entries('in', 'echo').count(), 0)

    await button('Log out').click()
    await isOut()
    await page.locator('#doors:not([data-status=open])').waitFor()
    await entries('bad', '4410').waitFor()
    t.same(problems, [], 'the console is clean')
    await keepsSecrets(t, watched, demo.url)
  })

  t.test('the theme that was chosen stays', async t => {
    const watched = await chromium.newPage(await chromium.newContext({ colorScheme: 'light' }))
    const { page } = watched
    await visit(watched, demo.url)
    const scheme = async () => await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme)
    const background = async () => await page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    const light = await background()
    await page.getByRole('radio', { name: 'Dark' }).check()
    await page.locator('html[data-theme=dark]').waitFor()
    t.equal(await scheme(), 'dark')
    const dark = await background()
    t.not(dark, light)
    await page.reload()
    await page.locator('html[data-theme=dark]').waitFor()
    t.equal(await background(), dark)
  })

  t.test('by name and password, after a wrong one', async t => {
    const watched = await chromium.newPage()
    const { page, problemsBesides } = watched
    await visit(watched, demo.url)
    const { button } = pageOf(page)
    await page.getByLabel('User name').fill('bob')
    await page.getByLabel('Password', { exact: true }).fill('guessed')
    await button('Log in').click()
    await page.locator('.outcome[data-bad=true]').filter({ hasText: /\w/ }).waitFor()
    await page.getByLabel('Password', { exact: true }).fill('builder')
    await button('Log in').click()
    await button('Log out').waitFor()
    t.match(await page.getByRole('banner').innerText(), 'Bob')
    t.same(problemsBesides(UNAUTHORIZED), [], 'the console is clean')
  })

  t.test('with nothing but a keyboard', async t => {
    const watched = await chromium.newPage()
    const { page, problems } = watched
    await visit(watched, demo.url)
    const { button, status, entries, isOut } = pageOf(page)
    await tabTo(page, /Log in as Alice/)
    await page.keyboard.press('Enter')
    await button('Log out').waitFor()
    t.not(await focused(page), 'BODY', 'the focus is not lost with the form')
    await tabTo(page, /^Connect$/)
    await page.keyboard.press('Enter')
    await status('open').waitFor()
    await tabTo(page, /^Message to echo/)
    await page.keyboard.type(' by hand')
    await page.keyboard.press('Enter')
    await entries('in', 'by hand').waitFor()
    await tabTo(page, /^Log out$/)
    await page.keyboard.press('Space')
    await isOut()
    t.not(await focused(page), 'BODY')
    t.same(problems, [], 'the console is clean')
  })
}

/** Tabs on until the focus is on what has this name; throws after a round. */
async function tabTo (page: Page, name: RegExp): Promise<void> {
  for (let presses = 0; presses < 150; presses++) {
    if (name.test(await focused(page))) return
    await page.keyboard.press('Tab')
  }
  throw new Error(`Tab does not lead to ${name}`)
}

/** Name of what has the focus. */
async function focused (page: Page): Promise<string> {
  return await page.evaluate(() => {
    const element = document.activeElement as HTMLElement | null
    const label = (element as HTMLInputElement | null)?.labels?.[0]
    return (element?.ariaLabel ?? label?.innerText ?? (element === document.body ? 'BODY' : element?.innerText) ?? '').replace(/\s+/g, ' ').trim()
  })
}
