// Takes long: it starts the whole demo for each case.
import { readFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { listenWithSystems, UPSTREAM_KEY } from './external-helpers.js'
import { Client, getTicket, http, listen, login, pass } from './helpers.js'

const elsewhere = { origin: 'https://evil.example' }

t.test('after ticket and JWT the client reaches the upstream, and never sees its key', async t => {
  const { app, origin } = await listenWithSystems(t)
  const token = await login(origin, 'alice')
  const client = await pass(t, origin, token, '/ws/upstream')
  client.send('{"type":"echo","data":"hello"}')
  t.strictSame(await client.next('echo'), { type: 'echo', data: 'hello' })

  client.send({ type: 'headers' })
  const { headers } = await client.next('headers')
  t.ok(headers.includes('x-api-key'))
  for (const name of ['cookie', 'authorization', 'origin']) t.notOk(headers.includes(name), name)

  const closed = once(client.socket, 'close')
  t.equal(app.wsProxy.open, 1)
  client.socket.close(1000)
  await closed
})

t.test('a foreign page, no ticket or no JWT: no connection to the upstream', async t => {
  const { origin } = await listenWithSystems(t)
  const token = await login(origin, 'alice')
  const protocols = ['airlock.v1', `ticket.${await getTicket(origin, token)}`]
  t.equal((await new Client(t, origin, '/ws/upstream', protocols, elsewhere).upgraded).status, 403)
  t.equal((await new Client(t, origin, '/ws/upstream').upgraded).status, 401)

  const client = new Client(t, origin, '/ws/upstream', protocols, { origin })
  t.equal((await client.upgraded).status, 101, 'the ticket was not used up')
  client.send({ type: 'echo', data: 1 })
  t.match(await client.closed, { code: 4400 })
})

t.test('requests to the API get the key, and no header that belongs to the demo', async t => {
  const { origin } = await listenWithSystems(t)
  const token = await login(origin, 'alice')
  const cookie = `session=${token}; ext_token=x`
  const answer = await http('GET', `${origin}/api/hello?a=b`, { headers: { cookie, 'x-api-key': 'mine', 'x-secret': 'x' } })
  t.equal(answer.status, 200)
  t.equal(answer.body.hello, 'from the upstream')
  t.ok(answer.body.headers.includes('x-api-key'))
  for (const name of ['cookie', 'x-secret']) t.notOk(answer.body.headers.includes(name), name)

  const client = await pass(t, origin, token, '/ws/upstream')
  const pushed = await http('POST', `${origin}/api/push`, { token, json: { message: '{"type":"echo","data":2}' }, headers: { origin } })
  t.strictSame(pushed.body, { sent: 1 })
  t.match(await client.next('echo'), { data: 2 })
  t.equal((await http('GET', `${origin}/api/nothing`, { token })).status, 404)
})

t.test('the API requires a session, and no foreign Origin', async t => {
  const { app, origin } = await listenWithSystems(t)
  const token = await login(origin, 'alice')
  t.equal((await http('GET', `${origin}/api/hello`)).status, 401)
  for (const foreign of ['https://evil.example', 'null']) {
    const answer = await http('GET', `${origin}/api/hello`, { token, headers: { origin: foreign } })
    t.equal(answer.status, 403)
    t.equal(answer.body.code, 'WSA_DEMO_ERR_ORIGIN')
  }
  t.equal((await new Client(t, origin, '/api/ws', [], { headers: { authorization: `Bearer ${token}` } }).upgraded).status, 404)
  t.equal(app.websocketServer.clients.size, 0)
})

t.test('a cookie of the upstream does not replace the demo\'s own', async t => {
  const { origin } = await startWith(t, (request, response) => {
    response.setHeader('set-cookie', 'session=theirs').setHeader('content-type', 'application/json').end(JSON.stringify(request.url))
  })
  const answer = await http('GET', `${origin}/api/a?b=c`, { token: await login(origin, 'alice') })
  t.equal(answer.body, '/a?b=c')
  t.equal(answer.headers.get('set-cookie'), null)
})

t.test('the upstream goes away and comes back', async t => {
  const { app, origin, upstream } = await listenWithSystems(t)
  const token = await login(origin, 'alice')
  const client = await pass(t, origin, token, '/ws/upstream')
  await upstream.kill()
  await client.closed
  t.equal(app.wsProxy.open, 0)

  const refused = new Client(t, origin, '/ws/upstream', ['airlock.v1', `ticket.${await getTicket(origin, token)}`])
  t.match(await refused.upgraded, { status: 502, body: { code: 'WSA_PROXY_ERR_UPSTREAM_UNREACHABLE' } })
  t.match(await http('GET', `${origin}/api/hello`, { token }), { status: 502, body: { code: 'WSA_DEMO_ERR_UPSTREAM_UNREACHABLE' } })

  await upstream.start()
  const again = await pass(t, origin, token, '/ws/upstream')
  again.send({ type: 'echo', data: 1 })
  t.match(await again.next('echo'), { data: 1 })
  t.equal((await http('GET', `${origin}/api/hello`, { token })).status, 200)
})

t.test('a busy upstream gets one request, without retries', async t => {
  let asked = 0
  const { origin } = await startWith(t, (request, response) => {
    asked++
    response.writeHead(503, { 'content-type': 'application/json' }).end('{"busy":true}')
  })
  t.match(await http('GET', `${origin}/api/hello`, { token: await login(origin, 'alice') }), { status: 503, body: { busy: true } })
  t.equal(asked, 1)
})

t.test('an upstream that never answers', async t => {
  const { origin } = await startWith(t, () => {})
  const answer = await http('GET', `${origin}/api/hello`, { token: await login(origin, 'alice') })
  t.match(answer, { status: 504, body: { code: 'WSA_DEMO_ERR_UPSTREAM_TIMEOUT' } })
})

t.test('an upstream with an invalid certificate does not get the key', async t => {
  const fixture = (name: string) => readFileSync(new URL(`fixtures/${name}.pem`, import.meta.url))
  let asked = 0
  const server = createTlsServer({ cert: fixture('cert'), key: fixture('key') }, () => asked++).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const { origin } = await listen(t, { UPSTREAM_URL: `wss://127.0.0.1:${(server.address() as AddressInfo).port}`, UPSTREAM_TOKEN: UPSTREAM_KEY })
  const token = await login(origin, 'alice')
  t.equal((await http('GET', `${origin}/api/hello`, { token })).status, 502)
  t.equal((await new Client(t, origin, '/ws/upstream', ['airlock.v1', `ticket.${await getTicket(origin, token)}`]).upgraded).status, 502)
  t.equal(asked, 0)
})

/** Starts the demo with an upstream whose answers the test defines. */
async function startWith (t: Test, listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1')
  t.teardown(() => { server.closeAllConnections(); server.close() })
  await once(server, 'listening')
  return await listen(t, { UPSTREAM_URL: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, UPSTREAM_TOKEN: UPSTREAM_KEY })
}
