import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { environmentSchema, loadConfig } from '../src/config.js'
import { basic, authorization } from './helpers.js'

/** Removes what the environment of this machine sets. */
const UNSET = Object.fromEntries(Object.keys(environmentSchema.properties).map(name => [name, undefined]))
const SERVER = fileURLToPath(new URL('../src/server.ts', import.meta.url))

/** Starts the real process. */
function start (t: Test, environment: NodeJS.ProcessEnv = {}, args: string[] = []) {
  const server = spawn(process.execPath, [...process.execArgv, ...args, SERVER], {
    env: { ...process.env, ...UNSET, PORT: '0', ...environment }, stdio: ['ignore', 'pipe', 'pipe', 'ipc']
  })
  t.teardown(() => server.kill('SIGKILL'))
  const output = { text: '' }
  server.stdout?.on('data', data => { output.text += data })
  server.stderr?.on('data', data => { output.text += data })
  return { server, output, ended: once(server, 'close').then(([code]) => code as number | null) }
}

/** Waits until the log matches a pattern; returns its first group. */
async function untilLogged (server: ChildProcess, output: { text: string }, pattern: RegExp): Promise<string> {
  for (;;) {
    const match = pattern.exec(output.text)
    if (match !== null) return match[1] as string
    if (server.exitCode !== null) throw new Error(`ended: ${output.text}`)
    await Promise.race([once(server.stdout as NodeJS.EventEmitter, 'data'), once(server, 'close')])
  }
}

const LISTENING = /Server listening at (http:\/\/[\d.:]+)/

t.test('starts without configuration, logs the demo users, and exits with 0 on SIGTERM', async t => {
  const { server, output, ended } = start(t)
  const origin = await untilLogged(server, output, LISTENING)
  await untilLogged(server, output, /(demo only, the secret is public: client airlock-demo\/demo-only-secret)/)
  await untilLogged(server, output, /(demo users: alice\/wonderland \(user\), bob\/builder \(user\), admin\/admin \(admin\))/)
  const { access_token: token } = await (await fetch(`${origin}/token`, {
    method: 'POST', body: new URLSearchParams({ username: 'bob', password: 'builder' })
  })).json() as { access_token: string }
  const answer = await fetch(`${origin}/introspect`, { method: 'POST', headers: { authorization }, body: new URLSearchParams({ token }) })
  t.match(await answer.json(), { active: true, sub: 'bob' })
  server.kill('SIGTERM')
  t.equal(await ended, 0)
  t.notOk(output.text.includes(token))
})

t.test('configured credentials are used, and not logged', async t => {
  const { server, output, ended } = start(t, { INTROSPECTION_CLIENT_ID: 'me', INTROSPECTION_CLIENT_SECRET: 'of my own' })
  const origin = await untilLogged(server, output, LISTENING)
  await untilLogged(server, output, /(demo users)/)
  const answer = await fetch(`${origin}/introspect`, {
    method: 'POST', headers: { authorization: basic('me', 'of my own') }, body: new URLSearchParams({ token: 'x' })
  })
  t.same(await answer.json(), { active: false })
  server.kill('SIGTERM')
  t.equal(await ended, 0)
  t.notMatch(output.text, /of my own|demo-only-secret/)
})

t.test('an invalid value names the variable and exits', async t => {
  const { output, ended } = start(t, { TOKEN_TTL_SECONDS: '0' })
  t.equal(await ended, 1)
  t.match(output.text, /^FastifyError \[WSA_AUTHORITY_ERR_CONFIG\]: Invalid configuration: TOKEN_TTL_SECONDS must be >= 1\n$/)
})

t.test('a port in use', async t => {
  const other = net.createServer().listen(0, '127.0.0.1')
  t.teardown(() => other.close())
  await once(other, 'listening')
  const { output, ended } = start(t, { PORT: String((other.address() as AddressInfo).port) })
  t.equal(await ended, 1)
  t.match(output.text, /EADDRINUSE/)
})

t.test('an unexpected error closes the server', async t => {
  const fault = 'data:text/javascript,process.on("message", () => { throw new Error("unforeseen") })'
  const { server, output, ended } = start(t, {}, ['--import', fault])
  await untilLogged(server, output, LISTENING)
  server.send('now')
  t.equal(await ended, 1)
  t.match(output.text, /unexpected error, closing/)
})

t.test('defaults', async t => {
  t.strictSame(loadConfig({}), {
    host: '127.0.0.1', port: 3001, client: { id: 'airlock-demo', secret: 'demo-only-secret' }, tokenTtl: 900, logLevel: 'info'
  })
})
