import { freePort } from '@fastify-airlock/test-servers'
import t, { type Test } from 'tap'
import { startDemo } from '../demo.js'
import { openBrowser, UNAUTHORIZED, UNREACHABLE, type Watched } from './chromium.js'
import { pageOf, visit } from './visit.js'

const JWT_SECRET = 'a secret that outlives its process, 32+'

/** Back-off and the time that a server asks for, with room for a busy machine. */
const PATIENCE = { timeout: 90_000 }

// Most of the time is spent waiting.
t.jobs = 4

const chromium = await openBrowser(t)

/** Alice, connected; and a demo that may be restarted on its port. */
async function connected (t: Test) {
  if (chromium === null) return null
  const settings = { PORT: String(await freePort()), JWT_SECRET }
  const demo = await startDemo(t, settings)
  const context = await chromium.newContext()
  t.teardown(() => context.close())
  const watched = await chromium.newPage(context)
  await visit(watched, demo.url)
  const person = pageOf(watched.page)
  await person.login('Alice')
  await person.connect()
  return { demo, context, ...watched, ...person, restart: async (changed = {}) => await startDemo(t, { ...settings, ...changed }) }
}

function ticketsIn ({ urls }: Pick<Watched, 'urls'>): number {
  return urls.filter(url => url.endsWith('/ws/ticket')).length
}

function socketsIn ({ urls }: Pick<Watched, 'urls'>): number {
  return urls.filter(url => url.startsWith('ws:')).length
}

t.test('a reload and a new tab: the session is back without a password, the socket with a new ticket', { buffered: true }, async t => {
  const opened = await connected(t)
  if (opened === null) return
  const { page, status, entries, sentence, problems } = opened
  t.equal(ticketsIn(opened), 1)
  await page.reload()
  await status('open').waitFor()
  t.match(await sentence.innerText(), 'Alice')
  t.equal(ticketsIn(opened), 2)
  t.equal(socketsIn(opened), 2)
  await entries('in', 'tick').first().waitFor()
  t.same(problems, [], 'the console is clean')

  const other = await chromium?.newPage(opened.context) as Watched
  await visit(other, opened.demo.url)
  const { button, connect } = pageOf(other.page)
  await button('Log out').waitFor()
  await connect()
  t.same(other.problems, [], 'the console is clean')
})

t.test('the server is restarted: the page says so, waits as told, and is back by itself', { buffered: true }, async t => {
  const opened = await connected(t)
  if (opened === null) return
  const { demo, status, sentence, entries, problemsBesides, restart } = opened
  t.equal(await demo.stop('SIGTERM'), 0)
  await status('waiting').waitFor()
  await entries('bad', '1012').waitFor()
  t.match(await sentence.innerText(), /by itself/)
  await restart()
  await status('open').waitFor(PATIENCE)
  t.match(await sentence.innerText(), 'Alice')
  // A request that comes while the server drains is answered with 503.
  t.same(problemsBesides(UNREACHABLE, /Failed to load resource: .* status of 503/), [])
})

t.test('the server is killed: the page is back by itself', { buffered: true }, async t => {
  const opened = await connected(t)
  if (opened === null) return
  const { demo, status, entries, problemsBesides, restart } = opened
  const before = ticketsIn(opened)
  await demo.stop('SIGKILL')
  await status('waiting').waitFor()
  await entries('bad', '1006').first().waitFor()
  await restart()
  await status('open').waitFor(PATIENCE)
  t.ok(ticketsIn(opened) > before, 'with a new ticket')
  t.same(problemsBesides(UNREACHABLE), [])
})

t.test('the server comes back with another secret: the page says that the session has ended', { buffered: true }, async t => {
  const opened = await connected(t)
  if (opened === null) return
  const { page, demo, status, isOut, problemsBesides, restart } = opened
  await demo.stop('SIGKILL')
  await status('waiting').waitFor()
  await restart({ JWT_SECRET: 'another secret than the one before, 32+' })
  await page.getByText('Your session has ended').waitFor(PATIENCE)
  await isOut()
  t.same(problemsBesides(UNREACHABLE, UNAUTHORIZED), [])
})
