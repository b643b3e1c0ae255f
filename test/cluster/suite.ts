import type { Test } from 'tap'
import { Cluster, type ClusterOptions } from './cluster.js'
import { doors } from './doors.js'
import { failures } from './failures.js'
import { messages } from './messages.js'
import { rollingRestart } from './restart.js'

/** Outages and drains take their time, and on a busy machine everything does. In milliseconds. */
export const SUITE_TIMEOUT = 480_000

/** Everything that has to hold for three nodes, whatever is before and behind them. */
export async function suite (t: Test, options: ClusterOptions): Promise<void> {
  const cluster = await Cluster.start(t, options)
  if (cluster === null) return
  t.comment(`three nodes behind ${cluster.proxy.kind}`)
  await t.test('doors', async t => await doors(t, cluster))
  await t.test('messages', async t => await messages(t, cluster))
  await t.test('failures', async t => await failures(t, cluster))
  await t.test('restart', async t => await rollingRestart(t, cluster))
}
