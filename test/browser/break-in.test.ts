import t from 'tap'
import { startDemo } from '../demo.js'
import { openBrowser, REFUSED_UPGRADE } from './chromium.js'
import { pageOf, takePicture, visit } from './visit.js'

/** What the server answers: the status before the 101, the close code after it. */
const ANSWERS = {
  'no-ticket': '401',
  'invented-ticket': '401',
  'used-ticket': '401',
  'expired-ticket': '401',
  'two-credentials': '400',
  'wrong-subprotocol': '400',
  'wrong-origin': '403',
  silence: '4408',
  'early-frame': '4400',
  'early-frames': '4400',
  'oversized-frame': '4400',
  'forged-jwt': '4401',
  'alg-none': '4401',
  'other-jwt': '4403',
  'auth-twice': '4429',
  'not-admin': '4403'
}

/** What can be tried by anybody who opens the page. */
const WITHOUT_LOGIN = ['no-ticket', 'invented-ticket']

// Tickets that expire and silence are waited for.
t.jobs = 2

const chromium = await openBrowser(t)
if (chromium !== null) {
  const demo = await startDemo(t, { AUTH_TIMEOUT_MS: '1500', TICKET_TTL_MS: '3000' })

  t.test('every scenario by its own button, and each is held', { buffered: true }, async t => {
    const watched = await chromium.newPage()
    const { page, problemsBesides } = watched
    await visit(watched, demo.url)
    const { scenario, login } = pageOf(page)
    const ids = await page.locator('[data-scenario]').evaluateAll(cards => cards.map(card => card.getAttribute('data-scenario')))
    t.same([...ids].sort(), Object.keys(ANSWERS).sort(), 'no scenario is missing, none is unknown')

    const tryIt = async (id: keyof typeof ANSWERS): Promise<void> => {
      await scenario(id).getByRole('button').click()
      await page.locator(`[data-scenario=${id}]:is([data-verdict=held],[data-verdict=broken],[data-verdict=unclear])`).waitFor()
      t.equal(await scenario(id).getAttribute('data-verdict'), 'held', id)
      t.equal(await scenario(id).getAttribute('data-answer'), ANSWERS[id], `${id}: ${ANSWERS[id]}`)
      t.match(await scenario(id).innerText(), new RegExp(`Answered\\s.*${ANSWERS[id]}`, 's'), 'and a person can read it')
    }
    for (const id of Object.keys(ANSWERS) as Array<keyof typeof ANSWERS>) {
      t.equal(await scenario(id).getByRole('button').isEnabled(), WITHOUT_LOGIN.includes(id), `${id}, logged out`)
    }
    for (const id of WITHOUT_LOGIN as Array<keyof typeof ANSWERS>) await tryIt(id)
    await login('Bob')
    for (const id of Object.keys(ANSWERS) as Array<keyof typeof ANSWERS>) await tryIt(id)
    t.same(problemsBesides(REFUSED_UPGRADE), [], 'the console has nothing but refused upgrades')
  })

  t.test('all of them by one button, as an admin, who is an admin already', { buffered: true }, async t => {
    const watched = await chromium.newPage(await chromium.newContext({ viewport: { width: 1280, height: 720 }, colorScheme: 'light', reducedMotion: 'reduce' }))
    const { page, problemsBesides } = watched
    await visit(watched, demo.url)
    const { button, scenario, login, allHeld } = pageOf(page)
    await login('Admin')
    t.ok(await scenario('not-admin').getByRole('button').isDisabled())
    await button('Try all').click()
    await allHeld(Object.keys(ANSWERS).length - 1)
    for (const [id, answer] of Object.entries(ANSWERS)) {
      if (id !== 'not-admin') t.equal(await scenario(id).getAttribute('data-answer'), answer, id)
    }
    await takePicture(t, page, 'break-in', '.break-in')
    t.same(problemsBesides(REFUSED_UPGRADE), [])
  })
}
