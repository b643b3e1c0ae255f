import { requireServer, startRedis } from '@fastify-airlock/test-servers'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { createChat } from '../src/app.js'
import { servePage } from '../src/page.js'
import { addSamples } from '../src/samples.js'
import { inMemory } from '../src/shared.js'
import { Users } from '../src/users.js'

const SERVER = fileURLToPath(new URL('../src/server.ts', import.meta.url))
const SETTINGS = ['HOST', 'REDIS_URL', 'JWT_SECRET', 'TRUST_PROXY']

/** The process that `npm start` runs. */
function start (t: Test, settings: Record<string, string> = {}) {
  const env: NodeJS.ProcessEnv = { ...process.env, PORT: '0' }
  for (const name of SETTINGS) delete env[name]
  const server = spawn(process.execPath, [...process.execArgv, SERVER], { env: { ...env, ...settings }, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => server.kill('SIGKILL'))
  const output = { text: '' }
  for (const stream of [server.stdout, server.stderr]) stream.on('data', data => { output.text += data })
  return { server, output, ended: once(server, 'close').then(([code]) => code as number | null) }
}

async function listening (t: Test, settings: Record<string, string> = {}) {
  const started = start(t, settings)
  return { ...started, url: await untilLogged(started, /open (http:[^"]+) in a browser/) }
}

async function untilLogged ({ server, output }: { server: ChildProcess, output: { text: string } }, pattern: RegExp): Promise<string> {
  for (;;) {
    const [, found] = pattern.exec(output.text) ?? []
    if (found !== undefined) return found
    if (server.exitCode !== null) throw new Error(`ended: ${output.text}`)
    await Promise.race([once(server.stdout!, 'data'), once(server, 'close')])
  }
}

async function logIn (url: string, name = 'alice', password = 'wonderland', headers = {}) {
  const response = await fetch(`${url}/login`, {
    method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify({ name, password })
  })
  const [cookie = ''] = response.headers.getSetCookie()
  return { cookie, token: (await response.json() as { token: string }).token }
}

async function ask (url: string, token: string, method = 'GET') {
  const response = await fetch(url, { method, headers: { authorization: `Bearer ${token}` } })
  return { status: response.status, text: await response.text() }
}

t.test('one node needs no configuration, and stops when it is told to', async t => {
  const { server, output, ended, url } = await listening(t)
  t.match(output.text, /users: alice\/wonderland, bob\/builder, carol\/christmas, admin\/admin/)
  const { cookie, token } = await logIn(url)
  t.notMatch(cookie, /Secure/)
  t.match((await ask(`${url}/rooms`, token)).text, /"topic":"room\/lobby".*"topic":"room\/reading"/)
  server.kill('SIGTERM')
  t.equal(await ended, 0)
})

t.test('a Ctrl-C lets it end in order, although npm passes on what the terminal has sent to both', async t => {
  const started = await listening(t)
  const { server, ended, url } = started
  const { hostname, port } = new URL(url)
  const halfway = net.connect(Number(port), hostname)
  t.teardown(() => halfway.destroy())
  halfway.write('POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{')
  await untilLogged(started, /(incoming request)/)
  server.kill('SIGINT')
  while (await fetch(url).then(() => true, () => false)) await setTimeout(10)
  server.kill('SIGINT')
  halfway.write('}')
  t.match(String(await once(halfway, 'data')), /^HTTP\/1.1 400/)
  t.equal(await ended, 0)
})

t.test('two nodes share logins, rooms and tickets by a Redis', async t => {
  const redis = requireServer(t, await startRedis())
  if (redis === null) return
  t.teardown(() => redis.stop())
  const settings = { REDIS_URL: redis.url, JWT_SECRET: 'the same secret for both, 32 characters', TRUST_PROXY: '127.0.0.1' }
  const [one, two] = [await listening(t, settings), await listening(t, settings)]
  const { cookie, token } = await logIn(one.url, 'alice', 'wonderland', { 'x-forwarded-proto': 'https' })
  t.match(cookie, /; Secure/, 'the proxy in front ends TLS')
  t.equal((await ask(`${two.url}/ws/ticket`, token, 'POST')).status, 201)

  const admin = await logIn(one.url, 'admin', 'admin')
  t.equal((await ask(`${one.url}/rooms/lobby/members/alice`, admin.token, 'DELETE')).status, 204)
  t.match((await ask(`${two.url}/rooms`, token)).text, /^\[\{"topic":"room\/reading"[^[]*\]$/)
  const three = await listening(t, settings)
  t.match((await ask(`${three.url}/rooms`, token)).text, /^\[\{"topic":"room\/reading"[^[]*\]$/, 'a node that starts brings nobody back')

  const elsewhere = await logIn(two.url)
  t.equal((await ask(`${two.url}/logout`, token, 'POST')).status, 204)
  t.equal((await ask(`${one.url}/rooms`, token)).status, 401)
  t.equal((await ask(`${one.url}/rooms`, elsewhere.token)).status, 200)
  t.equal((await ask(`${one.url}/logout?everywhere`, elsewhere.token, 'POST')).status, 204)
  t.equal((await ask(`${two.url}/rooms`, elsewhere.token)).status, 401)

  for (const { server } of [one, two, three]) server.kill('SIGTERM')
  for (const { ended } of [one, two, three]) t.equal(await ended, 0)
})

t.test('nodes that share a Redis share a secret, or do not start', async t => {
  const { output, ended } = start(t, { REDIS_URL: 'redis://127.0.0.1:1' })
  t.equal(await ended, 1)
  t.equal(output.text, 'JWT_SECRET: nodes that share a Redis need the same one\n')
})

t.test('a secret that can be guessed is none', async t => {
  for (const JWT_SECRET of ['', 'x'.repeat(31)]) {
    const { server, output, ended } = start(t, { JWT_SECRET })
    server.stdout.once('data', () => server.kill('SIGKILL'))
    t.equal(await ended, 1)
    t.equal(output.text, 'JWT_SECRET: 32 characters or more\n')
  }
})

t.test('the page is served with headers that confine it', async t => {
  const { shared, close } = inMemory()
  t.teardown(close)
  const users = new Users()
  const app = await createChat({ ...shared, users, secret: 'a secret for tests that is long enough' })
  t.teardown(async () => await app.close())
  await servePage(app, t.testdir({ 'index.html': '<title>Chat</title>', assets: { 'index-1.js': '' } }))
  await addSamples(users, shared.rooms)
  const page = await app.inject('/')
  t.equal(page.body, '<title>Chat</title>')
  t.equal(page.headers['content-security-policy'],
    "default-src 'none';script-src 'self';style-src 'self';img-src 'self';connect-src 'self';form-action 'self';base-uri 'none';frame-ancestors 'none'")
  t.equal((await app.inject('/assets/index-1.js')).statusCode, 200)
  t.equal((await app.inject('/assets/other.js')).statusCode, 404)
})
