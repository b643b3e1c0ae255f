/**
 * The chaos: three nodes behind a proxy, 300 clients and 20 topics, while nodes, Redis and the proxy are killed and paused at random
 * for ten minutes. No publication that was acknowledged may be lost, doubled or out of order, and no gap may be kept from anybody.
 * Afterwards the same without the plugin, where all of that happens: so the test is known to see it.
 * `npm run test:chaos`; with `-- --short` ten seconds, with `-- --minutes N` as many, with `-- --seed N` the same trouble as before.
 */
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import t from 'tap'
import { type Result, run } from './run.js'
import type { Pace } from './trouble.js'

const { values: { short, minutes, seed: given } } = parseArgs({
  options: { short: { type: 'boolean', default: false }, minutes: { type: 'string', default: '10' }, seed: { type: 'string' } }
})
const seed = given === undefined ? short ? 1 : randomInt(2 ** 20) : Number(given)
const pace: Pace = short
  ? { length: 10_000, shortest: 200, longest: 1_500, rest: 1_000 }
  : { length: Number(minutes) * 60_000, shortest: 300, longest: 10_000, rest: 4_000 }

const timeout = pace.length + 1_800_000
t.setTimeout(3 * timeout)
t.comment(`seed ${seed}`)

/** Says what a run has come to. */
function figures ({ account, uncertain, opened, settled, troubles, logged }: Result): string {
  const percent = (100 * account.lost / account.owed).toFixed(2)
  return [
    `${account.acknowledged} publications acknowledged, ${uncertain} uncertain, of which ${account.unacknowledged} are there`,
    `${account.received} messages received of ${account.owed} owed and others: ${account.lost} lost (${percent} %), ${account.told} told to be missing, ${account.doubled} doubled, ${account.disordered} out of order`,
    `${account.resumed} subscriptions resumed without a gap, ${account.gaps} gaps told, ${opened} connections opened; all was there ${settled} ms after the last trouble`,
    `troubles: ${JSON.stringify(troubles)}`,
    `logged: ${JSON.stringify(logged)}`
  ].join('\n')
}

t.test('with topics', { timeout }, async t => {
  const result = await run(t, { hasTopics: true, seed, pace })
  if (result === null) return
  t.comment(figures(result))
  t.strictSame(result.violations, [], `nothing acknowledged is lost, doubled or out of order, and every gap is told; seed ${seed}`)
  t.ok(result.account.owed > 0 && result.account.resumed > 0, 'something was at stake')
})

t.test('without topics', { timeout }, async t => {
  const result = await run(t, { hasTopics: false, seed, pace: { ...pace, length: Math.min(pace.length, 60_000) } })
  if (result === null) return
  t.comment(figures(result))
  t.ok(result.account.lost > 0, `plain broadcasts are lost, and the ledger sees it; seed ${seed}`)
})
