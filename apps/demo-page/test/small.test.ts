import t from 'tap'
import { attemptId, describeRefusal } from '../src/connection/refusal.js'
import { parseSettings } from '../src/connection/settings.js'
import { change, money, total } from '../src/kiosk/order.js'
import { clock, duration, moment, size, timeOfDay } from '../src/ui/format.js'
import { Store } from '../src/ui/store.js'

t.test('formats numbers', async t => {
  t.same([0.84, 9.94, 12.4, 999, 3_440].map(duration), ['0.8 ms', '9.9 ms', '12 ms', '999 ms', '3.4 s'])
  t.same([-5, 0, 6_001, 899_000, 7_380_000].map(clock), ['0:00', '0:00', '0:07', '14:59', '2:03:00'])
  t.same([27, 9_000].map(size), ['27 B', '9.0 kB'])
  t.match(timeOfDay(0), /^\d\d:\d\d:\d\d$/)
})

t.test('reads stored settings', async t => {
  const nothing = { route: '/ws/demo', carrier: 'subprotocol', wanted: false }
  for (const text of [null, '', 'null', '7', '{', '{"route":"https://elsewhere.example","carrier":1,"wanted":"yes"}']) {
    t.same(parseSettings(text), nothing)
  }
  const chosen = { route: '/ws/admin', carrier: 'query', wanted: true }
  t.same(parseSettings(JSON.stringify(chosen)), chosen)
})

t.test('ids of attempts have the form that the demo accepts', async t => {
  t.match(attemptId(), /^[A-Za-z0-9_-]{16,64}$/)
  t.not(attemptId(), attemptId())
  t.equal(describeRefusal({ statusCode: 401, code: 'X', message: 'No' }), 'HTTP 401, No (X)')
})

t.test('changes an order and adds it up', async t => {
  let order = change({}, 'tea', 1)
  order = change(order, 'tea', 1)
  order = change(order, 'soup', 1)
  t.same(total(order), { count: 3, price: 2 * 240 + 640 })
  t.equal(money(total(order).price), '€ 11.20')
  order = change(change(order, 'tea', -1), 'tea', -1)
  t.same(order, { soup: 1 })
  t.same(change({}, 'tea', -1), {})
})

t.test('a store calls its listeners, only for changes', async t => {
  const store = new Store(1)
  let calls = 0
  const end = store.subscribe(() => { calls++ })
  store.set(1)
  store.set(2)
  end()
  store.set(3)
  t.equal(calls, 1)
  t.equal(store.get(), 3)
})

t.test('moments of other days have a date', async t => {
  const noon = new Date(2026, 10, 26, 12).getTime()
  t.equal(moment(noon, noon + 60_000), timeOfDay(noon))
  t.equal(moment(noon, noon + 86_400_000), '26 November, 12:00:00')
})
