import { requireServer, startRedis } from '@fastify-airlock/test-servers'
import t, { type Test } from 'tap'
import { startProxy } from '../cluster/proxy.js'
import { until } from '../helpers.js'
import { chatOf, startChat, visitChat } from './chat.js'
import { openBrowser, type Watched } from './chromium.js'

t.setTimeout(300_000)

/** Messages that each page sends while a node is killed. */
const EACH = 12

/** For waits that need beats of the nodes or back-off of the pages, in milliseconds. */
const PATIENCE = 90_000

/** Two nodes with one Redis behind one address; `null` where something for them cannot be had. */
async function startNodes (t: Test) {
  const redis = requireServer(t, await startRedis())
  if (redis === null) return null
  t.teardown(() => redis.stop())
  const settings = { REDIS_URL: redis.url, JWT_SECRET: 'a secret that both nodes share, 32 characters', TRUST_PROXY: '127.0.0.1' }
  const start = async (port = '0') => await startChat(t, { ...settings, PORT: port })
  const nodes = await Promise.all([start(), start()])
  const proxy = requireServer(t, await startProxy('nginx', nodes.map(({ url }) => new URL(url).host)))
  if (proxy === null) return null
  t.teardown(() => proxy.stop())
  return {
    url: proxy.origin,
    kill: async (index: 0 | 1): Promise<void> => { await nodes[index].stop('SIGKILL') },
    restart: async (index: 0 | 1): Promise<void> => { nodes[index] = await start(new URL(nodes[index].url).port) },
    /** Connections of each. */
    counts: async (): Promise<number[]> => await Promise.all(nodes.map(async ({ url }) => (await (await fetch(`${url}/healthz`)).json()).connections))
  }
}

t.test('two nodes behind one address, of which one is killed while people type', async t => {
  const chromium = await openBrowser(t)
  if (chromium === null) return
  const nodes = await startNodes(t)
  if (nodes === null) return

  const open = async (): Promise<Watched> => {
    const context = await chromium.newContext({ ignoreHTTPSErrors: true })
    context.setDefaultTimeout(PATIENCE)
    const watched = await chromium.newPage(context)
    await visitChat(watched, nodes.url)
    return watched
  }
  const pages = [await open(), await open(), await open(), await open()] as const
  const [laptop, phone, bob, carol] = pages.map(({ page }) => chatOf(page)) as [Chat, Chat, Chat, Chat]
  const all = [laptop, phone, bob, carol]
  for (const device of [laptop, phone]) await device.enter('alice')
  await bob.enter('bob')
  await carol.enter('carol')
  /** Loads one of the pages until each node has some of them. */
  const spread = async (): Promise<void> => {
    for (let n = 0; (await nodes.counts()).includes(0); n++) {
      // The proxy takes the nodes in turn: every second time, it is the other one's.
      if (n % 2 === 1) await pages[3].page.request.get(`${nodes.url}/healthz`)
      await pages[3].page.reload()
      await carol.connection('open').waitFor()
    }
  }
  await spread()
  const everybodyIsHere = async (): Promise<void> => {
    for (const device of [laptop, phone]) await device.isHere('alice (you) 2 devices', 'bob', 'carol')
    await bob.isHere('alice 2 devices', 'bob (you)', 'carol')
    await carol.isHere('alice 2 devices', 'bob', 'carol (you)')
  }
  await everybodyIsHere()

  // Everybody talks. A node dies in the middle of it, and nobody waits for it.
  const said: string[] = []
  let killed: Promise<void> | undefined
  await Promise.all(Object.entries({ laptop, phone, bob, carol }).map(async ([name, device]) => {
    for (let n = 1; n <= EACH; n++) {
      await device.say(`${name} ${n}.`)
      said.push(`${name} ${n}.`)
      if (said.length === EACH * 2) killed = nodes.kill(0)
    }
  }))
  await killed
  await types(bob, 'bob', [laptop, phone, carol])
  await bob.field.fill('')
  for (const device of all) await device.lines.nth(EACH * 4 - 1).waitFor()
  for (const device of all) await device.region.getByText('Sending…').first().waitFor({ state: 'detached' })
  const texts = await Promise.all(all.map(async ({ lines }) => await lines.locator('span').allInnerTexts()))
  for (const seen of texts) {
    t.same(seen, texts[0], 'all see the same, in the same order')
    t.same([...seen].sort(), [...said].sort(), 'nothing is lost, and nothing comes twice')
  }
  for (const name of ['laptop', 'phone', 'bob', 'carol']) {
    t.same(texts[0]?.filter(text => text.startsWith(name)), Array.from({ length: EACH }, (_, n) => `${name} ${n + 1}.`), 'each in the order of its own')
  }
  await everybodyIsHere()
  for (const device of all) await device.typing('')

  // Both nodes again, and somebody on each.
  await nodes.restart(0)
  await spread()
  await everybodyIsHere()
  for (const [one, name] of [[carol, 'carol'], [bob, 'bob']] as const) {
    await types(one, name, all.filter(other => other !== one))
    await one.field.press('Enter')
    for (const other of all) await other.typing('')
  }
  await types(laptop, 'alice', [bob, carol])
  t.equal(await phone.region.locator('.typing').innerText(), '', 'nobody is told of oneself')
  await laptop.field.fill('')
  await bob.typing('')

  // Nobody is there to take a message: it waits, and goes out once.
  for (const index of [0, 1] as const) await nodes.kill(index)
  for (const device of all) {
    await device.connection('waiting').waitFor()
    await device.region.getByRole('heading', { name: 'Here before' }).waitFor()
  }
  await bob.say('Is anybody there?')
  await bob.line('Is anybody there?').getByText('Sending…').waitFor()
  for (const index of [0, 1] as const) await nodes.restart(index)
  for (const { page } of pages) {
    await until(async () => {
      const again = chatOf(page).button('Try now')
      if (await again.count() > 0) await again.click({ timeout: 1_000 }).catch(() => {})
      return await chatOf(page).connection('open').count() > 0
    })
  }
  for (const device of all) await device.line('Is anybody there?').waitFor()
  await bob.region.getByText('Sending…').waitFor({ state: 'detached' })
  for (const device of all) t.equal(await device.line('Is anybody there?').count(), 1)
  await everybodyIsHere()
})

type Chat = ReturnType<typeof chatOf>

/** One types until all the others see it. */
async function types (one: Chat, name: string, others: readonly Chat[]): Promise<void> {
  await one.typeUntil(Promise.all(others.map(async other => await other.typing(`${name} is typing…`))))
}
