import { setTimeout as sleep } from 'node:timers/promises'
import type { TicketRateCounter } from './rate-counter.js'
import type { TicketRecord, TicketStore } from './store.js'

/** The part of tap's `t` that {@link testTicketStore} needs. */
export interface ContractTest {
  test (name: string, run: (t: ContractTest) => Promise<void>): unknown
  equal (found: unknown, wanted: unknown, message: string): unknown
  same (found: unknown, wanted: unknown, message: string): unknown
  teardown (undo: () => unknown): unknown
}

/** What `create` is asked for. */
export interface ContractOptions {
  /** Number of tickets that the store has room for. Without it, the store has room for all that the suite puts. */
  max?: number
}

/** Describes the store under test. */
export interface ContractSettings {
  /** Makes an open, empty store. The suite closes the store. */
  create: (options: ContractOptions) => Promise<TicketStore> | TicketStore
  /** Whether the store has a capacity, which `create` sets to `max`. */
  bounded: boolean
}

const NOW = Date.now()
const TTL = 30_000

/** Random enough that compression cannot make it fit where long text does not fit, as in an index of PostgreSQL. */
const LONG = Array.from({ length: 10_000 }, (_, i) => (i * 2_654_435_761 % 2 ** 32).toString(36)).join('')

/** Text that drivers and databases cut, fold, escape or refuse. Neighbors are easily confused. */
const TEXTS: Array<[name: string, text: string]> = [
  ['lower case', 'alice'],
  ['upper case', 'Alice'],
  ['a space at the end', 'alice '],
  ['NUL at the end', 'alice\0'],
  ['NUL', '\0'],
  ['another control character', '\u0001'],
  ['a control character and JSON', '\u0001"\\ud800"'],
  ['the first half of a surrogate pair', '\ud800'],
  ['another first half', '\ud83d'],
  ['a second half', '\ude00'],
  ['a pair', '\ud83d\ude00'],
  ['the halves in the wrong order', '\ude00\ud83d'],
  ['the replacement character', '\ufffd'],
  ['an escape that JSON knows', '\\ud800'],
  ['the last code point', '\u{10ffff}'],
  ['one code point', '\u00e4'],
  ['two code points that look the same', 'a\u0308'],
  ['lines and a command', 'a b\r\n$1\r\n'],
  ['patterns', '*%_.['],
  ['quotes', '\'"`]}\\'],
  ['an operator', '{"$gt":""}'],
  ['a hash tag', '{x}:of:alice'],
  ['__proto__', '__proto__'],
  ['very long', LONG],
  ['very long, with another end', `${LONG}x`]
]

/**
 * Tests what every ticket store must do.
 *
 * @example
 * import t from 'tap'
 * import { testTicketStore } from '@fastify-airlock/ticket/contract'
 *
 * testTicketStore(t, { create: ({ max }) => new MyStore({ max }), bounded: true })
 */
export function testTicketStore (t: ContractTest, { create, bounded }: ContractSettings): void {
  const open = async (t: ContractTest, options: ContractOptions = {}): Promise<TicketStore> => {
    const store = await create(options)
    t.teardown(() => store.close())
    return store
  }

  t.test('a ticket can be taken once, and comes back as it was put', async t => {
    const store = await open(t)
    const record = ticket({ claims: '{"a.b":{"$gt":1},"ä":null}', origin: 'https://example.com', ip: '192.0.2.1' })
    await store.put('one', record, TTL)
    t.same(await store.take('one', 'here', NOW), record, 'as it was put')
    t.equal(await store.take('one', 'here', NOW), null, 'once only')
    t.equal(await store.take('other', 'here', NOW), null, 'never put')
  })

  t.test('a ticket expires at the exact millisecond', async t => {
    const store = await open(t)
    const record = ticket()
    await store.put('late', record, TTL)
    await store.put('in time', record, TTL)
    t.equal(await store.take('late', 'here', NOW + TTL), null, 'expired')
    t.same(await store.take('in time', 'here', NOW + TTL - 1), record, 'a millisecond earlier')
  })

  t.test('another audience does not get the ticket and does not use it up', async t => {
    const store = await open(t)
    const record = ticket()
    await store.put('one', record, TTL)
    t.equal(await store.take('one', 'there', NOW), null, 'not there')
    t.same(await store.take('one', 'here', NOW), record, 'but still here')
  })

  t.test('a reusable ticket stays until it expires', async t => {
    const store = await open(t)
    const record = ticket({ reuse: true })
    await store.put('one', record, TTL)
    t.equal(await store.take('one', 'there', NOW), null, 'for its audience only')
    t.same(await store.take('one', 'here', NOW), record, 'once')
    t.same(await store.take('one', 'here', NOW + TTL - 1), record, 'and again')
    t.equal(await store.take('one', 'here', NOW + TTL), null, 'expired')
  })

  t.test('has() is false only for a hash that the store does not have', async t => {
    const store = await open(t)
    const record = ticket()
    await store.put('one', record, TTL)
    // The method is optional.
    t.equal(store.has?.('one') ?? true, true, 'there')
    t.equal(store.has?.('other') ?? false, false, 'never put')
    t.same(await store.take('one', 'here', NOW), record, 'asking has used nothing up')
    t.equal(store.has?.('one') ?? false, false, 'taken')
  })

  t.test('a hash can be put once', async t => {
    const store = await open(t)
    const record = ticket()
    await store.put('one', record, TTL)
    t.equal(await codeOf(() => store.put('one', ticket({ subject: 'mallory' }), TTL)), 'WSA_TICKET_ERR_DUPLICATE', 'refused')
    t.same(await store.take('one', 'here', NOW), record, 'the first one holds')
  })

  t.test('of 200 parallel takes one succeeds', async t => {
    const store = await open(t)
    await store.put('one', ticket(), TTL)
    const taken = await Promise.all(Array.from({ length: 200 }, async () => store.take('one', 'here', NOW)))
    t.equal(taken.filter(record => record !== null).length, 1, 'one winner')
  })

  t.test('revocation takes every ticket of a subject, and of no other', async t => {
    const store = await open(t)
    await store.put('a1', ticket(), TTL)
    await store.put('a2', ticket({ reuse: true, audience: 'there' }), TTL)
    await store.put('a3', ticket(), TTL)
    await store.put('b1', ticket({ subject: 'bob' }), TTL)
    await store.take('a3', 'here', NOW)
    t.equal(await store.revoke('alice'), 2, 'what was taken does not count')
    t.equal(await store.revoke('alice'), 0, 'none is left')
    t.equal(await store.revoke('nobody'), 0, 'a subject that never had one')
    t.equal(await store.take('a1', 'here', NOW), null, 'revoked')
    t.equal(await store.take('a2', 'there', NOW), null, 'revoked, though reusable')
    t.same(await store.take('b1', 'here', NOW), ticket({ subject: 'bob' }), 'of another subject')
  })

  t.test('a ticket keeps its session and the time of its request', async t => {
    const store = await open(t)
    const records = [ticket({ session: 's1', requestedAt: NOW - 0.25 }), ticket({ session: 's2', reuse: true }), ticket({ requestedAt: NOW })]
    for (const [i, record] of records.entries()) {
      await store.put(`${i}`, record, TTL)
      t.same(await store.take(`${i}`, 'here', NOW), record, `${i}: as it was put`)
    }
  })

  t.test('revocation by session takes the tickets of that session, and those that have none', async t => {
    const store = await open(t)
    await store.put('one', ticket({ session: 's1' }), TTL)
    await store.put('one, reusable', ticket({ session: 's1', reuse: true, audience: 'there' }), TTL)
    await store.put('two', ticket({ session: 's2' }), TTL)
    await store.put('bob', ticket({ subject: 'bob', session: 's1' }), TTL)
    t.equal(await store.revoke('alice', 's1'), 2, 'those of the session')
    t.equal(await store.revoke('alice', 's1'), 0, 'none is left')
    t.equal(await store.revoke('alice', 'nothing'), 0, 'a session that never had one')
    await store.put('old', ticket(), TTL)
    await store.put('bob, old', ticket({ subject: 'bob' }), TTL)
    t.equal(await store.revoke('alice', 's1'), 1, 'a record without a session counts for its subject')
    t.equal(await store.take('one', 'here', NOW), null, 'revoked')
    t.equal(await store.take('one, reusable', 'there', NOW), null, 'revoked, though reusable')
    t.equal(await store.take('old', 'here', NOW), null, 'revoked, without a session')
    t.same(await store.take('two', 'here', NOW), ticket({ session: 's2' }), 'another session')
    t.same(await store.take('bob', 'here', NOW), ticket({ subject: 'bob', session: 's1' }), 'another subject')
    await store.put('three', ticket({ session: 's3' }), TTL)
    await store.put('four', ticket(), TTL)
    t.equal(await store.revoke('alice'), 2, 'without a session, all of the subject')
    t.equal(await store.revoke('bob'), 1, 'all of the other subject')
  })

  t.test('revokeSession() takes the tickets of a session, of every subject', async t => {
    const store = await open(t)
    // The method is optional.
    if (store.revokeSession === undefined) return
    await store.put('alice', ticket({ session: 's1' }), TTL)
    await store.put('bob', ticket({ subject: 'bob', session: 's1', reuse: true }), TTL)
    await store.put('taken', ticket({ session: 's1' }), TTL)
    await store.take('taken', 'here', NOW)
    await store.put('other', ticket({ session: 's2' }), TTL)
    await store.put('old', ticket(), TTL)
    t.equal(await store.revokeSession('s1'), 2, 'what was taken does not count')
    t.equal(await store.revokeSession('s1'), 0, 'none is left')
    t.equal(await store.take('alice', 'here', NOW), null, 'revoked')
    t.equal(await store.take('bob', 'here', NOW), null, 'revoked, though reusable')
    t.equal(await store.revoke('bob'), 0, 'nothing is left of it')
    t.same(await store.take('other', 'here', NOW), ticket({ session: 's2' }), 'another session')
    t.same(await store.take('old', 'here', NOW), ticket(), 'without a session')
  })

  t.test('remove() takes away one ticket, reusable or not', async t => {
    const store = await open(t)
    // The method is optional.
    if (store.remove === undefined) return
    const records = [ticket(), ticket({ reuse: true }), ticket({ session: 's1' })]
    for (const [i, record] of records.entries()) await store.put(`${i}`, record, TTL)
    await store.put('other', ticket({ session: 's1' }), TTL)
    for (const i of records.keys()) await store.remove(`${i}`)
    await store.remove('never put')
    for (const i of records.keys()) t.equal(await store.take(`${i}`, 'here', NOW), null, `${i}: gone`)
    t.equal(await store.revoke('alice'), 1, 'the other one is there')
  })

  t.test('a session of any characters is taken for no other', async t => {
    const store = await open(t)
    for (const [i, [, text]] of TEXTS.entries()) {
      await store.put(`${i}`, ticket({ session: text }), TTL)
      await store.put(`${i} of bob`, ticket({ subject: 'bob', session: text }), TTL)
    }
    for (const [i, [name, text]] of TEXTS.entries()) {
      t.equal(await store.revoke('alice', text), 1, `${name}: the only one`)
      t.equal(await store.take(`${i}`, 'here', NOW), null, `${name}: revoked`)
      t.equal(await (store.revokeSession?.(text) ?? store.revoke('bob', text)), 1, `${name}: the only one of the session`)
    }
  })

  t.test('text of any characters comes back as it was put, and is taken for no other', async t => {
    const store = await open(t)
    const records = TEXTS.map(([, text]) => ticket({ subject: text, audience: text, claims: JSON.stringify({ [text]: text }), origin: text }))
    for (const [i, record] of records.entries()) {
      await store.put(`taken ${i}`, record, TTL)
      await store.put(`revoked ${i}`, record, TTL)
    }
    for (const [i, [name, text]] of TEXTS.entries()) {
      const [other, another] = TEXTS[(i + 1) % TEXTS.length] as [string, string]
      t.equal(await store.take(`taken ${i}`, another, NOW), null, `${name}: not for ${other}`)
      t.same(await store.take(`taken ${i}`, text, NOW), records[i], `${name}: as it was put`)
      t.equal(await store.revoke(text), 1, `${name}: the only one of its subject`)
      t.equal(await store.take(`revoked ${i}`, text, NOW), null, `${name}: revoked`)
    }
  })

  if (bounded) {
    t.test('a full store refuses and evicts nothing', async t => {
      const store = await open(t, { max: 2 })
      await store.put('one', ticket(), TTL)
      await store.put('two', ticket(), TTL)
      t.equal(await codeOf(() => store.put('three', ticket(), TTL)), 'WSA_TICKET_ERR_STORE_FULL', 'full')
      t.same(await store.take('one', 'here', NOW), ticket(), 'the first is there')
      await store.put('three', ticket(), TTL)
      t.same(await store.take('two', 'here', NOW), ticket(), 'the second is there')
      t.same(await store.take('three', 'here', NOW), ticket(), 'the third found room')
    })
  }

  t.test('a closed store refuses everything, and may be closed again', async t => {
    const store = await open(t)
    await store.put('one', ticket(), TTL)
    await store.close()
    t.equal(await codeOf(() => store.put('two', ticket(), TTL)), 'WSA_TICKET_ERR_STORE_CLOSED', 'put')
    t.equal(await codeOf(() => store.take('one', 'here', NOW)), 'WSA_TICKET_ERR_STORE_CLOSED', 'take')
    t.equal(await codeOf(() => store.revoke('alice')), 'WSA_TICKET_ERR_STORE_CLOSED', 'revoke')
    t.equal(await codeOf(() => store.revoke('alice', 's1')), 'WSA_TICKET_ERR_STORE_CLOSED', 'revoke by session')
    if (store.revokeSession !== undefined) t.equal(await codeOf(() => store.revokeSession?.('s1')), 'WSA_TICKET_ERR_STORE_CLOSED', 'revokeSession')
    if (store.remove !== undefined) t.equal(await codeOf(() => store.remove?.('one')), 'WSA_TICKET_ERR_STORE_CLOSED', 'remove')
    await store.close()
  })
}

function ticket (members: Partial<TicketRecord> = {}): TicketRecord {
  return {
    subject: 'alice',
    audience: 'here',
    claims: '{}',
    expiresAt: NOW + TTL,
    reuse: false,
    origin: null,
    ip: null,
    ...members
  }
}

async function codeOf (call: () => unknown): Promise<unknown> {
  try {
    await call()
    return 'no error'
  } catch (error) {
    return (error as { code?: unknown }).code
  }
}

/** Describes the counter under test. */
export interface RateContractSettings {
  /** Makes two ends of one counter that nobody has used before, each as a node has it, and closes them in `t.teardown`. */
  create: (t: ContractTest) => Promise<[TicketRateCounter, TicketRateCounter]> | [TicketRateCounter, TicketRateCounter]
}

/** Longer than any test takes, in milliseconds. */
const WINDOW = 600_000

/**
 * Tests what every counter of requests for tickets must do.
 *
 * @example
 * import t from 'tap'
 * import { testTicketRateCounter } from '@fastify-airlock/ticket/contract'
 *
 * testTicketRateCounter(t, { create: () => [new MyCounter(url, name), new MyCounter(url, name)] })
 */
export function testTicketRateCounter (t: ContractTest, { create }: RateContractSettings): void {
  t.test('requests at all ends count together, for each subject apart', async t => {
    const [a, b] = await create(t)
    t.same([await a.take('alice', 2, WINDOW), await b.take('alice', 2, WINDOW)], [0, 0], 'within the limit')
    for (const counter of [a, b]) {
      const wait = await counter.take('alice', 2, WINDOW)
      t.equal(wait > WINDOW / 2 && wait <= WINDOW, true, 'until the end of the window')
    }
    t.equal(await a.take('bob', 2, WINDOW), 0, 'another subject')
    t.equal(await b.take('alice', 10, WINDOW), 0, 'the limit is that of the call')
  })

  t.test('subjects are told apart by every character', async t => {
    const [a, b] = await create(t)
    for (const [name, text] of TEXTS) t.equal(await a.take(text, 1, WINDOW), 0, name)
    for (const [name, text] of TEXTS) t.equal(await b.take(text, 1, WINDOW) > 0, true, name)
  })

  t.test('of many at the same time, as many pass as may', async t => {
    const ends = await create(t)
    const waits = await Promise.all(Array.from({ length: 50 }, async (_, index) => await (ends[index % 2] as TicketRateCounter).take('alice', 7, WINDOW)))
    t.equal(waits.filter(wait => wait === 0).length, 7, 'and no more')
  })

  t.test('a window ends, and what was refused does not prolong it', async t => {
    const [a, b] = await create(t)
    t.equal(await a.take('alice', 1, 300), 0, 'the first')
    let wait = await b.take('alice', 1, 300)
    while (wait > 0) {
      t.equal(wait <= 300, true, 'it lasts no longer')
      await sleep(wait)
      wait = await b.take('alice', 1, 300)
    }
    t.equal(wait, 0, 'a new one')
  })
}
