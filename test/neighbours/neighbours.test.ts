// Runs alone: a process has one context manager of OpenTelemetry
import t, { type Test } from 'tap'
import { build, type Place } from './app.js'
import { NAMES, NEIGHBOURS, startTracing } from './table.js'
import { visit } from './visit.js'

startTracing()

const pairs = NAMES.flatMap((one, index) => NAMES.slice(index + 1).map(other => [one, other]))

async function check (t: Test, names: string[], place: Place, expected: unknown): Promise<void> {
  const { seen, answers } = await visit(t, await build(t, names, { place }))
  t.strictSame(seen, expected)
  for (const name of names) {
    for (const kind of ['tickets', 'upgrades'] as const) {
      for (const [step, { headers }] of Object.entries(answers[kind])) {
        for (const header of NEIGHBOURS[name]?.headers?.[kind] ?? []) t.ok(headers[header], `${step}: ${header}`)
      }
    }
  }
}

t.test('a visit is the same beside every pair of other plugins', async t => {
  const { seen: alone } = await visit(t, await build(t, []))
  for (const names of [...NAMES.map(name => [name]), ...pairs, NAMES]) {
    await t.test(names.join(' and '), async t => await check(t, names, 'documented', alone))
  }
  for (const place of ['first', 'last'] as const) {
    for (const names of [...NAMES.map(name => [name]), NAMES]) {
      await t.test(`${names.join(' and ')}, ${place}`, async t => await check(t, names, place, alone))
    }
  }
})
