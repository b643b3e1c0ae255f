import { requireServer, startRedis } from '@fastify-airlock/test-servers'
import t, { type Test } from 'tap'
import { CERTIFICATE, type ProxyName, startProxy } from '../cluster/proxy.js'
import { startDemo } from '../demo.js'
import { holds, SECRET, tokensOf } from './look.js'

t.jobs = 2
t.setTimeout(480_000)

async function look (t: Test, name: ProxyName): Promise<void> {
  const redis = requireServer(t, await startRedis())
  if (redis === null) return
  t.teardown(() => redis.stop())
  const settings = { JWT_SECRET: SECRET, TICKET_STORE: 'redis', REDIS_URL: redis.url, TRUST_PROXY: '127.0.0.1' }
  const nodes = await Promise.all([startDemo(t, settings), startDemo(t, settings), startDemo(t, settings)])
  const proxy = requireServer(t, await startProxy(name, nodes.map(({ url }) => new URL(url).host)))
  if (proxy === null) return
  t.teardown(() => proxy.stop())
  const [node] = nodes
  const [alice, bob] = await Promise.all([node.login('alice', 'wonderland'), node.login('bob', 'builder')])
  const url = proxy.origin.replace('http', 'ws')
  await holds(t, {
    url: `${url}/ws/demo`, ticketUrl: `${proxy.origin}/ws/ticket`, forbiddenUrl: `${url}/ws/admin`, ca: CERTIFICATE, ...tokensOf(alice.token, bob.token)
  }, {
    skipped: ['key-confusion', 'drain', 'retry-after'],
    // A proxy writes a request of its own, and keeps connections.
    unknown: ['bad-upgrade', 'refusal-ends']
  })
}

t.test('three nodes behind nginx', { buffered: true }, async t => await look(t, 'nginx'))
t.test('three nodes behind HAProxy', { buffered: true }, async t => await look(t, 'haproxy'))
