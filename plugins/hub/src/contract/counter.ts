import { setTimeout as sleep } from 'node:timers/promises'
import type { ConnectionCounter, PlaceAnswer } from '../connection-counter.js'
import type { ContractTest } from './types.js'

/** Describes the counter under test. */
export interface CounterContractSettings {
  /** Makes two ends of one counter that nobody has used before, each as a node has it, and closes them in `t.teardown`. */
  create: (t: ContractTest) => Promise<[ConnectionCounter, ConnectionCounter]> | [ConnectionCounter, ConnectionCounter]
  /**
   * Has a counter forget everything, for example by emptying its database. Without it, the suite does not test that.
   * @default undefined
   */
  forget?: (counter: ConnectionCounter) => unknown
}

/** Longer than any test takes, in milliseconds. */
const LONG = 600_000

/** How long a holder lives that is not to live long, in milliseconds. */
const SHORT = 50

const TAKEN: PlaceAnswer = { place: 'taken', replaced: [] }
const REFUSED: PlaceAnswer = { place: 'refused', replaced: [] }
const UNKNOWN: PlaceAnswer = { place: 'unknown', replaced: [] }

/** Names that drivers and databases cut, fold, escape or refuse. Neighbors are easily confused. */
const SUBJECTS = [
  'alice', 'Alice', 'alice ', 'alice\0', '\0', '\ud800', '\udc00', '\ufffd', '{alice}', 'a b', 'a\nb', '*', '%', '__proto__', 'é', 'e\u0301', 'x'.repeat(10_000), 'x'.repeat(10_001)
]

/**
 * Tests all that {@link ConnectionCounter} says.
 *
 * @example
 * import t from 'tap'
 * import { testConnectionCounter } from '@fastify-airlock/hub/contract'
 *
 * testConnectionCounter(t, { create: t => [new MyCounter(url, name), new MyCounter(url, name)], forget: () => database.empty() })
 */
export function testConnectionCounter (t: ContractTest, { create, forget }: CounterContractSettings): void {
  const open = async (t: ContractTest) => {
    const [a, b] = await create(t)
    for (const [counter, holder] of [[a, 'node_A-1'], [b, 'node_B-1']] as const) await counter.begin(holder, null, LONG)
    let last = 0
    /** Takes a place at an end, for a connection of its own. */
    const take = async (end: 'a' | 'b', subject = 'alice', limit = 2, replace = false, id = `x-_.${++last}`) =>
      end === 'a' ? await a.take('node_A-1', { subject, id }, limit, replace) : await b.take('node_B-1', { subject, id }, limit, replace)
    return { a, b, take }
  }

  t.test('places of all holders count, for each user apart', async t => {
    const { take } = await open(t)
    t.same(await take('a'), TAKEN, 'the first')
    t.same(await take('b'), TAKEN, 'the second')
    t.same([await take('a'), await take('b')], [REFUSED, REFUSED], 'no third, wherever')
    t.same(await take('b', 'alice', 3), TAKEN, 'the limit is that of the call')
    t.same(await take('a', 'bob'), TAKEN, 'another user')
  })

  t.test('users are told apart by every character', async t => {
    const { take } = await open(t)
    for (const subject of SUBJECTS) t.same(await take('a', subject, 1), TAKEN, 'is free')
    for (const subject of SUBJECTS) t.same(await take('b', subject, 1), REFUSED, 'is taken')
  })

  t.test('of many who ask for the last places at the same time, as many get one as there are', async t => {
    const { take } = await open(t)
    for (let round = 0; round < 10; round++) {
      const answers = await Promise.all(Array.from({ length: 20 }, async (_, index) => await take(index % 2 === 0 ? 'a' : 'b', `user ${round}`, 3)))
      t.equal(answers.filter(({ place }) => place === 'taken').length, 3, 'places')
    }
  })

  t.test('a place that is given back is free, and nobody gives back what another has', async t => {
    const { a, b, take } = await open(t)
    await take('a', 'alice', 1, false, 'one')
    await b.release('node_B-1', { subject: 'alice', id: 'one' })
    await a.release('node_A-1', { subject: 'alice', id: 'two' })
    await a.release('node_A-1', { subject: 'bob', id: 'one' })
    t.same(await take('b', 'alice', 1), REFUSED, 'it is taken')
    await a.release('node_A-1', { subject: 'alice', id: 'one' })
    await a.release('node_A-1', { subject: 'alice', id: 'one' })
    t.same(await take('b', 'alice', 1), TAKEN, 'it is free')
  })

  t.test('a connection that has a place keeps it', async t => {
    const { take } = await open(t)
    for (let time = 0; time < 3; time++) t.same(await take('a', 'alice', 1, time === 2, 'one'), TAKEN, 'each time')
    t.same(await take('b', 'alice', 2), TAKEN, 'it takes one place')
    t.same(await take('b', 'alice', 2), REFUSED, 'and no more')
  })

  t.test('the oldest make room', async t => {
    const { take } = await open(t)
    for (const [end, id] of [['a', 'first'], ['b', 'second'], ['a', 'third']] as const) {
      await take(end, 'alice', 3, true, id)
      // As exact as the clock of a database may be.
      await sleep(5)
    }
    t.same(await take('b', 'alice', 3, true, 'fourth'), { place: 'taken', replaced: ['first'] }, 'the oldest')
    await sleep(5)
    t.same(await take('b', 'alice', 2, true, 'fifth'), { place: 'taken', replaced: ['second', 'third'] }, 'more where the limit is less')
    t.same(await take('a', 'alice', 2), REFUSED, 'there is no room left')
    t.same(await take('a', 'bob', 1, true), TAKEN, 'nobody has to')
  })

  t.test('places of a holder that says nothing for its life are free', async t => {
    const { a, take } = await open(t)
    t.same(await a.take('never begun', { subject: 'alice', id: 'one' }, 2, true), UNKNOWN, 'nobody knows it')
    t.equal(await a.renew('never begun', LONG), false, 'nor does it live')
    await a.begin('node_C-1', null, SHORT)
    await a.take('node_C-1', { subject: 'alice', id: 'one' }, 1, false)
    await a.begin('node_D-1', null, SHORT)
    t.equal(await a.renew('node_D-1', LONG), true, 'it lives')
    await a.take('node_D-1', { subject: 'bob', id: 'one' }, 1, false)
    while (await a.renew('node_C-1', 1)) await sleep(SHORT)
    t.same(await a.take('node_C-1', { subject: 'carol', id: 'two' }, 1, false), UNKNOWN, 'it is forgotten')
    t.same(await take('b', 'alice', 1), TAKEN, 'its place is free')
    t.same(await take('b', 'bob', 1), REFUSED, 'that of one that has renewed its life is not')
  })

  t.test('a holder that ends gives all back', async t => {
    const { a, take } = await open(t)
    for (const subject of ['alice', 'bob']) await take('a', subject, 1)
    await a.end('node_A-1')
    await a.end('node_A-1')
    for (const subject of ['alice', 'bob']) t.same(await take('b', subject, 1), TAKEN, subject)
    t.same(await take('a'), UNKNOWN, 'it is forgotten')
  })

  t.test('a node under a new name tells what there is, whatever the limit, and the old name does not count', async t => {
    const { a, take } = await open(t)
    for (const id of ['one', 'two']) await take('a', 'alice', 2, false, id)
    await a.begin('node_A-2', 'node_A-1', LONG)
    await a.keep('node_A-2', [])
    await a.keep('node_A-2', [{ subject: 'alice', id: 'two', age: 10_000 }, { subject: 'alice', id: 'three', age: 20_000 }, { subject: 'bob', id: 'four', age: 0.5 }])
    await a.keep('node_A-2', [{ subject: 'alice', id: 'two', age: 10_000 }])
    t.equal(await a.renew('node_A-1', LONG), false, 'the old name is forgotten')
    t.same(await take('b', 'alice', 2), REFUSED, 'they count')
    t.same(await take('b', 'bob', 1), REFUSED, 'each of them')
    t.same(await take('b', 'alice', 3, false, 'five'), TAKEN, 'and each once')
    t.same(await take('b', 'alice', 3, true, 'six'), { place: 'taken', replaced: ['three'] }, 'with their age')
    await a.release('node_A-2', { subject: 'alice', id: 'two' })
    t.same(await take('b', 'alice', 3), TAKEN, 'and can be given back')
  })

  if (forget === undefined) return
  t.test('a counter that has forgotten everything says so', async t => {
    const { a, b, take } = await open(t)
    await take('a')
    await forget(a)
    t.equal(await a.renew('node_A-1', LONG), false, 'at the next sign of life')
    t.same(await take('b'), UNKNOWN, 'and at the next question')
    await b.begin('node_B-1', null, LONG)
    t.same(await take('b', 'alice', 1), TAKEN, 'everything is free')
  })
}
