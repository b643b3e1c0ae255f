import t from 'tap'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { requireServer, startRedis } from '@fastify-airlock/test-servers'
import { Cluster } from 'ioredis'
import { testTicketStore } from '../src/contract.js'
import { RedisStore } from '../src/index.js'
import { connect } from './redis.js'

const server = requireServer(t, await startRedis('--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'))
if (server !== null) {
  t.comment(server.kind)
  t.teardown(() => server.stop())
  const node = await connect(t, server.url)
  await node.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
  while (!String(await node.call('CLUSTER', 'INFO')).includes('cluster_state:ok')) await sleep(20)

  const cluster = new Cluster([server.url])
  t.teardown(() => cluster.disconnect())
  await once(cluster, 'ready')

  t.test('contract on Redis Cluster, with all keys in one slot', async t => {
    let stores = 0
    testTicketStore(t, { create: () => new RedisStore(cluster, { prefix: `{ws:ticket}:${stores++}:`, timeout: 30_000 }), bounded: false })
  })

  t.test('without a hash tag it is refused before it can fail', async t => {
    t.throws(() => new RedisStore(cluster), { code: 'WSA_TICKET_ERR_OPTION', message: /hash tag/ })
  })
}
