import t from 'tap'
import { testTopicStore } from '../../src/contract.js'
import { MemoryTopicStore } from '../../src/index.js'

let ahead = 0
const now = (): number => 1_000_000 + ahead

t.test('contract', async t => {
  testTopicStore(t, { create: () => new MemoryTopicStore({ now }), wait: async milliseconds => { ahead += milliseconds } })
})

t.test('its memory is bounded over all topics, and the topic that was used last is dropped last', async t => {
  let time = 1_000_000
  const store = new MemoryTopicStore({ maxBytes: 20_000, now: () => time })
  const keep = { size: 100, ttl: 60_000 }
  const first = store.append('a', '"x"', keep).position
  for (let n = 0; n < 1_000; n++) {
    store.append(`topic/${n}`, '"x"', keep)
    store.append('b', '"x"', keep)
    t.ok(store.bytes <= 20_000)
  }
  t.equal(store.read('a', null, 1).position, null, 'it was used first')
  t.equal(store.read('a', first, 1).complete, false, 'which is no secret')
  t.ok(store.read('b', null, 1).position)
  const large = store.append('large', JSON.stringify('x'.repeat(30_000)), keep).position
  t.ok(store.bytes <= 20_000, 'one that is larger than all')
  t.equal(store.read('large', { ...large, offset: 0 }, 1).complete, false)
  time += 60_001
  store.append('c', '1', keep)
  store.append('c', '2', keep)
  time += 2 * 24 * 60 * 60_000
  store.append('d', '1', keep)
  t.equal(store.read('c', null, 1).position, null, 'and what nobody has needed for long is forgotten')
  store.close()
  t.equal(store.bytes, 0)
})

t.test('so are its ids: one more is refused, until others are over', async t => {
  let time = 1_000_000
  const store = new MemoryTopicStore({ maxIds: 2, now: () => time })
  const id = (key: string) => ({ key, digest: 'd', window: 1_000 })
  store.append('a', '1', { size: 1, ttl: 1_000, id: id('1') })
  store.claim('a', id('2'))
  t.throws(() => store.claim('a', id('3')), { code: 'WSA_TOPICS_ERR_STORE_FULL' })
  t.throws(() => store.append('a', '1', { size: 1, ttl: 1_000, id: id('3') }), { code: 'WSA_TOPICS_ERR_STORE_FULL' })
  t.equal(store.claim('a', id('2')), 'repeated', 'those that it knows are no more')
  time += 1_000
  t.equal(store.claim('a', id('3')), 'new')
  t.equal(store.claim('a', id('1')), 'new')
})

t.test('logs that were only opened are bounded as well, and cost others little of their history', async t => {
  let time = 1_000_000
  const store = new MemoryTopicStore({ maxBytes: 20_000, now: () => time })
  const keep = { size: 100, ttl: 60_000 }
  const kept = Array.from({ length: 30 }, (_, n) => store.append(`kept/${n}`, '"x"', keep).position)
  const before = store.bytes
  for (let n = 0; n < 1_000; n++) {
    const { offset } = store.open(`topic/${n}`, 60_000)
    t.equal(offset, 0)
    if (store.bytes > 20_000) t.fail(`${store.bytes} bytes`)
  }
  t.ok(store.bytes > before, 'some are there')
  for (const [n, position] of kept.entries()) t.equal(store.read(`kept/${n}`, { ...position, offset: 0 }, 1).complete, true)
  const last = store.open('topic/999', 60_000)
  t.same(store.append('topic/999', '1', keep).position, { ...last, offset: 1 }, 'the newest begin where they were opened')
  t.equal(store.read('topic/0', null, 1).position, null, 'the oldest are forgotten')
  time += 2 * 24 * 60 * 60_000
  store.append('other', '1', keep)
  t.same(store.heads(['topic/998', 'topic/999', 'kept/7']), [null, null, null], 'and those that are over')
  store.close()
  t.equal(store.bytes, 0)
})
