import t from 'tap'
import fc from 'fast-check'
import { OrderLog } from '../src/order-log.js'
import { type OrderMessage, Orders } from '../src/orders.js'
import { BEAT, checkOrders, type FakeNode, FakeWorld } from './fake-bus.js'

t.test('whatever a bus does, every node carries out every order, and for the time when it was given', async t => {
  // The storms have other seeds each time.
  fc.assert(checkOrders(), { numRuns: 300, seed: 2026 })
  t.pass('for all steps')
})

/** Three nodes that know each other. */
function meet (nodes = 3, limit?: number): FakeWorld {
  const world = new FakeWorld(() => 0.5, nodes, limit)
  world.pass(3 * BEAT)
  return world
}

t.test('1,000 orders while nodes are cut off', async t => {
  const world = meet()
  for (let number = 0; number < 1_000; number++) {
    const node = world.nodes[number % 3] as FakeNode
    node.isCut = number % 7 < 3
    world.order(world.nodes[number * 5 % 3] as FakeNode)
    world.pass(number % 11)
  }
  world.heal()
  for (const node of world.nodes) {
    const wanted = [...world.given].filter(([, { by }]) => by !== node).map(([body]) => [body, 1])
    t.strictSame([...node.applied].map(([body, times]) => [body, times.length]).sort(), wanted.sort(), `${node.name}: each once`)
  }
})

t.test('what only a node that is gone has said is told by those who heard it', async t => {
  const world = meet()
  const [a, b, c] = world.nodes as [FakeNode, FakeNode, FakeNode]
  c.isCut = true
  for (let number = 0; number < 250; number++) world.order(a)
  world.pass(1)
  t.equal(b.applied.size, 250)
  a.isCut = true
  world.pass(10 * BEAT)
  t.equal(a.orders.peers, 0)
  c.isCut = false
  world.pass(5 * BEAT)
  t.equal(c.applied.size, 250)
  t.ok([...c.applied.values()].every(([given]) => Math.abs(given as number - (world.given.values().next().value as { at: number }).at) < 50))
})

t.test('an order that is lost is asked for at the next one, without waiting for a beat', async t => {
  const world = meet(2)
  const [a, b] = world.nodes as [FakeNode, FakeNode]
  world.share = 1
  world.order(a)
  world.share = 0
  world.order(a)
  world.pass(0)
  t.equal(b.applied.size, 2)
})

t.test('too many orders are an overflow, until the dropped ones would have been over', async t => {
  const world = meet(2, 10)
  const [a, b] = world.nodes as [FakeNode, FakeNode]
  b.isCut = true
  for (let number = 0; number < 15; number++) world.order(a)
  t.equal(a.overflows, 1, 'said once')
  t.equal(a.orders.overflowed, true)
  world.heal()
  t.equal(b.applied.size, 10, 'the last ones')
  t.equal(b.orders.overflowed, false)
  world.order(a)
  world.pass(BEAT)
  t.equal(b.applied.size, 11, 'and it goes on')
  world.time += 25 * 3_600_000
  t.equal(a.orders.overflowed, false)
  t.strictSame(a.orders.recent(Infinity), [], 'over')
  t.match(a.orders.beat(), { have: '[["node 0",16]]' })
  t.match(b.orders.beat(), { have: '[]' })
})

t.test('the outcome of an order', async t => {
  const world = meet()
  const [a, b, c] = world.nodes as [FakeNode, FakeNode, FakeNode]
  const order = async (timeout = 60_000) => {
    world.order(a)
    return await a.orders.outcome(world.given.size, timeout)
  }
  const all = order()
  world.pass(1)
  t.strictSame(await all, { closed: 2, nodes: 2 }, 'two nodes have answered')

  const lost = order()
  // The answer of one node is lost, but not its beats.
  t.intercept(world, 'send', {
    value: (from: FakeNode, ...rest: [string | null, object]) => {
      if (from !== b || (rest[1] as { kind: string }).kind !== 'done') Reflect.apply(FakeWorld.prototype.send, world, [from, ...rest])
    }
  })
  world.pass(3 * BEAT)
  t.strictSame(await lost, { closed: 1, nodes: 2 }, 'a node that has it has carried it out')

  b.isCut = true
  const dead = order()
  a.orders.take('a stranger', { kind: 'done', number: world.given.size, closed: 7 })
  world.pass(10 * BEAT)
  t.strictSame(await dead, { closed: 1, nodes: 1 }, 'nobody waits for a node that is gone')

  t.strictSame(await order(1), { closed: 0, nodes: 0 }, 'nor longer than wanted')
  const left = order()
  a.orders.take(c.name, { kind: 'beat', gone: true })
  t.strictSame(await left, { closed: 0, nodes: 0 }, 'a node that leaves')
  t.strictSame(await order(), { closed: 0, nodes: 0 }, 'nobody is left')
  world.pass(3 * BEAT)
  const closing = order()
  a.orders.stopWaiting()
  t.strictSame(await closing, { closed: 0, nodes: 0 }, 'at the end')
})

t.test('what is malformed is counted and forgotten', async t => {
  const world = meet(2)
  const { orders, applied } = world.nodes[0] as FakeNode
  const order = { number: 1, age: 0, time: 1, order: 'x' }
  for (const wrong of [{ number: 0 }, { number: 1.5 }, { age: -1 }, { time: Infinity }, { order: 1 }]) {
    t.equal(orders.takeOrder('x', { ...order, ...wrong }), false)
  }
  const good = {
    beat: { time: 1, every: 1, have: '[["x",1]]' },
    ask: { of: 'x', from: 1, asked: 1 },
    told: { of: 'x', from: 1, to: 1, asked: 1, time: 1, orders: '[[1,0,"x"]]', more: false },
    done: { number: 1, closed: 1 }
  }
  for (const [kind, message] of Object.entries(good)) {
    for (const name of Object.keys(message)) {
      if (name !== 'more') t.equal(orders.take('x', { kind, ...message, [name]: null }), false, `${kind} without ${name}`)
    }
  }
  for (const have of ['[1]', '[["x"]]', '[[1,1]]', '{', '{}']) t.equal(orders.take('x', { kind: 'beat', ...good.beat, have }), false, have)
  for (const told of ['[1]', '[[1,0]]', '[["1",0,""]]', '[[1,null,""]]', '{', '{}']) t.equal(orders.take('x', { kind: 'told', ...good.told, orders: told }), false, told)
  t.equal(orders.take('x', { kind: 'other' }), false)
  t.equal(applied.size, 0)
  for (const [kind, message] of Object.entries(good)) t.equal(orders.take('x', { kind, ...message }), true, kind)
})

t.test('an order of a kind that a node does not know is kept for others', async t => {
  const sent: OrderMessage[] = []
  const orders = new Orders({ node: 'me', beat: 1, limit: 10, life: 1_000, now: () => 0, send: (_, message) => { sent.push(message) }, apply: () => null, onOverflow: () => {} })
  orders.take('x', { kind: 'beat', time: 0, every: 1, have: '[]' })
  t.equal(orders.takeOrder('x', { number: 1, age: 0, time: 0, order: 'of tomorrow' }), false)
  t.match(sent.shift(), { kind: 'done', number: 1, closed: 0 })
  t.equal(orders.take('y', { kind: 'ask', of: 'x', from: 1, asked: 0 }), true)
  t.match(sent, [{ kind: 'told', of: 'x', from: 1, to: 1, orders: '[[1,0,"of tomorrow"]]' }])
  const told = { kind: 'told', of: 'x', from: 2, to: 2, asked: 0, time: 0, orders: '[[2,0,"too"]]', more: false }
  t.equal(orders.take('x', told), false)
  t.match(orders.beat(), { have: '[["x",2]]' })
})

t.test('long orders are told in several messages', async t => {
  const sent: OrderMessage[] = []
  const orders = new Orders({ node: 'me', beat: 1, limit: 1_000, life: 1_000, now: () => 0, send: (_, message) => { sent.push(message) }, apply: () => 0, onOverflow: () => {} })
  for (let number = 0; number < 5; number++) orders.give('x'.repeat(30_000))
  orders.take('y', { kind: 'ask', of: 'me', from: 1, asked: 0 })
  t.strictSame(sent.map(({ from, to, more }) => [from, to, more]), [[1, 2, true], [3, 4, true], [5, 5, false]])
})

t.test('what is covered without what comes before it is a gap', async t => {
  const log = new OrderLog({ node: 'me', limit: 10, life: 1_000, now: () => 0 })
  log.cover('x', 5, 6)
  t.equal(log.have('x'), 0)
  log.add({ node: 'x', number: 3, given: 0, body: '' })
  log.cover('x', 1, 2)
  t.equal(log.have('x'), 3)
  t.strictSame([log.has('x', 3), log.has('x', 4), log.has('y', 1)], [true, false, false])
})

t.test('what an order that came late has closed is told, although it is carried out once more', async t => {
  let now = 0
  let open = 2
  const sent: OrderMessage[] = []
  const orders = new Orders({
    node: 'b',
    beat: BEAT,
    limit: 10,
    life: 3_600_000,
    now: () => now,
    send: (_, message) => { sent.push(message) },
    apply: () => {
      if (open === 0) return 0
      open--
      return 1
    },
    onOverflow: () => {}
  })
  t.teardown(() => orders.stopWaiting())
  const beat = { kind: 'beat', time: 0, every: BEAT, have: '[]' }
  orders.take('a', beat)
  now += 1_500
  for (let times = 0; times < 2; times++) orders.takeOrder('a', { number: 1, age: 0, time: 0, order: 'x' })
  t.equal(open, 0)
  t.match(sent.splice(0), [{ kind: 'ask', of: 'a', from: 1 }])
  orders.take('a', { kind: 'told', of: 'a', from: 1, to: 1, asked: now, time: now, orders: JSON.stringify([[1, now, 'x']]) })
  t.match(sent, [{ kind: 'done', number: 1, closed: 2 }])
  orders.takeOrder('a', { number: 2, age: 0, time: now, order: 'y' })
  t.match(sent[1], { kind: 'done', number: 2, closed: 0 }, 'and is not told of another')
})
