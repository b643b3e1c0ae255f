import t from 'tap'
import { startDemo } from '../demo.js'
import { openBrowser } from './chromium.js'
import { pageOf, visit } from './visit.js'

/** What the pages may do. */
const POLICY = {
  'default-src': "'none'",
  'script-src': "'self'",
  'style-src': "'self'",
  'img-src': "'self' data:",
  'connect-src': "'self'",
  'font-src': "'self'",
  'frame-src': "'self'",
  'form-action': "'self'",
  'base-uri': "'none'",
  'frame-ancestors': "'none'"
}

const chromium = await openBrowser(t)
if (chromium !== null) {
  const demo = await startDemo(t)

  t.test('the policy is as narrow as it can be, and the browser enforces it', async t => {
    const watched = await chromium.newPage()
    const { page, problems } = watched
    await visit(watched, demo.url)
    await pageOf(page).userButton('Alice').waitFor()
    t.same(problems, [], 'the page itself keeps to it')

    await page.evaluate(() => {
      const script = document.createElement('script')
      script.textContent = 'globalThis.injected = true'
      document.body.append(script)
      document.body.insertAdjacentHTML('beforeend', '<img src="x" onerror="globalThis.injected = true"><p style="color: red">inline</p>')
    })
    t.equal(await page.evaluate('typeof injected'), 'undefined', 'an injected script does not run')
    t.match(await page.evaluate(async () => await fetch('https://app.example.com').catch(String)), /Failed to fetch/)
    t.equal(await page.evaluate(async () => await new Promise(resolve => {
      new WebSocket('wss://app.example.com').onerror = ({ type }) => resolve(type)
    })), 'error')
    for (const violation of ['script-src-elem inline', 'script-src-attr inline', 'style-src-attr inline', 'connect-src https://app.example.com', 'connect-src wss://app.example.com']) {
      t.ok(problems.some(problem => problem.startsWith(`content security policy: ${violation}`)), violation)
    }
  })

  t.test('the headers of the pages and of their parts', async t => {
    for (const path of ['/', '/kiosk', '/foreign']) {
      const { headers } = await fetch(demo.url + path)
      const policy = headers.get('content-security-policy') ?? ''
      const directives = Object.fromEntries(policy.split(';').map(directive => directive.trim().split(/ (.*)/)))
      t.match(directives, { ...POLICY, ...(path === '/foreign' && { 'frame-ancestors': "'self'" }) }, path)
      t.notMatch(policy, /unsafe|https?:|\*/)
      t.equal(headers.get('cache-control'), 'no-cache')
      t.match(Object.fromEntries(headers), { 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' })
    }
    const html = await (await fetch(demo.url)).text()
    t.notMatch(html, /<script>|<style|style=|https?:\/\/(?!www\.w3\.org)/, 'nothing inline, nothing from elsewhere')
    const assets = [...html.matchAll(/"(\/assets\/[^"]+)"/g)].map(([, path]) => path as string)
    t.ok(assets.length >= 2)
    for (const path of assets) {
      const { status, headers } = await fetch(demo.url + path)
      t.equal(status, 200, path)
      t.equal(headers.get('cache-control'), 'public, max-age=31536000, immutable')
    }
  })
}
