import t from 'tap'
import { buildApp } from '../src/app.js'
import { loadConfig } from '../src/config.js'
import { startStandIns } from '../src/stand-ins.js'
import { externalLogin } from './external-helpers.js'
import { http, login, pass, portOf } from './helpers.js'

t.test('every system that is not configured gets a stand-in, and everything works', async t => {
  const { config, started, close } = await startStandIns(loadConfig({ LOG_LEVEL: 'silent' }))
  const app = await buildApp(config)
  t.teardown(async () => {
    await app.close()
    await close()
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const origin = `http://127.0.0.1:${portOf(app)}`
  t.match((await http('GET', `${origin}/external/me?token=${await externalLogin(origin)}`)).body, { id: 'alice' })
  const token = await login(origin, 'alice')
  const client = await pass(t, origin, token, '/ws/upstream')
  client.send({ type: 'echo', data: 1 })
  t.match(await client.next('echo'), { data: 1 })
  t.equal((await http('GET', `${origin}/api/hello`, { token })).status, 200)

  t.equal(started.length, 2)
  t.notOk(started.join().includes(config.upstreamToken as string))
  t.notOk(started.join().includes(config.authorityClient.secret))
})

t.test('close stops the stand-ins', async t => {
  const { config, close } = await startStandIns(loadConfig({ UPSTREAM_TOKEN: 'mine' }))
  const { authority, upstream, upstreamToken } = config
  t.equal(upstreamToken, 'mine')
  t.equal((await fetch(`${upstream?.api}hello`, { headers: { 'x-api-key': 'mine' } })).status, 200)
  await close()
  await t.rejects(fetch(`${upstream?.api}hello`))
  await t.rejects(fetch(authority?.introspection as string))
})

t.test('a system that is configured gets none', async t => {
  const named = loadConfig({
    INTROSPECTION_URL: 'https://id.example/introspect',
    INTROSPECTION_CLIENT_ID: 'demo',
    INTROSPECTION_CLIENT_SECRET: 'secret',
    UPSTREAM_URL: 'wss://up.example',
    UPSTREAM_TOKEN: 'key'
  })
  const { config, started, close } = await startStandIns(named)
  t.strictSame(config, named)
  t.strictSame(started, [])
  await close()
})
