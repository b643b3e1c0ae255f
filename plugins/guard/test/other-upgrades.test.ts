import type { IncomingMessage } from 'node:http'
import t from 'tap'
import { answerOverHttp, rewritesUrls } from '../src/internals.js'
import { build, listen, route } from './helpers.js'

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
  for (const upgrade of ['h2c', 'H2C', ' h2c ', 'h2c, other', 'TLS/1.0', 'tls/1.2, h2c']) t.equal(decide(upgrade), false, upgrade)
  for (const upgrade of ['websocket', 'WebSocket', 'h2c, websocket', 'websocket, h2c', 'other', 'h2cx', 'tls', undefined]) {
    t.equal(decide(upgrade), true, upgrade)
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
