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
