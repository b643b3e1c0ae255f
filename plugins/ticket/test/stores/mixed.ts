import type { Test } from 'tap'
import type { TicketStore } from '../../src/index.js'
import { record } from '../helpers.js'
import type { OldNode } from './old.js'

/** Tests a store beside a node of the version before, on one database. */
export async function testMixed (t: Test, store: TicketStore, old: OldNode): Promise<void> {
  const claims = '{"role":"admin"}'
  await old.put('old', record({ claims }))
  await store.put('new', record({ claims, session: 's1', requestedAt: Date.now() }), 30_000)
  t.equal(await old.take('new', 'here'), claims, 'a new ticket, by the old node')
  t.match(await store.take('old', 'here', Date.now()), { subject: 'alice', claims }, 'an old ticket, by the new node')

  for (const hash of ['o1', 'o2']) await old.put(hash, record())
  await store.put('n1', record({ session: 's1' }), 30_000)
  await store.put('n2', record({ session: 's2' }), 30_000)
  await old.put('bob', record({ subject: 'bob' }))
  t.equal(await store.revoke('alice', 's1'), 3, 'without a session, an old one counts for its subject')
  t.ok(await store.take('n2', 'here', Date.now()), 'the other session')
  t.equal(await store.revokeSession?.('s1'), 0)

  await store.put('n3', record({ session: 's3' }), 30_000)
  await old.put('o3', record())
  t.equal(await old.revoke('alice'), 2, 'by the old node')
  t.equal(await store.take('n3', 'here', Date.now()), null)
  t.equal(await store.revokeSession?.('s3'), 0, 'what the old node has removed does not count')
  t.ok(await old.take('bob', 'here'))
}
