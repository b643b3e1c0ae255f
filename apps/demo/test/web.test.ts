// Takes long: it starts the whole demo for each case.
import { existsSync, readFileSync } from 'node:fs'
import { request } from 'node:https'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { build, Client, listen, login, pass, portOf } from './helpers.js'

const csp = (ancestors: string) => "default-src 'none';script-src 'self';style-src 'self';img-src 'self' data:;connect-src 'self';" +
  `font-src 'self';frame-src 'self';form-action 'self';base-uri 'none';frame-ancestors ${ancestors}`

t.test('the pages, restricted to their own server', async t => {
  const { app } = await build(t)
  for (const [url, title] of [['/', 'page'], ['/kiosk', 'kiosk']] as const) {
    const response = await app.inject(url)
    t.equal(response.statusCode, 200)
    t.match(response.body, `<title>${title}</title>`)
    t.match(response.headers, {
      'content-type': /^text\/html/,
      'cache-control': 'no-cache',
      'content-security-policy': csp("'none'"),
      'x-frame-options': 'DENY',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff'
    })
    t.notOk(response.headers['strict-transport-security'], 'not without TLS')
  }
})

t.test('the page that plays one of another origin', async t => {
  const { app } = await build(t)
  const { headers } = await app.inject('/foreign')
  t.notOk(headers['origin-agent-cluster'], 'Chromium would complain')
  t.match(headers, {
    'cache-control': 'no-cache',
    'content-security-policy': csp("'self'") + ';sandbox allow-scripts',
    'x-frame-options': 'SAMEORIGIN',
    'cross-origin-resource-policy': 'same-origin'
  })
  t.match((await app.inject('/foreign.js')).headers, {
    'cache-control': 'no-cache',
    'content-security-policy': csp("'none'"),
    'x-frame-options': 'DENY',
    'cross-origin-resource-policy': 'cross-origin'
  })
})

t.test('browsers cache files with a hash in their names, and revalidate all others', async t => {
  const { app } = await build(t)
  const asset = await app.inject('/assets/index-1a2b3c4d.js')
  t.equal(asset.headers['cache-control'], 'public, max-age=31536000, immutable')
  t.equal(asset.headers['cross-origin-resource-policy'], 'same-origin')
  t.match(asset.headers['content-type'], /^(text|application)\/javascript/)
  const icon = await app.inject('/icon.svg')
  t.equal(icon.headers['cache-control'], 'no-cache')
  t.equal(icon.headers['content-type'], 'image/svg+xml')
  const again = await app.inject({ url: '/icon.svg', headers: { 'if-none-match': icon.headers.etag as string } })
  t.equal(again.statusCode, 304)
  t.equal((await app.inject({ method: 'HEAD', url: '/' })).statusCode, 200)
})

t.test('only files of the folder, and each page under one path', async t => {
  const { app } = await build(t)
  for (const url of ['/index.html', '/kiosk.html', '/foreign.html', '/assets', '/assets/', '/kiosk/', '/..%2f..%2fcert.pem', '/assets/../../cert.pem', '/nothing.js']) {
    t.equal((await app.inject(url)).statusCode, 404, url)
  }
})

t.test('a page that is not built is reported, and everything else works', async t => {
  for (const folder of [t.testdir({ empty: {} }) + '/empty', '/nowhere']) {
    const { app, lines } = await build(t, {}, folder)
    for (const url of ['/', '/kiosk', '/foreign']) {
      const response = await app.inject(url)
      t.equal(response.statusCode, 503)
      t.match(response.json(), { code: 'WSA_DEMO_ERR_NO_PAGE', message: /npm run build/ })
      t.equal(response.headers['content-security-policy'], csp("'none'"))
    }
    t.equal((await app.inject('/healthz')).statusCode, 200)
    t.match(lines[0], /the page is not built: npm run build/)
  }
})

const BUILT = fileURLToPath(new URL('../../demo-page/dist/', import.meta.url))
const skip = existsSync(`${BUILT}index.html`) ? false : 'the page is not built: npm run build'

t.test('the real page has no inline code or style, and loads only files that exist on this server', { skip }, async t => {
  const { app } = await build(t, {}, BUILT)
  for (const url of ['/', '/kiosk', '/foreign']) {
    const { statusCode, body } = await app.inject(url)
    t.equal(statusCode, 200, url)
    const files = [...body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file as string)
    t.ok(files.length >= 1, url)
    for (const file of files) {
      t.match(file, /^\/[^/]/)
      t.equal((await app.inject(file)).statusCode, 200, file)
    }
    t.notMatch(body, /<script(?![^>]* src=)|<style|\sstyle=|\son\w+=/)
  }
})

t.test('health', async t => {
  const { app, origin } = await listen(t)
  t.strictSame((await app.inject('/healthz')).json(), { status: 'ok', connections: 0, bus: 'none' })
  await pass(t, origin, await login(origin, 'alice'))
  t.strictSame((await app.inject('/healthz')).json(), { status: 'ok', connections: 1, bus: 'none' })
})

t.test('an unknown path is 404 as JSON, without the query', async t => {
  const { app } = await build(t)
  for (const url of ['/nothing?ticket=secret', '/ws/ticket?ticket=secret', '/../src/server.ts?ticket=secret']) {
    const response = await app.inject(url)
    t.equal(response.statusCode, 404, url)
    t.type(response.json().code, 'string')
    t.notMatch(response.body, /secret/)
  }
})

t.test('an unexpected error is in the log, and not in the answer', async t => {
  const { app, lines } = await build(t)
  app.get('/boom', async () => { throw new Error('the inner workings') })
  app.get('/coded', async () => { throw Object.assign(new Error('try later'), { code: 'SOME_ERR', statusCode: 503 }) })
  const response = await app.inject('/boom')
  t.equal(response.statusCode, 500)
  t.strictSame(response.json(), {
    statusCode: 500, code: 'WSA_DEMO_ERR_INTERNAL', error: 'Internal Server Error', message: 'Something went wrong'
  })
  t.match(lines.join(''), /the inner workings/)
  t.match((await app.inject('/coded')).json(), { statusCode: 503, code: 'SOME_ERR', message: 'try later' })
})

// A certificate for localhost and 127.0.0.1 that is valid for a hundred years.
const cert = fileURLToPath(new URL('fixtures/cert.pem', import.meta.url))
const key = fileURLToPath(new URL('fixtures/key.pem', import.meta.url))
const ca = readFileSync(cert)

function post (origin: string, path: string, headers: Record<string, string>, body = ''): Promise<{ headers: Record<string, any>, body: any }> {
  return new Promise((resolve, reject) => {
    const call = request(origin + path, { method: 'POST', ca, agent: false, headers }, async response => {
      let text = ''
      for await (const chunk of response) text += chunk
      resolve({ headers: response.headers, body: JSON.parse(text) })
    })
    call.on('error', reject)
    call.end(body)
  })
}

t.test('https and wss with a certificate', async t => {
  const { app } = await build(t, { TLS_CERT: cert, TLS_KEY: key })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const origin = `https://localhost:${portOf(app)}`

  const session = await post(origin, '/login', { 'content-type': 'application/json' }, '{"username":"alice","password":"wonderland"}')
  t.match(session.headers['set-cookie'], [/^__Host-session=[^;]+; Max-Age=900; Path=\/; HttpOnly; Secure; SameSite=Strict$/])
  t.equal(session.headers['strict-transport-security'], 'max-age=300', 'other servers on localhost stay reachable')
  const byAddress = await post(origin.replace('localhost', '127.0.0.1'), '/login', { 'content-type': 'application/json' }, '{}')
  t.equal(byAddress.headers['strict-transport-security'], 'max-age=31536000')
  const { token } = session.body
  t.match((await post(origin, '/session', { cookie: `__Host-session=${token}` })).body, { user: { id: 'alice' } })
  t.match((await post(origin, '/session', { cookie: `session=${token}` })).body, { statusCode: 401 }, 'others may have set that one')
  const { body: { ticket } } = await post(origin, '/ws/ticket', { authorization: `Bearer ${token}` })

  const client = new Client(t, origin, '/ws/demo', ['airlock.v1', `ticket.${ticket}`], { ca, origin })
  t.equal(client.socket.url.slice(0, 6), 'wss://')
  t.equal((await client.upgraded).status, 101)
  client.send({ type: 'auth', token })
  t.match(await client.next('auth_ok'), { user: { id: 'alice' } })
  t.match(await client.next('tick'), { n: 1 })
})
