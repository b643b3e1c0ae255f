import t, { type Test } from 'tap'
import { relayTo } from '@fastify-airlock/testing'
import { bundle } from './bundle.js'
import { startSite } from './site.js'
import { openWindow } from './tabs.js'

/** Signs of life come so often, in milliseconds: the client gives up 10 s later. */
const ALIVE_MS = 500

/** Longer than the longest silence that the client bears, in milliseconds. */
const LONG = 12_000

/** Connects, and counts what the socket is told. It never tries again by itself within the time of a test. */
const PAGE = await bundle(`
  import { connect } from '@fastify-airlock/client'

  const getToken = async () => await (await fetch('/token', { method: 'POST' })).text()
  const states = globalThis.states = []
  globalThis.signs = 0
  globalThis.renewed = 0
  document.addEventListener('visibilitychange', () => { globalThis.turnedAt = performance.now() })
  for (const name of ['freeze', 'resume']) document.addEventListener(name, () => { states.push(name) })
  const connection = globalThis.connection = connect({
    url: '/ws',
    getTicket: async ({ signal }) => fetch('/ws/ticket', { method: 'POST', headers: { authorization: 'Bearer ' + await getToken() }, signal }),
    getToken,
    reconnect: { min: 600_000, max: 600_000 },
    random: () => 0.9,
    WebSocket: class extends WebSocket {
      constructor (...options) {
        super(...options)
        this.addEventListener('message', ({ data }) => { if (data === '{"type":"alive"}') globalThis.signs++ })
      }
    }
  })
  connection.on('status', status => { states.push(status) })
  connection.on('open', () => { globalThis.openedAt = performance.now() })
  connection.on('error', ({ code, message }) => { states.push(message) })
  connection.on('uncertain', ({ count }) => { states.push('uncertain ' + count) })`)

const OPEN = ['ticket', 'connecting', 'authenticating', 'open']
const SILENT = ['waiting', 'WSA_CLIENT_ERR_TIMEOUT: silent']

/** A page that is connected through a relay, and then hidden by another tab. */
async function hide (t: Test) {
  const window = await openWindow(t)
  if (window === null) return null
  const site = await startSite(t, PAGE, { alive: ALIVE_MS })
  const relay = await relayTo(site.port, t)
  const freezeNetwork = () => {
    relay.down.freeze()
    relay.up.freeze()
  }
  const thawNetwork = () => {
    relay.down.thaw()
    relay.up.thaw()
  }
  const tab = await window.newTab(`http://127.0.0.1:${relay.port}`)
  await tab.until("globalThis.connection?.status === 'open'")
  const other = await window.newTab('about:blank')
  await tab.until('document.hidden')
  return { ...site, window, tab, other, freezeNetwork, thawNetwork }
}

// Most of the time is spent waiting.
t.jobs = 4

t.test('a hidden tab keeps its socket while the server is alive', { buffered: true }, async t => {
  const opened = await hide(t)
  if (opened === null) return
  const { tab, count } = opened
  await tab.run('globalThis.hiddenAt = performance.now()')
  await tab.until(`performance.now() - hiddenAt > ${LONG} && signs > 10`)
  t.equal(await tab.run('document.hidden'), true)
  t.same(await tab.run('states'), OPEN)
  await tab.show()
  await tab.until('!document.hidden')
  await tab.run("connection.send('later')")
  t.same(await tab.run('states'), OPEN)
  t.match(count, { tickets: 1, upgrades: 1 })
})

t.test('a hidden tab notices a silent link, and is back when it is looked at', { buffered: true }, async t => {
  const opened = await hide(t)
  if (opened === null) return
  const { tab, freezeNetwork, thawNetwork } = opened
  await tab.run("connection.send('nobody knows')")
  freezeNetwork()
  await tab.until("connection.status === 'waiting'")
  t.equal(await tab.run('document.hidden'), true, 'nobody had to look')
  t.same(await tab.run('states'), [...OPEN, 'waiting', 'WSA_CLIENT_ERR_TIMEOUT: silent', 'uncertain 1'])
  thawNetwork()
  await tab.show()
  await tab.until("connection.status === 'open'")
  t.comment(`back after ${Math.round(await tab.run('openedAt - turnedAt') as number)} ms`)
  t.same(await tab.run('states'), [...OPEN, ...SILENT, 'uncertain 1', ...OPEN], 'at once, not after its 540 s')
})

t.test('and so is a tab that Chromium has frozen, which ends its socket', { buffered: true }, async t => {
  for (const thaws of ['before it is looked at', 'because it is looked at']) {
    await t.test(thaws, async t => {
      const opened = await hide(t)
      if (opened === null) return
      const { tab, count } = opened
      await tab.freeze(true)
      await tab.until("states.includes('freeze')")
      if (thaws.startsWith('before')) await tab.freeze(false)
      await tab.show()
      await tab.until("!document.hidden && connection.status === 'open' && states.includes('waiting')")
      t.same(await tab.run('states'), [...OPEN, 'freeze', 'resume', 'waiting', 'WSA_CLIENT_ERR_UNREACHABLE: 1006', ...OPEN])
      t.match(count, { tickets: 2, upgrades: 2 })
    })
  }
})
