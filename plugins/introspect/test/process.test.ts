import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { demoClient } from '@fastify-airlock/authority'
import { freePort } from '@fastify-airlock/test-servers'
import t, { type Test } from 'tap'
import { build, connect, credentials, listen, until } from './helpers.js'

const SERVER = fileURLToPath(import.meta.resolve('@fastify-airlock/authority/server'))

/** Starts the authority in a process of its own. */
async function start (t: Test, port: number) {
  const child = spawn(process.execPath, [...process.execArgv, SERVER], {
    env: {
      ...process.env,
      HOST: '127.0.0.1',
      PORT: String(port),
      INTROSPECTION_CLIENT_ID: demoClient.id,
      INTROSPECTION_CLIENT_SECRET: demoClient.secret,
      LOG_LEVEL: 'info'
    },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  t.teardown(() => { child.kill('SIGKILL') })
  let output = ''
  child.stdout.on('data', data => { output += data })
  await until(() => output.includes('Server listening at'))
  return child
}

t.test('requests get 503 while the process of the authority is stopped or killed, and answers when it is back', async t => {
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const child = await start(t, port)
  const { app } = await build(t, { endpoint: `${origin}/introspect`, ...credentials, timeout: 2_000, cacheTtl: 0, negativeCacheTtl: 0 })
  app.get('/ws', { websocket: true, preValidation: app.wsIntrospect.authenticate }, (socket, request) => {
    app.wsIntrospect.watch(socket, request)
  })
  const at = await listen(app)
  const response = await fetch(`${origin}/token`, { method: 'POST', body: new URLSearchParams({ username: 'alice', password: 'wonderland' }) })
  const { access_token: token } = await response.json() as { access_token: string }
  const headers = { authorization: `Bearer ${token}` }
  const me = async () => (await fetch(`http://127.0.0.1:${at}/me`, { headers })).status
  const upgrade = async () => (await connect(t, at, '/ws', [], { headers }).refused).status
  await until(async () => await me() === 200)
  const { client, closed } = connect(t, at, '/ws', [], { headers })
  await once(client, 'open')

  child.kill('SIGSTOP')
  const stopped = performance.now()
  t.same(await Promise.all([me(), upgrade(), app.wsIntrospect.recheck('alice')]), [503, 503, { kept: 0, closed: 0, unknown: 1 }])
  t.ok(performance.now() - stopped >= 2_000, 'the authority had time to answer')
  t.equal(client.readyState, client.OPEN)

  child.kill('SIGCONT')
  await until(async () => await me() === 200)
  await until(async () => (await app.wsIntrospect.recheck('alice')).kept === 1)

  child.kill('SIGKILL')
  await once(child, 'exit')
  t.equal(await me(), 503)
  t.equal(await upgrade(), 503)
  t.equal(client.readyState, client.OPEN)

  // It has forgotten every token, and says so.
  await start(t, port)
  await until(async () => await me() === 401)
  t.equal(await upgrade(), 401)
  await until(async () => (await app.wsIntrospect.recheck('alice')).unknown === 0)
  t.strictSame(await closed, { code: 4403, reason: 'token revoked' })
})
