import t, { type Test } from 'tap'
import { setTimeout as sleep } from 'node:timers/promises'
import { type HeardNode, NodeWatch } from '../src/node-watch.js'

const BEAT = 1_000_000

/** A watch with a clock of the test's own. */
function make (t: Test, known: HeardNode[] = []) {
  const clock = { now: 0 }
  const changes: string[] = []
  const errors: Array<{ err: Error }> = []
  const watch = new NodeWatch({
    log: { error: (details: { err: Error }) => { errors.push(details) } } as never,
    heard: () => known,
    now: () => clock.now
  })
  t.teardown(() => watch.end())
  return {
    watch,
    clock,
    changes,
    errors,
    listen: (name = '') => watch.add(({ id, state }) => { changes.push(`${name}${id} ${state}`) }),
    /** Lets time pass, as if the timer came in time. */
    pass: (time: number) => {
      for (let left = time; left > 0; left -= BEAT) {
        clock.now += Math.min(left, BEAT)
        watch.tick()
      }
    },
    /** Lets time pass while the process stands still. */
    stand: (time: number) => {
      clock.now += time
      watch.tick()
    }
  }
}

t.test('a node is gone when it was silent for two of its own beats, and not before', async t => {
  const { watch, changes, listen, pass } = make(t)
  listen()
  watch.heard('a', BEAT)
  watch.heard('slow', 3 * BEAT)
  pass(2 * BEAT - 1)
  t.strictSame(changes.splice(0), ['a here', 'slow here'])
  watch.heard('slow', 3 * BEAT)
  pass(1)
  t.strictSame(changes.splice(0), ['a gone'])
  watch.heard('slow', 3 * BEAT)
  watch.heard('a', BEAT)
  t.strictSame(changes.splice(0), ['a here'], 'it is back')
  watch.gone('a')
  watch.gone('a')
  watch.gone('never seen')
  t.strictSame(changes.splice(0), ['a gone'], 'it has said goodbye')
  pass(6 * BEAT)
  t.strictSame(changes, ['slow gone'])
})

t.test('beats move the deadline, and nobody flickers', async t => {
  const { watch, changes, listen, pass } = make(t)
  listen()
  for (let beat = 0; beat < 100; beat++) {
    for (const id of ['a', 'b', 'c']) if (id !== 'c' || beat < 50) watch.heard(id, BEAT)
    pass(BEAT)
  }
  t.strictSame(changes, ['a here', 'b here', 'c here', 'c gone'])
})

t.test('a process that stood still gives the others a beat to be heard', async t => {
  const { watch, changes, listen, pass, stand } = make(t)
  listen()
  for (const id of ['a', 'b']) watch.heard(id, BEAT)
  stand(10 * BEAT)
  t.strictSame(changes.splice(0), ['a here', 'b here'])
  watch.heard('a', BEAT)
  pass(BEAT)
  t.strictSame(changes, ['b gone'])
})

t.test('a listener is told of those that are here, and nothing is watched without one', async t => {
  const known = [{ id: 'a', heard: -BEAT, every: BEAT }, { id: 'b', heard: -3 * BEAT, every: BEAT }]
  const { watch, changes, listen, pass } = make(t, known)
  watch.heard('x', BEAT)
  watch.gone('x')
  const first = listen('first ')
  t.strictSame(changes.splice(0), ['first a here'], 'b was silent for too long')
  const second = listen('second ')
  t.strictSame(changes.splice(0), ['second a here'])
  first()
  first()
  pass(BEAT)
  t.strictSame(changes.splice(0), ['second a gone'])
  watch.heard('c', BEAT)
  second()
  pass(2 * BEAT)
  watch.heard('d', BEAT)
  t.strictSame(changes.splice(0), ['second c here'])
  known.length = 0
  listen('third ')
  t.strictSame(changes, [])
})

t.test('a listener that fails, or removes another, stops nothing', async t => {
  const { watch, changes, errors, listen } = make(t)
  const ends: Array<() => void> = []
  watch.add(change => {
    change.id = 'spoilt'
    throw new Error('thrown')
  })
  watch.add(async () => { throw new Error('rejected') })
  watch.add(() => { for (const end of ends) end() })
  listen('stays ')
  ends.push(listen('removed '))
  watch.heard('a', BEAT)
  await sleep(0)
  t.strictSame(changes, ['stays a here'])
  t.strictSame(errors.map(({ err }) => err.message), ['thrown', 'rejected'])
})

t.test('what a stranger on the bus makes up is bounded', async t => {
  const { watch, clock, changes, listen } = make(t)
  listen()
  for (let node = 0; node < 2_000; node++) watch.heard(`${node}`, node % 2 === 0 ? 1e300 : 0)
  t.equal(changes.length, 1_000)
  clock.now = 2
  watch.tick()
  t.equal(changes.length, 1_500, 'those that beat without a pause are gone')
  clock.now = 2 * 60 * 60_000
  watch.tick()
  t.equal(changes.length, 2_000, 'and no beat takes longer than an hour')
})

t.test('the timer does what tick does', async t => {
  const changes: string[] = []
  const watch = new NodeWatch({ log: {} as never, heard: () => [{ id: 'a', heard: performance.now(), every: 20 }] })
  // The timer itself keeps no process alive.
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => clearInterval(alive))
  await new Promise<void>(resolve => watch.add(({ id, state }) => {
    changes.push(`${id} ${state}`)
    if (state === 'gone') resolve()
  }))
  t.strictSame(changes, ['a here', 'a gone'])
  watch.end()
  watch.heard('b', 20)
  t.equal(changes.length, 2)
})
