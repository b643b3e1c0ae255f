import t, { type Test } from 'tap'
import { until } from '../helpers.js'
import { dashboard } from './dashboard.js'
import { type Figures, watchDashboard } from './dashboard-client.js'
import { device, hasCode, startNode } from './devices.js'

t.test('the document has exactly this code', async t => { await hasCode(t, 'dashboard', 'dashboard.ts', 'dashboard-client.ts') })

async function start (t: Test) {
  const node = await startNode(t, async app => await dashboard(app, user => user !== 'mallory', { size: 5, ttl: 60_000 }))
  const watch = (user: string) => {
    const opened = device(t, node, user)
    const seen = { shown: [] as Figures[], snapshots: 0 }
    const subscription = watchDashboard(opened.connection, async (path, options) => {
      seen.snapshots++
      return await opened.request(path, options)
    }, figures => { seen.shown.push(figures) })
    return { ...opened, seen, subscription, figures: () => seen.shown.at(-1) }
  }
  return { change: node.recipe, watch }
}

t.test('a snapshot, and then each change', async t => {
  const { change, watch } = await start(t)
  await change('load', 1)
  await change('users', 10)
  const alice = watch('alice')
  await until(() => alice.seen.shown.length === 1)
  t.same(alice.figures(), { load: 1, users: 10 })
  await change('load', 2)
  await until(() => alice.seen.shown.length === 2)
  t.same(alice.figures(), { load: 2, users: 10 })
  t.equal(alice.seen.snapshots, 1)
})

t.test('a short absence is caught up with, and a long one takes another snapshot', async t => {
  const { change, watch } = await start(t)
  const alice = watch('alice')
  await until(() => alice.seen.shown.length === 1)
  for (const [missed, snapshots] of [[3, 1], [50, 2], [4, 2], [5, 3]] as const) {
    alice.cut()
    await until(() => alice.connection.status !== 'open')
    for (let n = 0; n < missed; n++) await change(`figure ${n}`, missed + n / 100)
    await change('last', missed)
    alice.mend()
    await until(() => alice.figures()?.last === missed)
    t.equal(alice.seen.snapshots, snapshots, `${missed} and one more were missed`)
    t.equal(alice.figures()?.[`figure ${missed - 1}`], missed + (missed - 1) / 100)
  }
})

t.test('what changes while the snapshot is on its way is not lost', async t => {
  const { change, watch } = await start(t)
  const alice = watch('alice')
  for (let n = 1; n <= 200; n++) await change('load', n)
  await until(() => alice.figures()?.load === 200)
  t.pass('it has the last one')
})

t.test('who may not watch gets neither', async t => {
  const { change, watch } = await start(t)
  const mallory = watch('mallory')
  await until(() => mallory.subscription.status === 'closed')
  t.match(mallory.subscription.error, { code: 'WSA_CLIENT_ERR_TOPIC_REFUSED' })
  await change('load', 1)
  t.equal((await mallory.request('/dashboard')).status, 403)
  t.same(mallory.seen.shown, [])
})
