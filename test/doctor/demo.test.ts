import { requireServer, startMongo, startRedis } from '@fastify-airlock/test-servers'
import t, { type Test } from 'tap'
import { startDemo } from '../demo.js'
import { holds, SECRET, tokensOf } from './look.js'

// Each waits for half a minute until a ticket expires.
t.jobs = 3
t.setTimeout(480_000)

/** What needs TLS, or a key of another kind than the demo's. */
const SKIPPED = ['key-confusion', 'tls', 'tls-version', 'tls-certificate', 'hsts'] as const

async function look (t: Test, settings: Record<string, string>): Promise<void> {
  const demo = await startDemo(t, { JWT_SECRET: SECRET, ...settings })
  const url = demo.url.replace('http', 'ws')
  const [alice, bob] = await Promise.all([demo.login('alice', 'wonderland'), demo.login('bob', 'builder')])
  await holds(t, {
    url: `${url}/ws/demo`, ticketUrl: `${demo.url}/ws/ticket`, forbiddenUrl: `${url}/ws/admin`, drain: 120_000, exhaust: true, ...tokensOf(alice.token, bob.token)
  }, {
    skipped: [...SKIPPED],
    onDrain: () => { demo.stop('SIGTERM').catch(error => t.fail(error)) }
  })
}

t.test('the demo, tickets in memory', { buffered: true }, async t => {
  // So few that 70 are too many, and more than the doctor takes before.
  await look(t, { TICKET_RATE: '110' })
})

t.test('the demo, tickets in Redis', { buffered: true }, async t => {
  const redis = requireServer(t, await startRedis())
  if (redis === null) return
  t.teardown(() => redis.stop())
  await look(t, { TICKET_STORE: 'redis', REDIS_URL: redis.url, TICKET_RATE: '110' })
})

t.test('the demo, tickets in MongoDB', { buffered: true }, async t => {
  const mongodb = requireServer(t, await startMongo())
  if (mongodb === null) return
  t.teardown(() => mongodb.stop())
  await look(t, { TICKET_STORE: 'mongodb', MONGODB_URL: `${mongodb.url}/airlock`, TICKET_RATE: '110' })
})
