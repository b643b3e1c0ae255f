import type { TLSSocket } from 'node:tls'
import t from 'tap'
import { build, connect, echo, pem, refusal, until, upstream } from './helpers.js'

const server = { cert: pem('server'), key: pem('server-key') }
const ca = pem('ca')
const mutual = { ...server, ca, requestCert: true, rejectUnauthorized: true }

t.test('wss:// works with a CA of its own', async t => {
  const far = await upstream(t, { tls: server, onConnection: echo })
  t.match(far.url, /^wss:/)
  const { port } = await build(t, { proxy: { upstream: far.url, tls: { ca } } })
  const near = await connect(t, port)
  near.socket.send('hello')
  t.equal(await near.text(), 'hello')
})

t.test('a certificate of an unknown authority is a 502', async t => {
  const far = await upstream(t, { tls: server })
  const { app, lines, port } = await build(t, { proxy: { upstream: far.url } })
  const { status, headers, body } = await refusal(t, port)
  t.equal(status, 502)
  t.match(body, { code: 'WSA_PROXY_ERR_UPSTREAM_UNREACHABLE', message: 'The upstream cannot be reached' })
  t.equal(headers['retry-after'], '5')
  t.match(lines.join(''), /"reason":"(UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN)"/)
  t.equal(far.requests.length, 0, 'the secret headers were not sent')
  await until(() => far.transports.size === 0)
  t.equal(app.wsProxy.dialling, 0)
})

t.test('NODE_TLS_REJECT_UNAUTHORIZED does not weaken the check', async t => {
  const far = await upstream(t, { tls: server })
  const { port } = await build(t, { proxy: { upstream: far.url } })
  const emitWarning = process.emitWarning
  t.teardown(() => {
    delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
    process.emitWarning = emitWarning
  })
  process.emitWarning = () => {}
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  t.match(await refusal(t, port), { status: 502 })
})

t.test('a certificate for another name is a 502, unless `servername` is that name', async t => {
  const names: Array<string | false | null> = []
  const far = await upstream(t, { tls: server, onConnection: (_peer, request) => { names.push((request.socket as TLSSocket & { servername: string | false }).servername) } })
  const wrong = await build(t, { proxy: { upstream: far.url, tls: { ca, servername: 'elsewhere.test' } } })
  t.match(await refusal(t, wrong.port), { status: 502 })
  t.match(wrong.lines.join(''), 'ERR_TLS_CERT_ALTNAME_INVALID')
  const right = await build(t, { proxy: { upstream: far.url, tls: { ca, servername: 'upstream.test' } } })
  await connect(t, right.port)
  t.same(names, ['upstream.test'])
})

t.test('the certificate is not checked with `rejectUnauthorized: false`', async t => {
  const far = await upstream(t, { tls: server })
  const { port } = await build(t, { proxy: { upstream: far.url, tls: { rejectUnauthorized: false } } })
  await connect(t, port)
  t.pass()
})

t.test('a client certificate is sent', async t => {
  const far = await upstream(t, { tls: mutual })
  const without = await build(t, { proxy: { upstream: far.url, tls: { ca } } })
  t.match(await refusal(t, without.port), { status: 502, body: { code: 'WSA_PROXY_ERR_UPSTREAM_UNREACHABLE' } })
  const { port } = await build(t, { proxy: { upstream: far.url, tls: { ca: [ca], cert: pem('client'), key: pem('client-key') } } })
  await connect(t, port)
  const { request } = await far.next()
  t.equal((request.socket as TLSSocket).getPeerCertificate().subject.CN, 'client.test')
})

t.test('wss:// to a server without TLS is a 502', async t => {
  const far = await upstream(t)
  const { port } = await build(t, { proxy: { upstream: far.url.replace('ws:', 'wss:'), tls: { ca } } })
  t.match(await refusal(t, port), { status: 502, body: { code: 'WSA_PROXY_ERR_UPSTREAM_UNREACHABLE' } })
})
