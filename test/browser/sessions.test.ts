import type { Page } from 'playwright-core'
import t from 'tap'
import { startDemo } from '../demo.js'
import { openBrowser, UNAUTHORIZED } from './chromium.js'
import { keepsSecrets, pageOf, visit } from './visit.js'

// The first spends its time waiting.
t.jobs = 2

const IPHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1'

const chromium = await openBrowser(t)

/** The panel with the user's sessions. */
function sessionsOf (page: Page) {
  const panel = page.getByRole('region', { name: 'My sessions' })
  const rows = panel.getByRole('listitem')
  return {
    panel,
    rows,
    row: (device: string | RegExp) => rows.filter({ hasText: device }),
    /** Waits until there are this many. */
    has: async (count: number) => {
      await rows.nth(count - 1).waitFor()
      await rows.nth(count).waitFor({ state: 'detached' })
    }
  }
}

t.test('a user sees where they are logged in, and ends one session after the other', { buffered: true }, async t => {
  if (chromium === null) return
  const demo = await startDemo(t)
  const here = await chromium.newPage()
  const phone = await chromium.newPage(await chromium.newContext({ userAgent: IPHONE }))
  for (const watched of [here, phone]) {
    await visit(watched, demo.url)
    t.equal(await sessionsOf(watched.page).panel.count(), 0, 'nobody is logged in')
    await pageOf(watched.page).login('Alice')
    await pageOf(watched.page).connect()
  }
  const { panel, rows, row, has } = sessionsOf(here.page)
  await has(2)
  t.match(await row('This device').innerText(), /^Chrome on Linux/)
  t.match(await row('Safari on iOS').innerText(), /Since \d\d:\d\d:\d\d/)
  await row('Safari on iOS').getByText('1 socket', { exact: true }).waitFor()
  t.equal(await row('This device').getByRole('button').count(), 0, 'this one ends by logging out')
  t.equal(await panel.getByRole('button', { name: 'End all others' }).count(), 0, 'there is only one other')

  await row('Safari on iOS').getByRole('button', { name: /^End the session on Safari on iOS since/ }).click()
  await panel.getByText('One session ended.').waitFor()
  await has(1)
  await pageOf(phone.page).entries('bad', '4410').waitFor()
  await pageOf(phone.page).isOut()
  t.equal(await pageOf(here.page).status('open').count(), 1, 'the socket of this session stays open')
  await row('This device').getByText('1 socket', { exact: true }).waitFor()

  // Programs have no browser.
  for (let index = 0; index < 3; index++) await demo.login('alice', 'wonderland')
  const bob = await demo.login('bob', 'builder')
  await has(4)
  await panel.getByRole('button', { name: 'End all others' }).click()
  await panel.getByText('3 sessions ended.').waitFor()
  await has(1)
  t.equal((await demo.post('/session', bob.token)).status, 200, 'those of another user are not touched')
  t.equal(await rows.count(), 1)
  t.same(here.problems, [], 'the console is clean')
  t.same(phone.problemsBesides(UNAUTHORIZED), [])
  await keepsSecrets(t, here, demo.url)

  await pageOf(here.page).button('Log out').click()
  await pageOf(here.page).isOut()
  t.equal(await panel.count(), 0)
  t.same(here.problems, [], 'nothing was asked after the logout')
})

t.test('logging out on one device leaves the others alone', { buffered: true }, async t => {
  if (chromium === null) return
  const demo = await startDemo(t)
  const [one, two] = [await chromium.newPage(await chromium.newContext()), await chromium.newPage(await chromium.newContext())]
  for (const watched of [one, two]) {
    await visit(watched, demo.url)
    await pageOf(watched.page).login('Alice')
    await pageOf(watched.page).connect()
  }
  await sessionsOf(two.page).has(2)
  await pageOf(one.page).button('Log out').click()
  await pageOf(one.page).isOut()
  await sessionsOf(two.page).has(1)
  const { button, entries, status } = pageOf(two.page)
  await button('Send').click()
  await entries('in', '"type":"echo"').waitFor()
  t.equal(await status('open').count(), 1)
  t.same([...one.problems, ...two.problems], [], 'both consoles are clean')
})
