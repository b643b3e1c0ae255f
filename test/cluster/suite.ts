import type { Test } from 'tap'
import { Cluster, type ClusterOptions } from './cluster.js'
import { doors } from './doors.js'

/** Everything that has to hold for three nodes, whatever is before and behind them. */
export async function suite (t: Test, options: ClusterOptions): Promise<void> {
  const cluster = await Cluster.start(t, options)
  if (cluster === null) return
  t.comment(`three nodes behind ${cluster.proxy.kind}`)
  await t.test('doors', async t => await doors(t, cluster))
}
