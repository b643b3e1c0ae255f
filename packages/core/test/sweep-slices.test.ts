import t, { type Test } from 'tap'
import { setTimeout as sleep } from 'node:timers/promises'
import { inSlices, Sweep } from '../src/index.js'

/** Takes at least a millisecond, whatever the machine. */
function work (): void {
  for (const end = performance.now() + 1; performance.now() < end;);
}

/** Counts the turns of the event loop from now on, until the test ends. */
function countTurns (t: Test) {
  const counter = { turns: 0 }
  let immediate = setImmediate(function count () {
    counter.turns++
    immediate = setImmediate(count)
  })
  t.teardown(() => clearImmediate(immediate))
  return counter
}

interface Item { name: number, due: number }
const items = (count: number): Item[] => Array.from({ length: count }, (_, name) => ({ name, due: 0 }))

t.test('a short task runs synchronously', async t => {
  const done: number[] = []
  inSlices([1, 2, 3], number => { done.push(number) })
  t.strictSame(done, [1, 2, 3])
})

t.test('a long task yields to the event loop', async t => {
  const counter = countTurns(t)
  const seen: Array<[number, number]> = []
  await inSlices(items(64), ({ name }) => {
    work()
    seen.push([name, counter.turns])
  })
  t.strictSame(seen.map(([name]) => name), items(64).map(({ name }) => name), 'each once, in order')
  t.equal(seen[0]?.[1], 0, 'the first slice is not put off')
  t.ok((seen[63]?.[1] as number) >= 3, `${counter.turns} turns`)
})

t.test('an error reaches the caller', async t => {
  const done: number[] = []
  await t.rejects(inSlices([1, 2, 3], number => {
    if (number === 2) throw new Error('broken on purpose')
    done.push(number)
  }), { message: 'broken on purpose' })
  t.strictSame(done, [1])
})

t.test('very many deadlines at once', async t => {
  const counter = countTurns(t)
  const clock = { now: 0 }
  const fired: Array<[number, number]> = []
  const all = items(200)
  const [cleared, moved] = [all[150], all[160]] as [Item, Item]
  const sweep = new Sweep<Item>(item => {
    work()
    fired.push([item.name, counter.turns])
    if (fired.length > 1) return
    // What has not fired yet can still be moved or cleared.
    setImmediate(() => {
      t.ok(fired.length < 150, 'others have their turn in between')
      sweep.clear(cleared)
      sweep.set(moved, 1_000)
      sweep.set(cleared, 500)
      sweep.clear(cleared)
    })
  }, { resolution: 10, now: () => clock.now })
  t.teardown(() => sweep.close())
  for (const item of all) sweep.set(item, 10 + item.name % 2 * 10)
  clock.now = 20
  while (sweep.size > 1) await sleep(1)
  const order = [...all.filter(({ name }) => name % 2 === 0), ...all.filter(({ name }) => name % 2 === 1)]
  t.strictSame(fired.map(([name]) => name), order.filter(item => item !== cleared && item !== moved).map(({ name }) => name))
  t.ok((fired.at(-1)?.[1] as number) - (fired[0]?.[1] as number) >= 5, 'in slices')
  clock.now = 1_030
  while (sweep.size > 0) await sleep(1)
  t.equal(fired.at(-1)?.[0], moved.name)
  t.equal(fired.length, 199)
})

t.test('tick() runs without a break, and finishes what a slice has left', async t => {
  const clock = { now: 0 }
  const fired: number[] = []
  let left = -1
  const sweep = new Sweep<Item>(({ name }) => {
    work()
    if (fired.push(name) === 1) {
      setImmediate(() => {
        left = sweep.size
        sweep.tick()
      })
    }
  }, { resolution: 10, now: () => clock.now })
  t.teardown(() => sweep.close())
  for (const item of items(100)) sweep.set(item, 10)
  clock.now = 10
  while (sweep.size > 0) await sleep(1)
  t.ok(left > 0)
  t.equal(fired.length, 100)
  for (const item of items(40)) sweep.set(item, 10)
  t.equal(sweep.size, 40, 'it goes on after that')
  clock.now = 20
  while (sweep.size > 0) await sleep(1)
  t.equal(fired.length, 140)
})

t.test('close() between two slices', async t => {
  const clock = { now: 0 }
  const fired: number[] = []
  const sweep = new Sweep<Item>(({ name }) => {
    work()
    if (fired.push(name) === 1) setImmediate(() => sweep.close())
  }, { resolution: 10, now: () => clock.now })
  for (const item of items(100)) sweep.set(item, 10)
  clock.now = 10
  while (sweep.size > 0) await sleep(1)
  const { length } = fired
  t.ok(length < 100)
  await sleep(30)
  t.equal(fired.length, length)
})

t.test('a callback that throws does not stop other deadlines', async t => {
  const clock = { now: 0 }
  const fired: number[] = []
  const sweep = new Sweep<Item>(({ name }) => {
    if (name === 1) throw new Error('broken on purpose')
    fired.push(name)
  }, { resolution: 10, now: () => clock.now })
  t.teardown(() => sweep.close())
  for (const item of items(3)) sweep.set(item, 10)
  clock.now = 10
  t.throws(() => sweep.tick(), { message: 'broken on purpose' })
  sweep.tick()
  t.strictSame(fired, [0, 2])
})
