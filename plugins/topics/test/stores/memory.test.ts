import t from 'tap'
import { testTopicStore } from '../../src/contract.js'
import { MemoryTopicStore } from '../../src/index.js'

let ahead = 0
const now = (): number => 1_000_000 + ahead

t.test('contract', async t => {
  testTopicStore(t, { create: () => new MemoryTopicStore({ now }), wait: async milliseconds => { ahead += milliseconds } })
})
