import t from 'tap'
import { setTimeout as sleep } from 'node:timers/promises'
import { findPostgres, requireServer } from '@fastify-airlock/test-servers'
import { testTopicStore } from '../../src/contract.js'
import type { TopicStore } from '../../src/index.js'
import { postgresStore, spaceName } from './servers.js'

const server = requireServer(t, await findPostgres())
if (server !== null) {
  t.teardown(() => server.stop())
  t.comment(server.kind)
  const { url } = server
  const spaces = new WeakMap<TopicStore, string>()

  t.test('contract', async t => {
    const make = async (table: string): Promise<TopicStore> => {
      const { store } = await postgresStore(t, url, { table })
      spaces.set(store, table)
      return store
    }
    testTopicStore(t, {
      create: () => make(spaceName()),
      another: store => make(spaces.get(store) as string),
      wait: milliseconds => sleep(milliseconds)
    })
  })
}
