import t from 'tap'
import { findRedis, requireServer } from '@fastify-airlock/test-servers'
import { RedisStore } from '../src/index.js'
import { race } from './race.js'
import { connect, prefixOf } from './redis.js'

const server = requireServer(t, await findRedis())
if (server !== null) {
  const { kind, url, stop } = server
  t.comment(kind)
  t.teardown(stop)

  t.test('of 200 parallel redemptions from four processes one succeeds', async t => {
    const redis = await connect(t, url)
    const prefix = prefixOf(t, redis)
    await race(t, new RedisStore(redis, { prefix }), 'redis-redeemer.ts', [url, prefix])
  })
}
