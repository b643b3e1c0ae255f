import t from 'tap'
import type { runRows } from './websocket-rows.js'
import { SCRIPT, serveRows } from '../websocket-server.js'
import { bundle } from './bundle.js'
import { openBrowser } from './chromium.js'

declare global {
  // Of the page below.
  var runOn: (origin: string, isOwn: boolean, otherwise: Record<string, unknown[]>) => ReturnType<typeof runRows>
}

t.setTimeout(300_000)

/** Where Chromium's own sockets are not as the text says, or may not be: it does not round a code, and wants one with each reason. */
const DEVIATIONS = ['close(999.6)', 'close(undefined, x)', 'close(undefined, xxxxx)', 'close with a reason alone']

const chromium = await openBrowser(t)
const PAGE = await bundle(SCRIPT)

for (const isOwn of [false, true]) {
  t.test(`the interface of WHATWG WebSockets, ${isOwn ? 'ours behind both doors' : 'that of Chromium itself'}`, async t => {
    if (chromium === null) return
    const origin = await serveRows(t, PAGE)
    const { page } = await chromium.newPage()
    await page.goto(origin)
    await page.waitForFunction(() => 'runOn' in globalThis)
    const { wrong, count } = await page.evaluate(async ([origin, isOwn]) => await runOn(origin, isOwn, {
      // There is a page.
      'a relative URL without a page': ['nothing']
    }), [origin, isOwn] as const)
    t.ok(count > 80, `${count} rows`)
    for (const row of isOwn ? [] : DEVIATIONS) delete wrong[row]
    t.strictSame(wrong, {})
  })
}
