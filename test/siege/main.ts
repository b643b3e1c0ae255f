/**
 * The siege: sessions of changed heads, tickets, tokens, frames and steps against the doors of a real server, each judged by an
 * oracle; and every bad JWT at every door.
 * `npm run test:siege` plays 100,000 sessions; `-- --short` takes about a minute. A failure says how to play it again.
 */
import fc from 'fast-check'
import { randomBytes, randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import t from 'tap'
import { siegeOfTokens } from '../attacks/jwt-doors.js'
import { KEYS } from '../attacks/jwts.js'
import { Play, reached } from './play.js'
import { session } from './session.js'
import { Stage } from './stage.js'

const { values: { short, sessions, seed: given, path } } = parseArgs({
  options: { short: { type: 'boolean', default: false }, sessions: { type: 'string', default: '100000' }, seed: { type: 'string' }, path: { type: 'string' } }
})

/** Servers that are besieged at the same time; while one waits, others work. */
const LANES = 12
const seed = given === undefined ? randomInt(2 ** 31) : Number(given)
const lanes = path === undefined ? LANES : 1
const total = short ? 6_000 : Number(sessions)

t.setTimeout(7_200_000)

t.test('sessions', { timeout: 7_200_000 }, async t => {
  const faults: string[] = []
  const fault = (kind: string) => (error: unknown) => { faults.push(`${kind}: ${(error as Error)?.stack ?? error}`) }
  const listeners = { unhandledRejection: fault('unhandled rejection'), uncaughtException: fault('uncaught exception'), warning: fault('warning') }
  for (const [event, listener] of Object.entries(listeners)) process.on(event, listener)
  t.teardown(() => { for (const [event, listener] of Object.entries(listeners)) process.off(event, listener) })
  const began = performance.now()
  let played = 0
  const secret = randomBytes(32).toString('base64')
  await Promise.all(Array.from({ length: lanes }, async (_, lane) => {
    const stage = await Stage.start(secret)
    t.teardown(() => stage.app.close())
    const result = await fc.check(fc.asyncProperty(session, async given => {
      if (++played % 5_000 === 0) t.comment(`${played} sessions after ${Math.round((performance.now() - began) / 1_000)} s`)
      const verdict = await new Play(stage).run(given)
      if (verdict !== null) throw new Error(verdict)
      if (faults.length > 0) throw new Error(faults.splice(0).join('\n'))
    }), {
      seed: seed + lane,
      ...(path !== undefined && { path }),
      numRuns: path !== undefined ? 1 : Math.ceil(total / lanes)
    })
    t.notOk(result.failed, result.failed
      ? `${String(result.errorInstance)}\n${fc.defaultReportMessage(result)}\nAgain: npm run test:siege -- --seed ${result.seed} --path ${result.counterexamplePath}`
      : `lane ${lane}, seed ${result.seed}: ${result.numRuns} sessions`)
  }))
  t.strictSame(faults, [], 'no unhandled rejection, no uncaught exception, no warning')
  const seconds = (performance.now() - began) / 1_000
  t.comment(`${played} sessions in ${seconds.toFixed(0)} s, ${(played / seconds).toFixed(0)} a second, seed ${seed}`)
  t.comment(Object.fromEntries(Object.entries(reached).sort(([a], [b]) => a < b ? -1 : 1)))
  // A siege that does not get anywhere finds nothing.
  if (path === undefined) for (const what of ['redeemed', 'in by /both', 'in by /one', 'in by /jwt', 'in by /frame', 'auth_ok', 'refresh_ok', '101', '4xx', '4400', '4401', '4403']) t.ok((reached[what] ?? 0) > 0, `${what}: ${reached[what] ?? 0}`)
})

if (path === undefined) {
  for (const [name, keys] of Object.entries(KEYS)) {
    t.test(`bad JWTs, ${name}`, { timeout: 7_200_000 }, async t => await siegeOfTokens(t, keys, short ? 30 : 250, short ? 6 : 1))
  }
}
