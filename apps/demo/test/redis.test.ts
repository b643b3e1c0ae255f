import { requireServer, startRedis } from '@fastify-airlock/test-servers'
import t from 'tap'
import { build } from './helpers.js'
import { nodesContract, outageContract, questionsContract, topicsContract, until } from './nodes.js'

t.test('tickets and the bus in Redis', async t => {
  const redis = requireServer(t, await startRedis())
  if (redis === null) return
  t.teardown(() => redis.stop())
  await nodesContract(t, { REDIS_URL: redis.url, TICKET_STORE: 'redis' })
  await topicsContract(t, { REDIS_URL: redis.url, TICKET_STORE: 'redis' })
})

t.test('what nodes ask each other, in Redis', async t => {
  const redis = requireServer(t, await startRedis())
  if (redis === null) return
  t.teardown(() => redis.stop())
  await questionsContract(t, { REDIS_URL: redis.url, TICKET_STORE: 'redis' })
})

t.test('Redis is away at start, comes, and goes away again', async t => {
  const redis = requireServer(t, await startRedis())
  if (redis === null) return
  t.teardown(() => redis.stop())
  await redis.kill()

  await outageContract(t, { REDIS_URL: redis.url, TICKET_STORE: 'redis', LOG_LEVEL: 'info' }, [redis], ['no tickets', 'no topics', 'the bus receives nothing', 'the bus sends nothing'].flatMap(what => [`Redis is away: ${what}`, `Redis is away: ${what}`]))
})

t.test('a wrong password for Redis does not keep the app from starting, and is in no log line', async t => {
  const redis = requireServer(t, await startRedis())
  if (redis === null) return
  t.teardown(() => redis.stop())
  const { app, lines } = await build(t, {
    REDIS_URL: redis.url.replace('//', '//nobody:tell-no-one@'), TICKET_STORE: 'redis', LOG_LEVEL: 'trace'
  })
  await app.ready()
  await until(() => lines.filter(line => line.includes('WRONGPASS')).length >= 3, 'the errors are logged')
  t.equal((await app.inject('/healthz')).statusCode, 200)
  t.notMatch(lines.join(''), /tell-no-one/)
})
