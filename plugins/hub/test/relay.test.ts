import t, { type Test } from 'tap'
import mqemitter from 'mqemitter'
import { Hub } from '../src/hub.js'
import { parseHubOptions } from '../src/options.js'
import { Orders } from '../src/orders.js'
import { readAnswers } from '../src/relay.js'
import { until } from './helpers.js'

/** Hubs on one bus that know each other, and what they have logged. */
async function open (t: Test, count: number, options: object = { bus: mqemitter() }) {
  const errors: unknown[] = []
  const log = { info () {}, warn () {}, error (details: unknown) { errors.push(details) } } as never
  const hubs: Hub[] = []
  for (let index = 0; index < count; index++) {
    const hub = new Hub(parseHubOptions(options), log)
    t.teardown(() => hub.close())
    hubs.push(hub)
  }
  await until(() => hubs.every(hub => hub.health().bus !== 'down'))
  for (const hub of hubs) while ((await hub.giveOrder('present', '')).nodes < count) await new Promise(resolve => setImmediate(resolve))
  return { hubs, errors }
}

t.test('an order of a plugin is carried out by every node, and all of them answer', async t => {
  const { hubs, errors } = await open(t, 3)
  const done: string[] = []
  hubs.forEach((hub, index) => hub.onOrder('count', async detail => {
    done.push(`${index} ${detail}`)
    return `${index}`
  }))
  // Another instance of the plugin on the same node.
  hubs[2]?.onOrder('count', () => 'another')
  const { answers, nodes } = await (hubs[0] as Hub).giveOrder('count', 'x')
  t.strictSame(answers.sort(), ['0', '1', '2', 'another'])
  t.equal(nodes, 3)
  t.strictSame(done.sort(), ['0 x', '1 x', '2 x'], 'each once')
  t.strictSame(await (hubs[1] as Hub).giveOrder('nobody', ''), { answers: [], nodes: 3 })
  t.strictSame(errors, [])
  t.ok(hubs.every(({ stats }) => stats.bus.invalid === 0))
})

t.test('a listener that fails is logged, and the others answer', async t => {
  const { hubs, errors } = await open(t, 2)
  const [a, b] = hubs as [Hub, Hub]
  a.onOrder('try', () => { throw new Error('here') })
  b.onOrder('try', async () => { throw new Error('there') })
  b.onOrder('try', () => 'well')
  t.strictSame(await a.giveOrder('try', ''), { answers: ['well'], nodes: 2 })
  t.match(errors, [{ err: { message: 'here' }, order: 'try' }, { err: { message: 'there' }, order: 'try' }])
})

t.test('what is no string is no answer, and ends no process', async t => {
  const circle: { self?: object } = {}
  circle.self = circle
  const strange: unknown[] = [
    undefined, null, 1n, Symbol('x'), circle, () => 'x', { toJSON () { throw new Error('no JSON') } }, new Proxy({}, { get () { throw new Error('no member') } })
  ]
  const { hubs, errors } = await open(t, 2)
  const [a, b] = hubs as [Hub, Hub]
  for (const [index, answer] of strange.entries()) {
    for (const hub of hubs) {
      hub.onOrder(`now ${index}`, () => answer as string)
      hub.onOrder(`later ${index}`, async () => answer as string)
    }
    for (const name of [`now ${index}`, `later ${index}`]) {
      b.onOrder(name, () => 'well')
      errors.length = 0
      t.strictSame(await a.giveOrder(name, '', { timeout: 30_000 }), { answers: ['well'], nodes: 2 }, `${name}: ${typeof answer}`)
      t.equal(errors.length, 2, 'both are logged')
    }
  }
})

t.test('the time limit is that of this node as well', async t => {
  const [hub] = (await open(t, 1, {})).hubs as [Hub]
  hub.onOrder('never', async () => await new Promise(() => {}))
  t.strictSame(await hub.giveOrder('never', '', { timeout: 20 }), { answers: [], nodes: 0 })
})

t.test('a node that takes longer than the time limit is not counted', async t => {
  const { hubs } = await open(t, 2)
  const [a, b] = hubs as [Hub, Hub]
  let finish: (answer: string) => void = () => {}
  b.onOrder('slow', async () => await new Promise(resolve => { finish = resolve }))
  t.strictSame(await a.giveOrder('slow', '', { timeout: 200 }), { answers: [], nodes: 1 })
  finish('too late')
  const before = b.stats.bus.received
  const answer = a.giveOrder('slow', '', { timeout: 30_000 })
  await until(() => b.stats.bus.received > before)
  finish('in time')
  t.strictSame(await answer, { answers: ['in time'], nodes: 2 })
})

t.test('an order that arrives before the listeners are there waits for them', async t => {
  const [a, b] = (await open(t, 2)).hubs as [Hub, Hub]
  b.holdOrders()
  const before = b.stats.bus.received
  const answer = a.giveOrder('late', '', { timeout: 30_000 })
  await until(() => b.stats.bus.received > before)
  t.strictSame(await b.giveOrder('late', 'own', { timeout: 30_000 }), { answers: [], nodes: 2 }, 'its own do not')
  b.onOrder('late', () => 'there')
  b.releaseOrders()
  t.strictSame(await answer, { answers: ['there'], nodes: 2 })
  a.releaseOrders()
  t.strictSame(await b.giveOrder('nobody', ''), { answers: [], nodes: 2 }, 'where nothing was held, nothing is released')
})

t.test('without a bus, this node is the only one', async t => {
  const [hub] = (await open(t, 1, {})).hubs as [Hub]
  hub.onOrder('count', detail => detail)
  t.strictSame(await hub.giveOrder('count', 'x'), { answers: ['x'], nodes: 1 })
})

t.test('an order without a name, or a long one, is a mistake', async t => {
  const [hub] = (await open(t, 1, {})).hubs as [Hub]
  for (const [name, detail] of [['', ''], [undefined, ''], ['a', undefined], ['a', {}], ['a', 'x'.repeat(16 * 1024)]]) {
    await t.rejects(hub.giveOrder(name as string, detail as string), { code: 'WSA_HUB_ERR_INVALID_ORDER' })
  }
})

t.test('answers of other nodes are checked', async t => {
  t.strictSame(readAnswers('["a",1,null,"b"]'), ['a', 'b'])
  for (const text of ['', '{}', 'null', '1', '{']) t.strictSame(readAnswers(text), [], text)

  const orders = new Orders({ node: 'me', beat: 1_000, limit: 10, life: 1_000, now: () => 0, send () {}, apply: () => null, onOverflow () {} })
  orders.take('x', { kind: 'beat', time: 0, every: 1, have: '[]' })
  const number = orders.give('{}')
  const answers: string[] = []
  const outcome = orders.outcome(number, 30_000, answer => { answers.push(answer) })
  t.equal(orders.take('x', { kind: 'done', number, closed: 0, answer: 1 }), false)
  t.equal(orders.take('a stranger', { kind: 'done', number, closed: 0, answer: 'no' }), true)
  // It says that it has the order, but not yet what has come of it.
  for (const time of [1, 2, 3]) t.equal(orders.take('x', { kind: 'beat', time, every: 1, have: `[["me",${number}]]` }), true)
  t.strictSame(answers, [])
  t.equal(orders.take('x', { kind: 'done', number, closed: 0, answer: 'yes' }), true)
  t.strictSame(await outcome, { closed: 0, nodes: 1 })
  t.strictSame(answers, ['yes'])
})
