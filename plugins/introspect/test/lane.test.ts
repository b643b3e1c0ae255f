import t, { type Test } from 'tap'
import { Lane } from '../src/lane.js'

/** Takes items until none may run. */
function fill (lane: Lane<string>, free = Infinity): string[] {
  const taken: string[] = []
  for (let item = lane.next(free); item !== undefined; item = lane.next(free - taken.length)) taken.push(item)
  return taken
}

function add (lane: Lane<string>, party: string, count: number): void {
  for (let i = 0; i < count; i++) lane.add(`${party}${i}`, party)
}

/** What runs until all of `party` has had its turn, one at a time. */
function until (t: Test, lane: Lane<string>, party: string): string[] {
  const taken: string[] = []
  while (taken.filter(item => item.startsWith(party)).length === 0) {
    const item = lane.next(1)
    if (item === undefined) return t.fail('nothing runs') as never
    taken.push(item)
    lane.finish(item[0] as string)
  }
  return taken
}

t.test('parties take turns', async t => {
  const lane = new Lane<string>(1)
  add(lane, 'a', 3)
  add(lane, 'b', 2)
  add(lane, 'c', 1)
  const taken: string[] = []
  for (let item = lane.next(1); item !== undefined; item = lane.next(1)) {
    taken.push(item)
    lane.finish(item[0] as string)
  }
  t.strictSame(taken, ['c0', 'b0', 'a0', 'b1', 'a1', 'a2'])
  t.equal(lane.parties, 0)
})

t.test('who comes new is second at the latest, however many wait', async t => {
  for (const parties of [1, 5, 25]) {
    const lane = new Lane<string>(1)
    const names = Array.from({ length: parties }, (_, i) => String.fromCharCode(97 + i))
    for (const name of names) add(lane, name, 50)
    for (let i = 0; i < parties * 2; i++) lane.finish((lane.next(1) as string)[0] as string)
    lane.add('z0', 'z')
    t.ok(until(t, lane, 'z').length <= 2)
  }
})

t.test('newcomers do not keep those waiting who have had a turn', async t => {
  const lane = new Lane<string>(1)
  add(lane, 'a', 10)
  lane.finish((lane.next(1) as string)[0] as string)
  let turns = 0
  for (let i = 0; i < 10; i++) {
    lane.add(`${i}`, `${i}`)
    const item = lane.next(1) as string
    if (item.startsWith('a')) turns++
    lane.finish(item[0] as string)
  }
  t.equal(turns, 1, 'one of four turns goes round all')
})

t.test('a party leaves room for others', async t => {
  for (const [parties, running, left] of [[1, 6, 6], [2, 8, 4], [3, 9, 3], [5, 10, 2], [11, 11, 1], [12, 12, 0], [20, 12, 0]] as const) {
    const lane = new Lane<string>(12)
    for (let i = 0; i < parties; i++) add(lane, String.fromCharCode(97 + i), 20)
    const taken = fill(lane)
    t.equal(taken.length, running, `${parties} parties`)
    t.equal(lane.running, running)
    lane.add('z0', 'z')
    t.equal(fill(lane).includes('z0'), left > 0)
    t.equal(lane.held('z'), 1)
  }
})

t.test('all that is free can be used by the party without a name', async t => {
  const lane = new Lane<string>(12)
  add(lane, '', 20)
  t.equal(fill(lane).length, 12)
  t.equal(lane.held(''), 20)
  t.equal(lane.held('other'), 0)
})

t.test('no more run than are free', async t => {
  const lane = new Lane<string>(12)
  add(lane, '', 20)
  t.equal(lane.next(0), undefined)
  t.equal(lane.next(-1), undefined)
  t.equal(fill(lane, 5).length, 5)
})

t.test('the party with the most waiting loses its oldest', async t => {
  const lane = new Lane<string>(1)
  t.equal(lane.shed(0), undefined)
  add(lane, 'a', 2)
  add(lane, 'b', 4)
  add(lane, 'c', 3)
  t.equal(lane.shed(4), undefined)
  t.equal(lane.shed(3), 'b0')
  t.equal(lane.shed(0), 'b1', 'the first of those with as many')
  t.equal(lane.shed(0), 'c0')
  t.equal(lane.held('b'), 2)
  for (let i = 0; i < 6; i++) t.ok(lane.shed(0))
  t.equal(lane.parties, 0)
})

t.test('nothing is left of parties that are gone', async t => {
  const lane = new Lane<string>(2)
  add(lane, 'a', 3)
  add(lane, 'b', 1)
  lane.withdraw('b0', 'b')
  t.equal(lane.parties, 1)
  t.strictSame(fill(lane), ['a0'])
  lane.withdraw('a1', 'a')
  lane.withdraw('a2', 'a')
  t.equal(lane.parties, 1, 'one still runs')
  lane.add('a3', 'a')
  lane.finish('a')
  t.strictSame(fill(lane), ['a3'])
  lane.finish('a')
  t.equal(lane.parties, 0)
  t.equal(lane.running, 0)
  t.equal(lane.next(1), undefined)
})
