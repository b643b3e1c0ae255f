import t from 'tap'
import { startDemo } from '../demo.js'
import { openBrowser, UNAUTHORIZED } from './chromium.js'
import { keepsSecrets, pageOf, visit } from './visit.js'

// The first spends its time waiting.
t.jobs = 3

const chromium = await openBrowser(t)

t.test('JWTs are renewed while the socket stays the same, for more than two of their lives', { buffered: true }, async t => {
  if (chromium === null) return
  const demo = await startDemo(t, { SESSION_TTL_MS: '4000' })
  const watched = await chromium.newPage()
  const { page, urls, problems } = watched
  await visit(watched, demo.url)
  const { login, connect, status, entries } = pageOf(page)
  await login('Alice')
  await connect()
  for (const n of [1, 2, 3]) {
    await page.locator(`[data-refreshed="${n}"]`).waitFor()
    t.equal(await status('open').count(), 1, `open after ${n}`)
  }
  // One a second: more than two lives, counted on one socket.
  await entries('in', '{"type":"tick","n":9}').waitFor()
  t.equal(urls.filter(url => url.startsWith('ws:')).length, 1, 'one socket')
  t.equal(urls.filter(url => url.endsWith('/ws/ticket')).length, 1, 'one ticket')
  t.same(problems, [], 'the console is clean')
  await keepsSecrets(t, watched, demo.url)
})

t.test('logging out in one tab ends the other', { buffered: true }, async t => {
  if (chromium === null) return
  const demo = await startDemo(t)
  const context = await chromium.newContext()
  const [one, other] = [await chromium.newPage(context), await chromium.newPage(context)]
  await visit(one, demo.url)
  await visit(other, demo.url)
  const here = pageOf(one.page)
  const there = pageOf(other.page)
  await here.login('Alice')
  await there.button('Log out').waitFor()
  await here.connect()
  await there.connect()

  await here.button('Log out').click()
  await there.isOut()
  await there.doors.and(other.page.locator(':not([data-status=open])')).waitFor()
  await here.isOut()
  const { connections } = await (await fetch(`${demo.url}/healthz`)).json() as { connections: number }
  t.equal(connections, 0, 'the server has no socket of theirs')
  t.same(one.problems, [], 'the console is clean')
  // It may hear of it from its socket first, and then asks whether the session is over.
  t.same(other.problemsBesides(UNAUTHORIZED), [])
})

t.test('logged out where the tab cannot hear of it, it finds out from the server', { buffered: true }, async t => {
  if (chromium === null) return
  const demo = await startDemo(t)
  const watched = await chromium.newPage()
  await visit(watched, demo.url)
  const { login, connect, isOut, entries } = pageOf(watched.page)
  await login('Alice')
  await connect()
  const [cookie] = await watched.page.context().cookies()
  t.equal((await demo.post('/logout', cookie?.value)).status, 204)
  await entries('bad', '4410').waitFor()
  await isOut()
  t.same(watched.problemsBesides(UNAUTHORIZED), [])
})
