import t from 'tap'
import { until } from '../helpers.js'
import { bundle, type ReactVersion } from './bundle.js'
import { openBrowser } from './chromium.js'
import { startSite } from './site.js'

const MOUNTS = 5

/** A socket that is mounted and unmounted by a button, as `npm start` of a React app would run it. */
const PAGE = `
  import { StrictMode, useEffect, useState, version } from 'react'
  import { createRoot } from 'react-dom/client'
  import { useAirlockSocket } from '@fastify-airlock/react'

  const token = await (await fetch('/token', { method: 'POST' })).text()
  globalThis.effects = 0
  globalThis.asked = 0

  function Socket () {
    const { status, user, lastMessage, send } = useAirlockSocket({
      url: '/ws',
      getTicket: ({ signal }) => {
        globalThis.asked++
        return fetch('/ws/ticket', { method: 'POST', headers: { authorization: 'Bearer ' + token }, signal })
      },
      getToken: () => token,
      onOpen: () => send({ said: 'hello' })
    })
    useEffect(() => { globalThis.effects++ }, [])
    return <output>{status} {user?.id} {lastMessage?.said}</output>
  }

  function App () {
    const [shown, setShown] = useState(false)
    return <><h1>{version}</h1><button onClick={() => setShown(!shown)}>{shown ? 'Unmount' : 'Mount'}</button>{shown && <Socket />}</>
  }

  createRoot(document.querySelector('main')).render(<StrictMode><App /></StrictMode>)`

for (const react of [18, 19] satisfies ReactVersion[]) {
  t.test(`React ${react} in StrictMode: one ticket and one upgrade for each mount`, async t => {
    const chromium = await openBrowser(t)
    if (chromium === null) return
    const { origin, count, sockets, closes } = await startSite(t, await bundle(PAGE, { react, mode: 'development' }))
    const { page, problems } = await chromium.newPage()
    await page.goto(origin)
    t.match(await page.getByRole('heading').innerText(), new RegExp(`^${react}\\.`))

    for (let mount = 1; mount <= MOUNTS; mount++) {
      await page.getByRole('button', { name: 'Mount', exact: true }).click()
      await page.getByText('open alice hello').waitFor()
      t.equal(await page.evaluate('effects'), 2 * mount, 'StrictMode has mounted it twice')
      t.equal(await page.evaluate('asked'), mount, 'but asked for one ticket')
      t.match(count, { tickets: mount, upgrades: mount })
      t.equal(sockets.size, 1)
      await page.getByRole('button', { name: 'Unmount' }).click()
      await until(() => sockets.size === 0)
    }
    t.match(count, { tickets: MOUNTS, upgrades: MOUNTS }, 'and nothing came later')
    t.same(closes, Array(MOUNTS).fill(1000), 'each was closed properly')
    t.same(problems, [], 'the console is clean')
  })
}

const LITE = `
  import { StrictMode, useEffect } from 'react'
  import { createRoot } from 'react-dom/client'
  import { useWebSocketLite } from '@fastify-airlock/react'

  const token = await (await fetch('/token', { method: 'POST' })).text()
  const getTicket = () => fetch('/ws/ticket', { method: 'POST', headers: { authorization: 'Bearer ' + token } })
  globalThis.seen = []

  function Socket () {
    const { data, readyState } = useWebSocketLite({ socketUrl: '/ws', initPayload: { type: 'jwt', token }, getTicket })
    useEffect(() => { if (data) globalThis.seen.push(data.message.n) }, [data])
    return <output>{readyState ? 'ready' : ''}</output>
  }

  createRoot(document.querySelector('main')).render(<StrictMode><Socket /></StrictMode>)`

for (const react of [18, 19] satisfies ReactVersion[]) {
  t.test(`React ${react}: useWebSocketLite shows each message of a burst`, async t => {
    const chromium = await openBrowser(t)
    if (chromium === null) return
    const { origin, sockets } = await startSite(t, await bundle(LITE, { react, mode: 'development' }))
    const { page, problems } = await chromium.newPage()
    await page.goto(origin)
    await page.getByText('ready').waitFor()
    const all: number[] = []
    // 40 came together in a report; more than a few dozen make React suspect an endless loop.
    for (const count of [40, 200]) {
      const burst = Array.from({ length: count }, (_, n) => all.length + n)
      all.push(...burst)
      for (const socket of sockets) for (const n of burst) socket.send(JSON.stringify({ n }))
      await page.waitForFunction(`seen.length >= ${all.length}`)
      t.same(await page.evaluate('seen'), all)
    }
    t.same(problems, [], 'nor does React complain')
  })
}

const STILL = `
  import { createRoot } from 'react-dom/client'
  import { useAirlockSocket } from '@fastify-airlock/react'

  const token = await (await fetch('/token', { method: 'POST' })).text()
  globalThis.signs = 0
  globalThis.renders = 0
  globalThis.shown = []
  globalThis.uncertain = []

  class Counting extends WebSocket {
    constructor (...options) {
      super(...options)
      this.addEventListener('message', ({ data }) => { if (data === '{"type":"alive"}') globalThis.signs++ })
    }
  }

  function Socket () {
    const { status, error, lastMessage, send } = useAirlockSocket({
      url: '/ws',
      getTicket: ({ signal }) => fetch('/ws/ticket', { method: 'POST', headers: { authorization: 'Bearer ' + token }, signal }),
      getToken: () => token,
      WebSocket: Counting,
      reconnect: { min: 1, max: 1 },
      onUncertain: event => { globalThis.uncertain.push(event) }
    })
    globalThis.renders++
    globalThis.send = send
    if (shown.at(-1) !== status) shown.push(status)
    return <output>{status} {error?.code} {lastMessage?.said}</output>
  }

  createRoot(document.querySelector('main')).render(<Socket />)`

for (const react of [18, 19] satisfies ReactVersion[]) {
  t.test(`React ${react}: signs of life render nothing, and a broken link is shown and told`, async t => {
    const chromium = await openBrowser(t)
    if (chromium === null) return
    const { origin, sockets } = await startSite(t, await bundle(STILL, { react, mode: 'development' }), { alive: 20 })
    const { page, problems } = await chromium.newPage()
    await page.goto(origin)
    await page.getByText('open').waitFor()
    await page.evaluate("send({ said: 'hello' })")
    await page.getByText('open hello').waitFor()
    const before = await page.evaluate('[renders, signs]') as [number, number]
    await page.waitForFunction(`signs >= ${before[1] + 50}`)
    t.equal(await page.evaluate('renders'), before[0])

    for (const socket of sockets) socket.terminate()
    await page.waitForFunction("shown.filter(status => status === 'open').length === 2")
    t.same(await page.evaluate('uncertain'), [{ count: 1 }])
    const shown = await page.evaluate('shown') as string[]
    t.same(shown.filter(status => ['open', 'waiting'].includes(status)), ['open', 'waiting', 'open'])
    t.same(problems, [], 'nor does React complain')
  })
}
