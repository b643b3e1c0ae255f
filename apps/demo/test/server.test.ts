import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import t from 'tap'
import { http, login, pass } from './helpers.js'
import { listening, start, untilLogged } from './process.js'

t.test('starts with no configuration, says where it is and who may log in', async t => {
  const { server, output, ended, origin } = await listening(t)
  await untilLogged(server, output, /(demo users: alice\/wonderland \(user\), bob\/builder \(user\), admin\/admin \(admin\))/)
  const client = await pass(t, origin, await login(origin, 'alice'))
  t.match(await client.next('tick'), { n: 1 })
  server.kill('SIGTERM')
  t.match(await client.closed, { code: 1012 })
  t.equal(await ended, 0)
})

t.test('a configuration that can not be used names the variable and exits', async t => {
  const { output, ended } = start(t, { TLS_KEY: '/somewhere' })
  t.equal(await ended, 1)
  t.match(output.text, /^FastifyError \[WSA_DEMO_ERR_CONFIG\]: Invalid configuration: TLS_KEY is set, TLS_CERT is not\n$/)
})

t.test('a port that is taken', async t => {
  const other = net.createServer().listen(0, '127.0.0.1')
  t.teardown(() => other.close())
  await once(other, 'listening')
  const { output, ended } = start(t, { PORT: String((other.address() as AddressInfo).port) })
  t.equal(await ended, 1)
  t.match(output.text, /EADDRINUSE/)
})

t.test('reads .env from the working directory; the environment wins', async t => {
  const cwd = t.testdir({ '.env': 'TICKET_TTL_MS=60000\nLOG_LEVEL=silent\n' })
  const { origin } = await listening(t, { LOG_LEVEL: 'info' }, { cwd })
  const { body } = await http('POST', `${origin}/ws/ticket`, { token: await login(origin, 'alice') })
  t.equal(body.expiresIn, 60)
})

t.test('a .env that can not be read is not passed over', async t => {
  const { output, ended } = start(t, {}, { cwd: t.testdir({ '.env': {} }) })
  t.equal(await ended, 1)
  t.match(output.text, /\.env|EISDIR/)
})
