import { Sweep, type Sweepable } from '@fastify-airlock/core'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { CPU } from '../lib/cost.js'
import { interleave, type Sample } from '../lib/interleave.js'
import { compare, type Row } from '../lib/outcome.js'

const ITEMS = 20_000
/** How often each deadline is moved, as the heartbeat does with every pong. */
const MOVES = 20
const DELAY = 30_000
const HEAP = 'heap each, bytes'

interface Item extends Sweepable {
  timer: NodeJS.Timeout | undefined
}

interface Way {
  label: string
  set (item: Item): void
  move (item: Item): void
  clear (item: Item): void
}

const timers: Way = {
  label: 'setTimeout and refresh of Node',
  set (item) { item.timer = setTimeout(expire, DELAY, item).unref() },
  move ({ timer }) { timer?.refresh() },
  clear ({ timer }) { clearTimeout(timer) }
}

const sweep = new Sweep<Item>(expire)
const sweeping: Way = {
  label: 'Sweep',
  set (item) { sweep.set(item, DELAY) },
  move (item) { sweep.set(item, DELAY) },
  clear (item) { sweep.clear(item) }
}

function expire (item: Item): void {
  throw new Error(`${item.due}: the round takes longer than ${DELAY} ms`)
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function heap (): number {
  collect()
  return process.memoryUsage().heapUsed
}

/** Nothing waits here, so all of the time is CPU time. */
function measure ({ set, move, clear }: Way): Sample {
  const items = Array.from({ length: ITEMS }, (): Item => ({ due: 0, timer: undefined }))
  const empty = heap()
  let spent = time(() => { for (const item of items) set(item) })
  const held = heap() - empty
  spent += time(() => {
    for (let times = 0; times < MOVES; times++) {
      for (const item of items) move(item)
    }
    for (const item of items) clear(item)
  })
  return { [CPU]: spent / (ITEMS * (MOVES + 2)), [HEAP]: held / ITEMS }
}

function time (act: () => void): number {
  const before = process.cpuUsage()
  act()
  const { user, system } = process.cpuUsage(before)
  return user + system
}

export const deadlines: Row = {
  id: 'deadlines',
  title: 'A deadline set, moved or cleared',
  async run (context) {
    const { rounds } = context.sizes
    const samples = await interleave([timers, sweeping], context.sizes, async way => measure(way))
    return compare(context, samples, {
      how: `${rounds} rounds of ${ITEMS} deadlines, each moved ${MOVES} times`,
      metrics: [CPU, HEAP],
      metric: CPU,
      bases: [timers.label],
      goals: []
    })
  }
}
