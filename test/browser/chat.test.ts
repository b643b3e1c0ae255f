import type { WebSocketRoute } from 'playwright-core'
import t from 'tap'
import { chatOf, startChat, visitChat } from './chat.js'
import { openBrowser, UNAUTHORIZED } from './chromium.js'
import { keepsSecrets } from './visit.js'

t.jobs = 2

const chromium = await openBrowser(t)

t.test('a user logs in, talks, and stays in when the page is loaded again', { buffered: true }, async t => {
  if (chromium === null) return
  const { url } = await startChat(t)
  const [one, two] = [await chromium.newPage(), await chromium.newPage()]
  for (const watched of [one, two]) await visitChat(watched, url)
  const [alice, bob] = [chatOf(one.page), chatOf(two.page)]
  await alice.logInAs('alice', 'a guess')
  await one.page.getByRole('alert').filter({ hasText: 'Wrong name or password.' }).waitFor()
  await alice.enter('alice')
  await alice.isHere('alice (you)')
  await bob.enter('bob')
  for (const text of ['hello', '<b>no markup</b>', 'x'.repeat(2_000)]) await alice.say(text)
  await bob.lines.nth(2).waitFor()
  t.same(await bob.lines.locator('span').allInnerTexts(), ['hello', '<b>no markup</b>', 'x'.repeat(2_000)])
  t.equal(await bob.lines.first().locator('b').innerText(), 'alice')
  t.equal(await alice.lines.first().locator('b').innerText(), 'You')
  await alice.say('   ')
  await alice.field.fill('')

  await bob.typeUntil(alice.typing('bob is typing…'))
  await bob.field.fill('I am')
  // Who types knows it.
  await bob.typing('')
  await bob.field.press('Enter')
  await alice.typing('')
  await alice.line('I am').waitFor()

  await one.page.reload()
  await alice.lines.nth(3).waitFor()
  await alice.isHere('alice (you)', 'bob')
  await alice.button('reading').click()
  await chatOf(one.page, 'reading').region.getByText('Nobody has said anything here yet.').waitFor()
  t.equal(await alice.region.count(), 0, 'one room is shown')
  await chatOf(one.page, 'reading').say('only here')
  t.equal(await bob.line('only here').count(), 0)
  t.same([...one.problemsBesides(UNAUTHORIZED), ...two.problemsBesides(UNAUTHORIZED)], [], 'both consoles are clean')
  await keepsSecrets(t, one, url)
})

t.test('devices of one user, members that are let in and removed, notices, and logouts', { buffered: true }, async t => {
  if (chromium === null) return
  const { url } = await startChat(t)
  const watched = [await chromium.newPage(), await chromium.newPage(), await chromium.newPage()] as const
  for (const one of watched) await visitChat(one, url)
  const [laptop, phone, bob] = watched.map(({ page }) => chatOf(page)) as [ReturnType<typeof chatOf>, ReturnType<typeof chatOf>, ReturnType<typeof chatOf>]
  for (const device of [laptop, phone]) await device.enter('alice')
  await bob.enter('bob')
  for (const device of [laptop, phone]) await device.isHere('alice (you) 2 devices', 'bob')
  await bob.isHere('alice 2 devices', 'bob (you)')
  await phone.say('from my phone')
  await laptop.line('from my phone').locator('b').filter({ hasText: 'You' }).waitFor()

  const asAdmin = async (path: string, method: string, body?: object): Promise<void> => {
    const login = await fetch(`${url}/login`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"name":"admin","password":"admin"}' })
    const headers = { authorization: `Bearer ${(await login.json()).token}`, ...body && { 'content-type': 'application/json' } }
    t.ok((await fetch(url + path, { method, headers, ...body && { body: JSON.stringify(body) } })).ok)
  }
  await asAdmin('/rooms/secret/members/bob', 'PUT')
  await bob.button('secret').waitFor()
  await asAdmin('/rooms/lobby/members/bob', 'DELETE')
  await watched[2].page.getByText('You are not in the room lobby any more.').waitFor()
  await bob.button('lobby').waitFor({ state: 'detached' })
  for (const device of [laptop, phone]) await device.isHere('alice (you) 2 devices')
  await asAdmin('/broadcast', 'POST', { text: 'We close at ten.' })
  for (const { page } of watched) await page.getByText('We close at ten.').waitFor()
  await watched[0].page.getByRole('status', { name: 'Notices' }).getByRole('button', { name: 'Dismiss' }).click()
  await watched[0].page.getByText('We close at ten.').waitFor({ state: 'detached' })

  await phone.button('Log out').click()
  await watched[1].page.getByText('You are logged out.').waitFor()
  await laptop.isHere('alice (you)')
  await laptop.say('still here')
  await laptop.region.getByText('Sending…').waitFor({ state: 'detached' })
  await watched[1].page.reload()
  await phone.enter('alice')
  await laptop.isHere('alice (you) 2 devices')
  await phone.button('Log out everywhere').click()
  await watched[1].page.getByText('You are logged out.').waitFor()
  await watched[0].page.getByText('You are logged out.').waitFor()
  for (const one of watched) t.same(one.problemsBesides(UNAUTHORIZED), [], 'the console is clean')
})

t.test('a page says that it is refused, and tries again when it is told to', { buffered: true }, async t => {
  if (chromium === null) return
  const { url } = await startChat(t)
  const watched = await chromium.newPage()
  const { page } = watched
  await page.route('**/ws/ticket', async route => await route.fulfill({ status: 403, json: { statusCode: 403 } }))
  await visitChat(watched, url)
  const { logInAs, connection, button, region, say, line } = chatOf(page)
  await logInAs('alice')
  await connection('closed').getByText('The server has refused the connection').waitFor()
  await page.unroute('**/ws/ticket')
  await button('Try again').click()
  await connection('open').waitFor()
  await region.waitFor()

  // Nothing is taken as long as the server says "later"; then all of it is, once.
  await page.route('**/ws/ticket', async route => await route.fulfill({ status: 503, json: { statusCode: 503 } }))
  await page.reload()
  await connection('waiting').getByText('The server cannot be reached.').waitFor()
  await page.unroute('**/ws/ticket')
  await button('Try now').click()
  await connection('open').waitFor()
  await say('at last')
  await line('at last').getByText('Sending…').waitFor({ state: 'detached' })
  t.equal(await line('at last').count(), 1)
})

t.test('what could not be sent is said, and goes out when it is told to', { buffered: true }, async t => {
  if (chromium === null) return
  const { url } = await startChat(t)
  const watched = await chromium.newPage()
  const sockets: WebSocketRoute[] = []
  await watched.page.routeWebSocket(/\/ws$/, route => {
    route.connectToServer()
    sockets.push(route)
  })
  await visitChat(watched, url)
  const { enter, say, line, lines, button, connection } = chatOf(watched.page)
  await enter('alice')
  await say('before')
  await line('before').getByText('Sending…').waitFor({ state: 'detached' })
  await sockets.at(-1)?.close({ code: 4403, reason: 'not today' })
  await connection('closed').getByText('The server has refused the connection').waitFor()
  await say('meanwhile')
  await line('meanwhile').getByText('Not sent.').waitFor()
  await button('Try again').click()
  await connection('open').waitFor()
  await button('Send again').click()
  await say('after')
  await line('after').getByText('Sending…').waitFor({ state: 'detached' })
  t.same(await lines.allInnerTexts(), ['You before', 'You meanwhile', 'You after'])
})
