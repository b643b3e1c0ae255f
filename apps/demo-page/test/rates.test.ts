import t from 'tap'
import { Rates, SPAN_SECONDS, summarize, tabulate } from '../src/chart/rates.js'

t.test('turns totals into rates per second', async t => {
  const rates = new Rates()
  rates.add(1_000, { received: 10, sent: 0 }, 1)
  rates.add(2_000, { received: 13, sent: 1 }, 2)
  rates.add(3_000, { received: 14, sent: 1 }, null)
  rates.add(6_500, { received: 25, sent: 1 }, 1)
  t.same(rates.samples.map(({ received, sent, connections }) => [received, sent, connections]), [
    [null, null, 1],
    [3, 1, 2],
    [2, 0.5, null],
    [12 / 4.5, 0, 1]
  ])
})

t.test('drops samples that are older than the chart', async t => {
  const rates = new Rates()
  for (let second = 0; second <= SPAN_SECONDS + 10; second++) rates.add(second * 1_000, { received: second, sent: 0 }, 1)
  t.equal(rates.samples.length, SPAN_SECONDS)
  t.equal(rates.samples[0]?.time, 11)
})

t.test('a gap stays empty', async t => {
  const rates = new Rates()
  rates.interrupt()
  t.same(rates.samples, [])
  rates.add(1_000, { received: 0, sent: 0 }, 1)
  rates.interrupt()
  rates.interrupt()
  rates.add(61_000, { received: 600, sent: 0 }, 1)
  t.same(rates.samples.map(({ connections }) => connections), [1, null, 1])
  t.equal(rates.samples[2]?.received, null, 'messages during the gap do not count as one second')
  const times = rates.samples.map(({ time }) => time)
  t.same(times, [...times].sort((a, b) => a - b))
})

t.test('provides words and a table for screen readers', async t => {
  t.equal(summarize([null]), null)
  t.same(summarize([1, 5, null, 2, null]), { last: 2, most: 5 })
  const sample = (time: number, connections: number | null, received: number | null) => ({ time, connections, received, sent: 0 })
  t.same(tabulate([sample(10, 1, null), sample(20, 3, 4), sample(25, 2, 2), sample(31, null, null)]), [
    { time: 30, connections: null, received: 0, sent: 0 },
    { time: 0, connections: 3, received: 3, sent: 0 }
  ])
})
