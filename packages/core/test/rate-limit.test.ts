import t from 'tap'
import { RateLimit } from '../src/index.js'

t.test('a bucket holds a burst and refills steadily', async t => {
  const limit = new RateLimit({ perSecond: 10, burst: 3 })
  const client = { paidUntil: null }
  const take = (now: number): boolean => limit.take(client, now)
  t.strictSame([take(1_000), take(1_000), take(1_000), take(1_000)], [true, true, true, false], 'a burst')
  t.strictSame([take(1_099), take(1_100), take(1_100)], [false, true, false], 'one after 100 ms')
  t.strictSame([take(1_300), take(1_300), take(1_300)], [true, true, false])
  t.strictSame([take(9_000), take(9_000), take(9_000), take(9_000)], [true, true, true, false], 'no more than the burst')
})

t.test('what is added beyond the limit has to be waited for', async t => {
  const limit = new RateLimit({ perSecond: 10, burst: 3 })
  const client = { paidUntil: null }
  for (let i = 0; i < 5; i++) limit.add(client, 1_000)
  t.equal(limit.wait(client, 1_000), 300)
  t.equal(limit.take(client, 1_299), false)
  t.equal(limit.take(client, 1_300), true)
})

t.test('it says how long to wait for the next', async t => {
  const limit = new RateLimit({ perSecond: 10, burst: 2 })
  const client = { paidUntil: null }
  t.equal(limit.wait(client, 1_000), 0)
  limit.take(client, 1_000)
  t.equal(limit.wait(client, 1_000), 0)
  limit.take(client, 1_000)
  t.equal(limit.wait(client, 1_000), 100)
  t.equal(limit.wait(client, 1_040), 60)
  t.equal(limit.wait(client, 5_000), 0)
})
