import { requireServer, startRedis } from '@fastify-airlock/test-servers'
import type { Page } from 'playwright-core'
import t from 'tap'
import { startDemo, startTwo } from '../demo.js'
import { openBrowser, type Watched } from './chromium.js'
import { keepsSecrets, pageOf, takePicture, visit } from './visit.js'

// The second waits for nodes to start.
t.jobs = 2

const IPHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1'

const chromium = await openBrowser(t)

/** The panel with everyone who is connected. */
function hereOf (page: Page) {
  const panel = page.getByRole('region', { name: 'Who is here' })
  const row = (subject: string) => panel.locator(`[data-user="${subject}"]`)
  return {
    panel,
    row,
    node: (name: string) => panel.locator(`[data-node=${name}]`),
    /** Waits until a user is shown like this. */
    has: async (subject: string, facts: string) => await row(subject).getByText(facts, { exact: true }).waitFor(),
    /** Waits until there are this many users. */
    counts: async (total: number) => await panel.locator(`[data-total="${total}"]`).waitFor()
  }
}

t.test('everyone sees who is here, and on which devices', { buffered: true }, async t => {
  if (chromium === null) return
  const demo = await startDemo(t)
  const laptop = await chromium.newPage()
  const phone = await chromium.newPage(await chromium.newContext({ userAgent: IPHONE }))
  const other = await chromium.newPage()
  const enter = async (watched: Watched, name: string) => {
    await visit(watched, demo.url)
    t.equal(await hereOf(watched.page).panel.count(), 0, 'nobody is logged in')
    await pageOf(watched.page).login(name)
    await hereOf(watched.page).panel.getByText('Connect first.').waitFor()
    await pageOf(watched.page).connect()
  }
  await enter(laptop, 'Alice')
  await enter(other, 'Bob')
  for (const { page } of [laptop, other]) {
    await hereOf(page).has('alice', '1 socket, Chrome on Linux')
    await hereOf(page).has('bob', '1 socket, Chrome on Linux')
    await hereOf(page).counts(2)
    t.equal(await hereOf(page).panel.getByText('You', { exact: true }).count(), 1)
    t.equal(await hereOf(page).node('x').count(), 0)
    t.equal(await hereOf(page).panel.getByRole('list', { name: 'Nodes' }).count(), 0, 'one node is not worth a list')
  }
  await enter(phone, 'Alice')
  for (const { page } of [laptop, phone, other]) await hereOf(page).has('alice', '2 sockets, Chrome on Linux, Safari on iOS')
  await hereOf(laptop.page).counts(2)

  await laptop.page.getByRole('button', { name: /^End the session on Safari on iOS since/ }).click()
  await pageOf(phone.page).isOut()
  t.equal(await hereOf(phone.page).panel.count(), 0)
  for (const { page } of [laptop, other]) await hereOf(page).has('alice', '1 socket, Chrome on Linux')
  await keepsSecrets(t, other, demo.url)
  t.same([...laptop.problems, ...other.problems], [], 'both consoles are clean')
})

t.test('on two nodes, everyone sees everyone, a broadcast is heard on both, and nobody notices which node answers', { buffered: true }, async t => {
  if (chromium === null) return
  const redis = requireServer(t, await startRedis())
  if (redis === null) return
  t.teardown(() => redis.stop())
  const two = await startTwo(t, { REDIS_URL: redis.url, AUTH_TIMEOUT_MS: '1500', TICKET_TTL_MS: '3000' })
  const pages = []
  for (const [index, name] of ['Alice', 'Admin'].entries()) {
    const watched = await chromium.newPage(await chromium.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: 'light', reducedMotion: 'reduce' }))
    await visit(watched, two.nodes[index]!.origin)
    await pageOf(watched.page).login(name)
    await pageOf(watched.page).connect()
    pages.push(watched)
  }
  const [alice, admin] = pages as [Watched, Watched]
  for (const [index, { page }] of pages.entries()) {
    for (const user of ['alice', 'admin']) await hereOf(page).has(user, '1 socket, Chrome on Linux')
    for (const [at, name] of ['one', 'two'].entries()) {
      await hereOf(page).node(name).getByText('1 socket', { exact: true }).waitFor()
      t.equal(await hereOf(page).node(name).getAttribute('data-here'), String(at === index))
    }
  }
  await pageOf(admin.page).button('Broadcast').click()
  for (const { page } of pages) await page.getByText('Broadcast: hello, all').waitFor()
  await takePicture(t, alice.page, 'two-nodes', '.here')

  // Behind the one address, whichever node each of its requests comes to.
  const third = await chromium.newPage()
  await visit(third, two.origin)
  await pageOf(third.page).login('Alice')
  await pageOf(third.page).connect()
  for (const { page } of [...pages, third]) await hereOf(page).has('alice', '2 sockets, Chrome on Linux')
  await third.page.getByRole('button', { name: 'Try all' }).click()
  await pageOf(third.page).allHeld(16)
  await alice.page.getByRole('button', { name: /^End the session on Chrome on Linux since/ }).click()
  await pageOf(third.page).isOut()
  t.same([...alice.problems, ...admin.problems], [], 'both consoles are clean')

  process.kill(two.nodes[0]!.pid, 'SIGKILL')
  await pageOf(alice.page).status('waiting').waitFor()
  t.equal(await pageOf(admin.page).status('open').count(), 1, 'the other node goes on')
  await hereOf(alice.page).panel.getByText('As it was before the connection was lost.').waitFor()
})
