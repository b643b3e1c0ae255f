import t from 'tap'
import { setTimeout as sleep } from 'node:timers/promises'
import { testTicketStore } from '../../src/contract.js'
import { MemoryStore } from '../../src/index.js'
import { record } from '../helpers.js'

t.test('contract', async t => {
  testTicketStore(t, { create: options => new MemoryStore(options), bounded: true })
})

t.test('a wrong option', async t => {
  for (const options of [{ max: 0 }, { max: '1' }, { maximum: 1 }, null]) {
    t.throws(() => new MemoryStore(options as object), { code: 'WSA_TICKET_ERR_OPTION' }, JSON.stringify(options))
  }
})

t.test('expired tickets are removed, subject by subject, and the timer stops', async t => {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  store.put('a', record(), 20)
  store.put('b', record(), 20)
  store.put('c', record({ subject: 'bob' }), 60_000)
  t.equal(store.size, 3)
  for (let i = 0; i < 200 && store.size > 1; i++) await sleep(25)
  t.equal(store.size, 1)
  t.equal(store.revoke('alice'), 0)
  t.equal(store.revoke('bob'), 1)
  t.equal(store.size, 0)
})

t.test('a full store removes expired tickets without waiting for its timer', async t => {
  const store = new MemoryStore({ max: 1 })
  t.teardown(() => store.close())
  store.put('a', record(), 500)
  t.throws(() => store.put('b', record(), 1), { code: 'WSA_TICKET_ERR_STORE_FULL', statusCode: 503, retryAfter: 1 })
  // No timer fires during this loop.
  const until = performance.now() + 750
  while (performance.now() < until);
  store.put('b', record(), 1_000)
  t.equal(store.size, 1)
})

t.test('nothing is left of a ticket that was taken', async t => {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const now = Date.now()
  for (let i = 0; i < 1_000; i++) {
    store.put(String(i), record({ subject: `user ${i % 10}` }), 30_000)
    store.take(String(i), 'here', now)
  }
  t.equal(store.size, 0)
  t.equal(store.revoke('user 1'), 0)
})
