import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { type TicketStore, wsTickets } from '../../src/index.js'
import { bare } from '../helpers.js'

const PROCESSES = 4
const ROUNDS = 8

/**
 * Tests that of 200 parallel redemptions from four processes one succeeds.
 *
 * @param args the arguments by which `redeemer.ts` finds the database of `store`
 */
export async function race (t: Test, store: TicketStore, args: string[]): Promise<void> {
  const app = bare(t)
  await app.register(wsTickets, { store, route: false })
  await app.ready()

  const redeemers = Array.from({ length: PROCESSES }, () => {
    const child = fork(fileURLToPath(new URL('./redeemer.ts', import.meta.url)), args)
    t.teardown(() => child.kill('SIGKILL'))
    child.once('exit', code => { if (code !== null) t.fail(`a redeemer ended with ${code}`) })
    return child
  })
  t.same(await Promise.all(redeemers.map(answer)), redeemers.map(() => 'ready'))

  for (let round = 1; round <= ROUNDS; round++) {
    const { ticket } = await app.wsTickets.issue('alice')
    const answers = redeemers.map(answer)
    for (const child of redeemers) child.send(ticket)
    const wins = await Promise.all(answers) as number[]
    t.equal(wins.reduce((sum, n) => sum + n), 1, `round ${round}: ${wins.join(' + ')}`)
  }
}

async function answer (child: ChildProcess): Promise<unknown> {
  const [message] = await once(child, 'message')
  return message
}
