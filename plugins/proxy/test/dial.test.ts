import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import t from 'tap'
import { build, client, connect, deferred, echo, refusal, SECRET, silence, until, upstream } from './helpers.js'

t.test('the 101 waits for the upstream', async t => {
  const admission = deferred<number>()
  const far = await upstream(t, { admit: async () => await admission.promise })
  const { app, port } = await build(t, { proxy: { upstream: far.url } })
  const near = client(t, port)
  let open = false
  near.socket.on('open', () => { open = true })
  await far.requested()
  await new Promise(resolve => setTimeout(resolve, 50))
  t.equal(open, false)
  t.equal(app.wsProxy.dialling, 1)
  t.equal(app.wsProxy.open, 0)
  admission.resolve(101)
  await once(near.socket, 'open')
  t.equal(app.wsProxy.dialling, 0)
  t.equal(app.wsProxy.open, 1)
  near.socket.close()
  await (await far.next()).closed
  await until(() => app.wsProxy.open === 0)
})

t.test('an upstream that refuses is a 502, and its answer is not passed on', async t => {
  const far = await upstream(t, { admit: () => 401 })
  const { app, lines, port } = await build(t, { proxy: { upstream: far.url } })
  const { status, headers, body } = await refusal(t, port)
  t.equal(status, 502)
  t.strictSame(body, {
    statusCode: 502, code: 'WSA_PROXY_ERR_UPSTREAM_REFUSED', error: 'Bad Gateway', message: 'The upstream did not accept the connection'
  })
  t.equal(headers['retry-after'], undefined)
  t.match(lines.join(''), 'Unexpected server response: 401', 'the operator is told why')
  t.equal(app.wsProxy.dialling, 0)
  await until(() => far.transports.size === 0)
})

t.test('an upstream that is away is a 502, until it comes back', async t => {
  let far = await upstream(t, { onConnection: echo })
  const { port: farPort } = far
  const { lines, port } = await build(t, { proxy: { upstream: far.url } })
  const before = await connect(t, port)
  before.socket.send('one')
  t.equal(await before.text(), 'one')

  await far.close()
  t.same(await before.closed, [1014, 'upstream connection lost'])
  const { status, headers, body } = await refusal(t, port)
  t.equal(status, 502)
  t.match(body, { code: 'WSA_PROXY_ERR_UPSTREAM_UNREACHABLE', message: 'The upstream cannot be reached' })
  t.equal(headers['retry-after'], '5')
  t.match(lines.join(''), 'ECONNREFUSED')
  t.notMatch(JSON.stringify(body), String(farPort))

  far = await upstream(t, { port: farPort, onConnection: echo })
  const after = await connect(t, port)
  after.socket.send('two')
  t.equal(await after.text(), 'two')
})

t.test('an upstream that is no WebSocket server is a 502', async t => {
  const server = net.createServer(socket => { socket.on('error', () => {}).end('SSH-2.0-nothing\r\n') }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const { port } = await build(t, { proxy: { upstream: `ws://127.0.0.1:${(server.address() as AddressInfo).port}` } })
  t.match(await refusal(t, port), { status: 502, body: { code: 'WSA_PROXY_ERR_UPSTREAM_UNREACHABLE' } })
})

t.test('an upstream that never answers is a 504 at the deadline, and its connection is closed', async t => {
  const { url, sockets } = await silence(t)
  const { app, port } = await build(t, { proxy: { upstream: url, dialTimeout: 200 } })
  const startedAt = performance.now()
  const { status, headers, body } = await refusal(t, port)
  t.ok(performance.now() - startedAt >= 200)
  t.equal(status, 504)
  t.match(body, { code: 'WSA_PROXY_ERR_UPSTREAM_TIMEOUT', error: 'Gateway Timeout' })
  t.equal(headers['retry-after'], '5')
  t.equal(app.wsProxy.dialling, 0)
  await until(() => sockets.size === 0)
})

t.test('an upstream that answers byte by byte has the same deadline', async t => {
  const server = net.createServer(socket => {
    const timer = setInterval(() => socket.write('H'), 20)
    socket.on('error', () => {}).on('close', () => clearInterval(timer))
    socket.write('HTTP/1.1 101 Switching Protocols\r\nX-Slow: ')
  }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const { port } = await build(t, { proxy: { upstream: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, dialTimeout: 200 } })
  t.match(await refusal(t, port), { status: 504 })
})

t.test('headers() has the same deadline, and its late result is ignored', async t => {
  const late = deferred<Record<string, string>>()
  const far = await upstream(t)
  const { app, port } = await build(t, { proxy: { upstream: far.url, dialTimeout: 100, headers: async () => await late.promise } })
  t.match(await refusal(t, port), { status: 504 })
  late.resolve({ 'x-api-key': SECRET })
  await new Promise(resolve => setImmediate(resolve))
  t.equal(far.transports.size, 0)
  t.equal(app.wsProxy.dialling, 0)
})

t.test('an error of headers() is answered with its own status', async t => {
  const far = await upstream(t)
  for (const [headers, expected] of [
    [() => { throw Object.assign(new Error('not you'), { statusCode: 403, code: 'NOT_YOU' }) }, { status: 403, body: { code: 'NOT_YOU' } }],
    [async () => { throw new Error('oops') }, { status: 500, body: { message: 'oops' } }],
    [() => ({ 'x-api-key': undefined }), { status: 500, body: { code: 'WSA_PROXY_ERR_HEADERS' } }],
    [() => ({ 'x-api-key': `${SECRET}\n` }), { status: 500, body: { code: 'WSA_PROXY_ERR_HEADERS' } }],
    [async () => ({ connection: 'close' }), { status: 500, body: { code: 'WSA_PROXY_ERR_HEADERS' } }],
    [() => null as never, { status: 500, body: { code: 'WSA_PROXY_ERR_HEADERS' } }]
  ] as const) {
    const { lines, app, port } = await build(t, { proxy: { upstream: far.url, headers } })
    const answer = await refusal(t, port)
    t.match(answer, expected)
    t.notMatch(answer.text + lines.join(''), SECRET)
    t.equal(app.wsProxy.dialling, 0)
  }
  t.equal(far.requests.length, 0)
})

t.test('a redirect is not followed, so that no other server gets the secrets', async t => {
  const elsewhere = await upstream(t)
  const server = net.createServer(socket => {
    socket.on('error', () => {}).end(`HTTP/1.1 302 Found\r\nLocation: ${elsewhere.url}\r\nContent-Length: 0\r\n\r\n`)
  }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const { port } = await build(t, { proxy: { upstream: `ws://127.0.0.1:${(server.address() as AddressInfo).port}` } })
  t.match(await refusal(t, port), { status: 502, body: { code: 'WSA_PROXY_ERR_UPSTREAM_REFUSED' } })
  t.equal(elsewhere.requests.length, 0)
})

t.test('a server that shuts down does not wait for the upstream', async t => {
  const { url, sockets } = await silence(t)
  const { app, port } = await build(t, { proxy: { upstream: url, dialTimeout: 60_000 } })
  const answer = refusal(t, port)
  await until(() => sockets.size === 1)
  await app.close()
  t.match(await answer, { status: 503, headers: { 'retry-after': '5' }, body: { code: 'WSA_PROXY_ERR_CLOSING' } })
  t.equal(app.wsProxy.dialling, 0)
  await until(() => sockets.size === 0)
})
