import { type PrivateServer, requireServer } from '@fastify-airlock/test-servers'
import type { Test } from 'tap'
import { testTicketStore } from '../../src/contract.js'
import { wsTickets } from '../../src/index.js'
import { bare } from '../helpers.js'
import { type OutageCases, testOutages } from './outages.js'
import { race } from './race.js'
import { type OpenStore, spaceName, type StoreName, STORES } from './rows.js'

/** Time for an answer in tests that are not about time: 200 parallel calls take long on a busy machine. In milliseconds. */
const PATIENCE = 30_000

/** The servers that a suite has run against. */
export interface StoreServers {
  /** URL of the server that other suites may use at the same time. */
  url: string
  /** A server of this suite's own, to be killed and paused. */
  own: PrivateServer
}

/**
 * Tests a store that lives in a database against real servers: the contract, several processes and servers on one
 * database, and a database that is killed, paused, or away when the server starts.
 *
 * @param cases what else is true of this store while its database is away and when it is back
 * @returns the servers, for tests of what only this store has; `null` where there are none
 */
export async function testStore (t: Test, name: StoreName, cases: OutageCases = {}): Promise<StoreServers | null> {
  const { find, start, create } = STORES[name]
  const shared = requireServer(t, await find())
  if (shared === null) return null
  // A server that was started here, not given by the environment, is used for both. With a teardown, tap ends the suite as
  // soon as nothing runs: whatever takes time comes before it.
  const own = 'kill' in shared ? shared as PrivateServer : requireServer(t, await start())
  t.teardown(() => shared.stop())
  if (own !== null && own !== shared) t.teardown(() => own.stop())
  const { kind, url } = shared
  t.comment(kind)

  const open = async (t: Test, space = spaceName()): Promise<OpenStore> => {
    const opened = await create(url, space, PATIENCE)
    t.teardown(async () => {
      await opened.clear()
      await opened.close()
    })
    await opened.connect()
    return opened
  }

  t.test('contract', async t => {
    testTicketStore(t, { create: async () => (await open(t)).store, bounded: false })
  })

  t.test('of 200 parallel redemptions from four processes one succeeds', async t => {
    const space = spaceName()
    const { store } = await open(t, space)
    await race(t, store, [name, url, space])
  })

  t.test('two servers on one database honor each other\'s tickets, once', async t => {
    const space = spaceName()
    const [a, b] = [bare(t), bare(t)]
    for (const app of [a, b]) {
      await app.register(wsTickets, { store: (await open(t, space)).store, storeTimeout: PATIENCE, route: false })
      await app.ready()
    }
    const { ticket } = await a.wsTickets.issue('alice')
    t.match(await b.wsTickets.redeem(ticket), { subject: 'alice' })
    t.equal(await a.wsTickets.redeem(ticket), null)
    await b.wsTickets.issue('alice')
    t.equal(await a.wsTickets.revoke('alice'), 1)
    for (const session of ['s1', 's2']) await b.wsTickets.issue('alice', { session })
    t.equal(await a.wsTickets.revoke({ subject: 'alice', session: 's1' }), 1)
    t.equal(await a.wsTickets.revoke({ session: 's2' }), 1)
  })

  if (own === null) return null
  testOutages(t, own, (space, timeout) => create(own.url, space, timeout), cases)
  return { url, own }
}
