import t from 'tap'
import { setTimeout as sleep } from 'node:timers/promises'
import { findRedis, requireServer } from '@fastify-airlock/test-servers'
import { testTopicStore } from '../../src/contract.js'
import type { TopicStore } from '../../src/index.js'
import { redisStore, spaceName } from './servers.js'

const server = requireServer(t, await findRedis())
if (server !== null) {
  t.teardown(() => server.stop())
  t.comment(server.kind)
  const spaces = new WeakMap<TopicStore, string>()

  t.test('contract', async t => {
    const make = async (space: string): Promise<TopicStore> => {
      const { store } = await redisStore(t, server.url, space)
      spaces.set(store, space)
      return store
    }
    testTopicStore(t, {
      create: () => make(spaceName()),
      another: store => make(spaces.get(store) as string),
      wait: milliseconds => sleep(milliseconds)
    })
  })
}
