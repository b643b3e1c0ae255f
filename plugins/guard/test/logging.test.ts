import { Writable } from 'node:stream'
import t from 'tap'
import { logSerializers, notFoundHandler, redactUrl } from '../src/index.js'
import { attempt, build, listen, raw, route, TICKET, upgradeHead } from './helpers.js'

t.test('the values of secret parameters are redacted in a URL', async t => {
  for (const [url, clean] of [
    ['/ws', '/ws'],
    ['/ws?room=1', '/ws?room=1'],
    ['/ws?ticket=abc', '/ws?ticket=[redacted]'],
    ['/ws?a=1&ticket=abc&b=2&ticket=def', '/ws?a=1&ticket=[redacted]&b=2&ticket=[redacted]'],
    ['/ws?TICKET=abc', '/ws?TICKET=[redacted]'],
    ['/ws?tic%6Bet=abc', '/ws?tic%6Bet=[redacted]'],
    ['/ws?token=a.b.c&tickets=1', '/ws?token=[redacted]&tickets=1'],
    ['/ws?ticket', '/ws?ticket'],
    ['/ws?%=1&%E0%A4%A=2', '/ws?%=1&%E0%A4%A=2'],
    ['/ws;ticket=abc', '/ws;ticket=[redacted]'],
    ['/ws;a=1&ticket=abc&b=2', '/ws;a=1&ticket=[redacted]&b=2'],
    ['/ws;a=1?ticket=abc', '/ws;a=1?ticket=[redacted]'],
    ['/ws#ticket=abc', '/ws#ticket=[redacted]'],
    ['/ws?ticket=abc?d;e#f=g&h=1', '/ws?ticket=[redacted]&h=1'],
    ['/ws;ticket=abc?token=def', '/ws;ticket=[redacted]'],
    ['/ws?a==ticket=abc', '/ws?a==ticket=abc'],
    ['/ticket=abc', '/ticket=abc'],
    ['https://x.test/a?access_token=1?2#f', 'https://x.test/a?access_token=[redacted]']
  ] as const) {
    t.equal(redactUrl(url), clean, url)
  }
  t.equal(redactUrl('/?ticket=1&key=2', ['key']), '/?ticket=1&key=[redacted]', 'other names')
})

t.test('serializers leave other values as they are', async t => {
  const { path, url, req } = logSerializers()
  t.equal(path(5), 5)
  t.equal(url('/?ticket=1'), '/?ticket=[redacted]')
  t.match(req({ method: 'GET', url: '/?ticket=1' } as never), { method: 'GET', url: '/?ticket=[redacted]' })
})

t.test('no line of a whole log contains a ticket: accepted, refused, not found, no handler, malformed', async t => {
  let log = ''
  const stream = new Writable({
    write (chunk, _encoding, done) {
      log += chunk
      done()
    }
  })
  const app = await build(t, { server: { logger: { level: 'trace', stream, serializers: logSerializers() } } })
  app.setNotFoundHandler(notFoundHandler())
  route(app)
  app.get('/plain', async () => 'plain')
  const port = await listen(app)
  const query = `?room=7&ticket=${TICKET}`

  t.match(await attempt(port, `/ws${query}`), { status: 101 })
  t.match(await attempt(port, `/ws${query}`), { status: 401 })
  t.match(await attempt(port, '/ws', ['airlock.v1', `ticket.${TICKET}`]), { status: 401 })
  t.match(await attempt(port, `/none${query}`), { status: 404, code: 'FST_ERR_NOT_FOUND' })
  const body = (await app.inject(`/none${query}`)).body
  t.notMatch(body, TICKET, 'the 404 body')
  t.match(body, 'Route GET:/none not found')
  t.match(await (await raw(t, port, upgradeHead(`/plain${query}`))).text, /^HTTP\/1\.1 101 /, 'an upgrade of a plain route is closed by @fastify/websocket')
  t.match(await (await raw(t, port, upgradeHead(`/%${query}`))).text, /^HTTP\/1\.1 400 /)
  await app.close()

  t.match(log, 'no websocket handler', 'the line that logs "path" was reached')
  t.ok(log.split('[redacted]').length > 6)
  t.notMatch(log, TICKET)
})
