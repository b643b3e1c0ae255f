import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { findMongo, requireServer } from '@fastify-airlock/test-servers'
import { MongoStore, wsTickets } from '../src/index.js'
import { bare } from './helpers.js'
import { connect } from './mongo.js'

const PROCESSES = 4
const ROUNDS = 8

const mongo = requireServer(t, await findMongo())
if (mongo !== null) {
  const { kind, url, stop } = mongo
  t.comment(kind)
  t.teardown(stop)

  t.test('of 200 parallel redemptions from four processes one succeeds', async t => {
    const { db } = await connect(t, url)
    const app = bare(t)
    await app.register(wsTickets, { store: new MongoStore(db), route: false })
    await app.ready()

    const redeemers = Array.from({ length: PROCESSES }, () => {
      const redeemer = fork(fileURLToPath(new URL('./fixtures/redeemer.ts', import.meta.url)), [url, db.databaseName])
      t.teardown(() => redeemer.kill('SIGKILL'))
      redeemer.once('exit', code => { if (code !== null) t.fail(`a redeemer ended with ${code}`) })
      return redeemer
    })
    t.same(await Promise.all(redeemers.map(answer)), redeemers.map(() => 'ready'))

    for (let round = 1; round <= ROUNDS; round++) {
      const { ticket } = await app.wsTickets.issue('alice')
      const answers = redeemers.map(answer)
      for (const redeemer of redeemers) redeemer.send(ticket)
      const wins = await Promise.all(answers) as number[]
      t.equal(wins.reduce((sum, n) => sum + n), 1, `round ${round}: ${wins.join(' + ')}`)
    }
  })
}

async function answer (redeemer: ChildProcess): Promise<unknown> {
  const [message] = await once(redeemer, 'message')
  return message
}
