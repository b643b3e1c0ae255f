import { mkdtemp, rm } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { usesPublicWay } from '@fastify-airlock/core'
import t from 'tap'
import { answerOverHttp, rewritesUrls } from '../src/internals.js'
import { build, listen, route, until } from './helpers.js'

/** What a server of Node 24.9 decides for each value of `Upgrade`. */
function decide (upgrade: string | undefined, theirs = true): boolean {
  const asked: unknown[] = []
  const server = { shouldUpgradeCallback (request: IncomingMessage) { asked.push(this, request); return theirs } }
  answerOverHttp(server)
  const request = { headers: { upgrade } } as IncomingMessage
  const upgrades = server.shouldUpgradeCallback(request)
  if (asked.length > 0) t.same(asked, [server, request])
  return upgrades
}

t.test('h2c and TLS are declined, where Node asks; everything else is decided as before', async t => {
  // Node documents an option of that name, and not the member.
  const stays = usesPublicWay()
  for (const upgrade of ['h2c', 'H2C', ' h2c ', 'h2c, other', 'TLS/1.0', 'tls/1.2, h2c']) t.equal(decide(upgrade), stays, upgrade)
  for (const upgrade of ['websocket', 'WebSocket', 'h2c, websocket', 'websocket, h2c', 'other', 'h2cx', 'tls', undefined]) {
    t.equal(decide(upgrade), true, String(upgrade))
    t.equal(decide(upgrade, false), false, `${upgrade}, which the application declines`)
  }
})

t.test('a server of an older Node stays as it is', async t => {
  const server = {}
  answerOverHttp(server)
  t.same(server, {})
})

t.test('rewriteUrl is seen where Fastify keeps it', async t => {
  t.equal(rewritesUrls({} as never), false)
  t.equal(rewritesUrls({ [Symbol('fastify.options')]: {} } as never), false)
  t.equal(rewritesUrls({ [Symbol('fastify.options')]: undefined } as never), false)
})

t.test('HEAD and GET on a guarded route are refused as plain requests', async t => {
  const app = await build(t, { server: { exposeHeadRoutes: true } })
  route(app)
  await listen(app)
  for (const method of ['GET', 'HEAD'] as const) t.equal((await app.inject({ method, url: '/ws' })).statusCode, 400)
})

t.test('over a Unix socket there is no address, and pending upgrades are not counted by one', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'airlock-'))
  t.teardown(async () => await rm(folder, { recursive: true }))
  const app = await build(t, { guard: { pendingPerAddress: 1 } })
  let open = (): void => {}
  const gate = new Promise<void>(resolve => { open = resolve })
  route(app, { authenticate: async () => { await gate; return { subject: 'u1' } } })
  const socketPath = join(folder, 's')
  await app.listen({ path: socketPath })
  const headers = {
    connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', origin: 'http://x', host: 'x'
  }
  const answers = [1, 2, 3].map(async () => await new Promise<number | undefined>((resolve, reject) => {
    request({ socketPath, path: '/ws', headers }).on('upgrade', (response, socket) => {
      socket.destroy()
      resolve(response.statusCode)
    }).on('response', response => resolve(response.statusCode)).on('error', reject).end()
  }))
  await until(() => app.wsGuard.pending === 3)
  open()
  t.same(await Promise.all(answers), [101, 101, 101])
})
