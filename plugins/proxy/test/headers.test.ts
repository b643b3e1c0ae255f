import t, { type Test } from 'tap'
import { build, connect, SECRET, upstream } from './helpers.js'

const CLIENT_HEADERS = {
  cookie: 'session=s; ticket=t',
  authorization: 'Bearer b',
  origin: 'https://app.example.com',
  'accept-language': 'eo',
  'x-api-key': 'the client would like to choose',
  'x-forwarded-for': '1.2.3.4',
  'user-agent': 'test',
  host: 'app.example.com'
}

async function seen (t: Test, proxy: object, { path = '/ws', server = {}, sent = {} } = {}) {
  const far = await upstream(t)
  const { port } = await build(t, { proxy: { upstream: far.url, ...proxy }, server })
  await connect(t, port, [], { headers: { ...CLIENT_HEADERS, ...sent } }, path)
  const { request: { headers, url } } = await far.next()
  const { connection, upgrade, 'sec-websocket-key': key, 'sec-websocket-version': version, ...rest } = headers
  t.match({ connection, upgrade, key, version }, { connection: 'Upgrade', upgrade: 'websocket', key: String, version: '13' })
  return { headers: rest, url, host: `127.0.0.1:${far.port}` }
}

t.test('nothing of the client reaches the upstream unless it is named', async t => {
  const { headers, url, host } = await seen(t, {}, { path: '/ws?ticket=t&room=1' })
  t.strictSame(headers, { host })
  t.equal(url, '/')
})

t.test('headers are added, whatever the client sends', async t => {
  const { headers, host } = await seen(t, { headers: { 'X-API-Key': SECRET }, forwardHeaders: ['x-api-key', 'Accept-Language', 'x-none'] })
  t.strictSame(headers, { host, 'x-api-key': SECRET, 'accept-language': 'eo' })
})

t.test('headers can be made for each connection', async t => {
  for (const headers of [
    (request: { headers: { 'accept-language'?: string } }) => ({ 'X-Token': `for-${request.headers['accept-language']}`, Host: 'virtual.example.com' }),
    async () => ({ 'X-Token': 'for-eo', Host: 'virtual.example.com' })
  ]) {
    const { headers: { host, 'x-token': token } } = await seen(t, { headers })
    t.equal(token, 'for-eo')
    t.equal(host, 'virtual.example.com', 'Host may be set')
  }
})

t.test('cookies and Authorization are passed on if they are named', async t => {
  const { headers } = await seen(t, { forwardHeaders: ['Cookie', 'Authorization', 'Origin'] })
  t.match(headers, { cookie: CLIENT_HEADERS.cookie, authorization: 'Bearer b', origin: CLIENT_HEADERS.origin })
})

t.test("the client's Host is passed on without changeOrigin", async t => {
  const { headers } = await seen(t, { changeOrigin: false })
  t.strictSame(headers, { host: 'app.example.com' })
})

t.test('X-Forwarded headers describe the peer, whatever the client claims', async t => {
  const { headers, host } = await seen(t, { xForwarded: true })
  t.strictSame(headers, {
    host, 'x-forwarded-for': '127.0.0.1', 'x-forwarded-host': 'app.example.com', 'x-forwarded-proto': 'http'
  })
  const behind = await seen(t, { xForwarded: true }, { server: { trustProxy: true } })
  t.match(behind.headers, { 'x-forwarded-for': '1.2.3.4' })
})

t.test('X-Forwarded-For names the client in one form, however a proxy in front writes it', async t => {
  for (const [written, plain] of [
    ['203.0.113.7:50001', '203.0.113.7'], ['::ffff:cb00:7107', '203.0.113.7'], ['[2001:db8::7]:50001', '2001:db8::7'], ['unknown', 'unknown']
  ] as const) {
    const { headers } = await seen(t, { xForwarded: true }, { server: { trustProxy: true }, sent: { 'x-forwarded-for': written } })
    t.equal(headers['x-forwarded-for'], plain, written)
  }
})

t.test('named query parameters are passed on as often as they are given', async t => {
  const far = await upstream(t)
  const { port } = await build(t, { proxy: { upstream: `${far.url}feed?key=${SECRET}`, query: ['room', 'none', 'x y'] } })
  await connect(t, port, [], {}, '/ws?ticket=t&room=a%26b&room=c&x%20y=z')
  const { request } = await far.next()
  t.equal(request.url, `/feed?key=${SECRET}&room=a%26b&room=c&x+y=z`)
})

t.test("the user in the upstream's URL becomes Authorization", async t => {
  const far = await upstream(t)
  const { port } = await build(t, { proxy: { upstream: far.url.replace('//', '//user:pass@') } })
  await connect(t, port)
  t.equal((await far.next()).request.headers.authorization, `Basic ${btoa('user:pass')}`)
})

t.test('only named response headers of the upstream reach the 101', async t => {
  const far = await upstream(t, { headers: ['X-Node: seven', 'Set-Cookie: a=1', 'Set-Cookie: b=2', 'Server: secret/1.0'] })
  const { app, port } = await build(t, {
    proxy: { upstream: far.url, responseHeaders: ['X-Node', 'set-cookie', 'x-none'] },
    routes: app => {
      const proxy = app.wsProxy()
      app.get('/ws', { websocket: true, preValidation: proxy.dial }, proxy)
      app.get('/other', { websocket: true }, () => {})
    }
  })
  const lines: string[][] = []
  app.websocketServer.on('headers', headers => { lines.push([...headers]) })
  await connect(t, port)
  await connect(t, port, [], {}, '/other')
  t.match(lines[0]?.slice(4), ['x-node: seven', 'set-cookie: a=1', 'set-cookie: b=2'])
  t.equal(lines[0]?.length, 7)
  t.equal(lines[1]?.length, 4)
})
