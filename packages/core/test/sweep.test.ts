import { AsyncLocalStorage } from 'node:async_hooks'
import t, { type Test } from 'tap'
import { setTimeout as sleep } from 'node:timers/promises'
import { Sweep } from '../src/index.js'

interface Item { name: string, due: number }

function build (t: Test, resolution = 10) {
  const clock = { now: 5 }
  const fired: string[] = []
  const sweep = new Sweep<Item>(item => { fired.push(item.name) }, { resolution, now: () => clock.now })
  t.teardown(() => sweep.close())
  const item = (name: string): Item => ({ name, due: 0 })
  const at = (now: number): string[] => {
    clock.now = now
    sweep.tick()
    return fired.splice(0)
  }
  return { sweep, item, at, clock }
}

t.test('fires in order, never early, at most one slot late', async t => {
  const { sweep, item, at } = build(t)
  sweep.set(item('b'), 25)
  sweep.set(item('a'), 10)
  sweep.set(item('c'), 25)
  t.equal(sweep.size, 3)
  t.same([...sweep].map(({ name }) => name).sort(), ['a', 'b', 'c'])
  t.same(at(14), [], 'a is due at 15')
  t.same(at(20), ['a'])
  t.same(at(29), [])
  t.same(at(30), ['b', 'c'])
  t.equal(sweep.size, 0)
})

t.test('a deadline can be moved and cleared', async t => {
  const { sweep, item, at } = build(t)
  const [moved, cleared] = [item('moved'), item('cleared')]
  sweep.set(moved, 10)
  sweep.set(cleared, 10)
  sweep.set(moved, 30)
  sweep.clear(cleared)
  sweep.clear(cleared)
  t.equal(sweep.size, 1)
  t.same(at(20), [])
  t.same(at(40), ['moved'])
})

t.test('a deadline of 0 or less fires on the next slot', async t => {
  const { sweep, item, at } = build(t)
  sweep.set(item('now'), 0)
  sweep.set(item('past'), -1_000)
  t.same(at(9), [])
  t.same(at(10), ['now', 'past'])
})

t.test('a callback may set and clear deadlines of the same slot', async t => {
  const fired: string[] = []
  const clock = { now: 0 }
  const a = { name: 'a', due: 0 }
  const b = { name: 'b', due: 0 }
  const sweep = new Sweep<Item>(item => {
    fired.push(item.name)
    if (fired.length === 1) {
      sweep.clear(b)
      sweep.set(a, 10)
    }
  }, { resolution: 10, now: () => clock.now })
  t.teardown(() => sweep.close())
  sweep.set(a, 10)
  sweep.set(b, 10)
  clock.now = 10
  sweep.tick()
  t.same(fired, ['a'])
  clock.now = 20
  sweep.tick()
  t.same(fired, ['a', 'a'])
})

t.test('after an idle time it fires neither early nor late', async t => {
  const { sweep, item, at, clock } = build(t)
  sweep.set(item('first'), 10)
  t.same(at(20), ['first'], 'and the timer stops')
  clock.now = 100_000
  sweep.set(item('second'), 10)
  t.same(at(100_009), [])
  t.same(at(100_010), ['second'])
})

t.test('close forgets everything', async t => {
  const { sweep, item, at } = build(t)
  const one = item('one')
  sweep.set(one, 10)
  sweep.close()
  t.equal(sweep.size, 0)
  t.equal(one.due, 0)
  t.same(at(1_000), [])
})

t.test('with the real clock and the real timer', async t => {
  const start = performance.now()
  const elapsed = await new Promise<number>(resolve => {
    const sweep = new Sweep(() => resolve(performance.now() - start))
    sweep.set({ due: 0 }, 120)
    // The sweep's own timer does not keep the process alive.
    sleep(2_000).catch(() => {})
  })
  t.ok(elapsed >= 120, `fired after ${elapsed} ms`)
})

t.test('fires outside of the async context in which a deadline was set', async t => {
  const client = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  await new Promise<void>(resolve => {
    const sweep = new Sweep<Item>(() => {
      seen.push(client.getStore())
      resolve()
    }, { resolution: 1 })
    client.run('alice', () => sweep.set({ name: 'of alice', due: 0 }, 1))
    // The sweep does not keep the process alive by itself.
    const alive = setInterval(() => {}, 1_000)
    t.teardown(() => {
      clearInterval(alive)
      sweep.close()
    })
  })
  t.same(seen, [undefined])
})
