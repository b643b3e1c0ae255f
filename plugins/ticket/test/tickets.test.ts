import t, { type Test } from 'tap'
import { WSA_TICKET_ERR_DUPLICATE, MemoryStore, type TicketRecord, type WsTicketsOptions, wsTickets } from '../src/index.js'
import { Tickets } from '../src/tickets.js'
import { bare, storeWith } from './helpers.js'

async function build (t: Test, options: WsTicketsOptions = {}) {
  const clock = { now: Date.now() }
  const app = bare(t)
  await app.register(wsTickets, { route: false, now: () => clock.now, ...options })
  return { tickets: app.wsTickets, clock }
}

t.test('issue and redeem', async t => {
  const { tickets, clock } = await build(t)
  const claims = { role: 'admin', 'a.b': { $gt: 1 } }
  const { ticket, expiresAt, ...rest } = await tickets.issue('alice', { claims })
  t.match(ticket, /^[\w-]{43}$/)
  t.equal(expiresAt, clock.now + 30_000)
  t.same(rest, { expiresIn: 30, protocol: 'airlock.v1' })
  const redeemed = await tickets.redeem(ticket)
  t.same(redeemed, { subject: 'alice', claims, expiresAt })
  t.not(redeemed?.claims, claims, 'a copy')
  t.equal(await tickets.redeem(ticket), null, 'once')
})

t.test('expiresIn is whole seconds, rounded down, at least one', async t => {
  const { tickets } = await build(t)
  for (const [ttl, expiresIn] of [[1, 1], [999, 1], [1_999, 1], [2_000, 2], [900_000, 900]] as const) {
    t.equal((await tickets.issue('alice', { ttl })).expiresIn, expiresIn, `${ttl} ms`)
  }
})

t.test('a ticket expires at the exact millisecond', async t => {
  const { tickets, clock } = await build(t, { ttl: 1_000 })
  const [a, b] = [await tickets.issue('alice'), await tickets.issue('alice')]
  clock.now += 999
  t.ok(await tickets.redeem(a.ticket))
  clock.now += 1
  t.equal(await tickets.redeem(b.ticket), null)
})

t.test('a reusable ticket', async t => {
  const { tickets, clock } = await build(t, { reuse: true })
  const { ticket } = await tickets.issue('alice', { claims: { n: 1 } })
  const first = await tickets.redeem(ticket)
  t.ok(first)
  if (first !== null) first.claims.n = 2
  t.same((await tickets.redeem(ticket))?.claims, { n: 1 }, 'redeemers share no object')
  const single = await tickets.issue('alice', { reuse: false })
  t.ok(await tickets.redeem(single.ticket))
  t.equal(await tickets.redeem(single.ticket), null, 'the issuer may still ask for single use')
  clock.now += 30_000
  t.equal(await tickets.redeem(ticket), null, 'until it expires')
})

t.test('another audience neither gets the ticket nor uses it up', async t => {
  const { tickets } = await build(t, { audience: 'chat' })
  const { ticket } = await tickets.issue('alice', { audience: 'admin' })
  t.equal(await tickets.redeem(ticket), null, 'the default audience is another')
  t.equal(await tickets.redeem(ticket, { audience: 'chat' }), null)
  t.match(await tickets.redeem(ticket, { audience: 'admin' }), { subject: 'alice' })
})

t.test('a wrong Origin or address uses the ticket up', async t => {
  const { tickets } = await build(t)
  const bound = { origin: 'https://example.com', ip: '2001:db8::1' }
  const cases: Array<[object, boolean]> = [
    [bound, true],
    [{ ...bound, ip: '2001:db8::ffff' }, true],
    [{ ...bound, ip: '2001:db8:0:0::/64' }, true],
    [{ ...bound, ip: '2001:db8:0:1::1' }, false],
    [{ ...bound, origin: 'https://example.com.evil' }, false],
    [{ origin: bound.origin }, false],
    [{ ip: bound.ip }, false],
    [{}, false]
  ]
  for (const [context, good] of cases) {
    const { ticket } = await tickets.issue('alice', bound)
    t.equal(await tickets.redeem(ticket, context) !== null, good, JSON.stringify(context))
    t.equal(await tickets.redeem(ticket, bound), null, 'used up')
  }
  const { ticket } = await tickets.issue('alice')
  t.ok(await tickets.redeem(ticket, bound), 'an unbound ticket is good anywhere')
})

t.test('an IPv4 address and its IPv6 form are one', async t => {
  const { tickets } = await build(t)
  const { ticket } = await tickets.issue('alice', { ip: '::ffff:192.0.2.1' })
  t.ok(await tickets.redeem(ticket, { ip: '192.0.2.1' }))
})

t.test('revoke', async t => {
  const { tickets } = await build(t)
  const [a, b, c] = [await tickets.issue('alice'), await tickets.issue('alice', { audience: 'x' }), await tickets.issue('bob')]
  t.equal(await tickets.revoke('alice'), 2)
  t.equal(await tickets.redeem(a.ticket), null)
  t.equal(await tickets.redeem(b.ticket, { audience: 'x' }), null)
  t.match(await tickets.redeem(c.ticket), { subject: 'bob' })
  await t.rejects(tickets.revoke({ $ne: '' } as unknown as string), { code: 'WSA_TICKET_ERR_ARGUMENT' })
})

t.test('garbage is answered with null and never reaches the store', async t => {
  const asked: unknown[] = []
  const { tickets } = await build(t, { store: storeWith({ take: hash => { asked.push(hash); return null } }) })
  const good = 'x'.repeat(43)
  const garbage = ['', 'x'.repeat(42), 'x'.repeat(44), `${'x'.repeat(42)}=`, `${good}\n`, ` ${good}`, [good], { $gt: '' }, null, undefined, 1]
  for (const ticket of garbage) t.equal(await tickets.redeem(ticket as string), null, JSON.stringify(ticket))
  t.equal(await tickets.redeem(good, { audience: { $gt: '' } as unknown as string }), null, 'no operator gets into a filter')
  t.same(asked, [])
  t.equal(await tickets.redeem(good), null)
  t.equal(asked.length, 1)
})

t.test('a wrong argument of issue', async t => {
  const { tickets } = await build(t)
  const circular: Record<string, unknown> = {}
  circular.self = circular
  const cases: Array<[unknown, object, RegExp]> = [
    ['', {}, /subject: /],
    [undefined, {}, /subject: /],
    [{ $gt: '' }, {}, /subject: /],
    ['alice', { ttl: 0 }, /ttl: /],
    ['alice', { ttl: 900_001 }, /ttl: /],
    ['alice', { ttl: NaN }, /ttl: /],
    ['alice', { ttl: 1.5 }, /ttl: /],
    ['alice', { claims: null }, /claims: Expected an object/],
    ['alice', { claims: ['admin'] }, /claims: /],
    ['alice', { claims: 'admin' }, /claims: /],
    ['alice', { claims: circular }, /claims: cannot be written/],
    ['alice', { claims: { n: 1n } }, /claims: cannot be written/],
    ['alice', { audience: '' }, /audience: /],
    ['alice', { origin: '' }, /origin: /],
    ['alice', { ip: 1 }, /ip: /],
    ['alice', { reuse: 1 }, /reuse: /],
    ['alice', { audiance: 'chat' }, /audiance: /]
  ]
  for (const [subject, options, message] of cases) {
    await t.rejects(tickets.issue(subject as string, options), { code: 'WSA_TICKET_ERR_ARGUMENT', statusCode: 500, message }, String(message))
  }
})

t.test('the store gets a hash and the record, never the ticket', async t => {
  const kept: Array<[string, TicketRecord, number]> = []
  const store = storeWith({ put: (...args) => { kept.push(args) } })
  const { tickets, clock } = await build(t, { store })
  const { ticket } = await tickets.issue('alice', { ip: '2001:db8::1', origin: 'https://example.com', claims: { n: 1 }, ttl: 5_000 })
  t.match(kept[0]?.[0], /^[\w-]{43}$/)
  t.same(kept[0]?.slice(1), [{
    subject: 'alice',
    audience: 'websocket',
    claims: '{"n":1}',
    expiresAt: clock.now + 5_000,
    reuse: false,
    origin: 'https://example.com',
    ip: '2001:db8:0:0::/64',
    requestedAt: kept[0]?.[1].requestedAt
  }, 5_000])
  t.ok(Math.abs(kept[0]?.[1].requestedAt as number - Date.now()) < 60_000)
  t.notMatch(JSON.stringify(kept), ticket)
})

t.test('a store that answers at once may have the hash as well', async t => {
  const hashes: string[] = []
  const store = storeWith({ put: hash => { if (hashes.push(hash) === 1) throw new WSA_TICKET_ERR_DUPLICATE() } })
  const { tickets } = await build(t, { store })
  t.match(await tickets.issue('alice'), { expiresIn: 30 })
  t.equal(new Set(hashes).size, 2)
})

t.test('if the store has the hash already, another ticket is tried, once', async t => {
  for (const collisions of [1, 2]) {
    const hashes: string[] = []
    const store = storeWith({
      put: async hash => {
        if (hashes.push(hash) <= collisions) throw new WSA_TICKET_ERR_DUPLICATE()
      }
    })
    const { tickets } = await build(t, { store })
    if (collisions === 1) t.ok(await tickets.issue('alice'))
    else await t.rejects(tickets.issue('alice'), { code: 'WSA_TICKET_ERR_DUPLICATE' })
    t.equal(new Set(hashes).size, 2)
  }
})

t.test('200 parallel redemptions give one success', async t => {
  const { tickets } = await build(t, { store: new MemoryStore() })
  const { ticket } = await tickets.issue('alice')
  const redeemed = await Promise.all(Array.from({ length: 200 }, () => tickets.redeem(ticket)))
  t.equal(redeemed.filter(Boolean).length, 1)
})

t.test('isUnknown is true only if it is certain that there is no such ticket', async t => {
  const { tickets } = await build(t)
  const { ticket } = await tickets.issue('alice', { audience: 'elsewhere' })
  t.equal(tickets.isUnknown(ticket), false, 'whatever the audience')
  t.equal(tickets.isUnknown('x'.repeat(43)), true)
  t.equal(tickets.isUnknown('x'), true, 'malformed')
  await tickets.redeem(ticket, { audience: 'elsewhere' })
  t.equal(tickets.isUnknown(ticket), true, 'used')

  const remote = await build(t, { store: storeWith({}) })
  t.equal(remote.tickets.isUnknown('x'.repeat(43)), false, 'the store would have to be asked')

  const store = new MemoryStore()
  store.close()
  t.equal(store.has('x'), true, 'a closed store leaves the error to take()')
})

t.test('redeemNow returns and throws synchronously when the store does', async t => {
  const { tickets } = await build(t)
  const { ticket } = await tickets.issue('alice')
  t.match(tickets.redeemNow(ticket), { subject: 'alice' })
  t.equal(tickets.redeemNow(ticket), null)
  const broken = await build(t, { store: storeWith({ take: () => { throw new Error('broken') } }) })
  t.throws(() => broken.tickets.redeemNow('x'.repeat(43)), { code: 'WSA_TICKET_ERR_UNAVAILABLE' })
  const remote = await build(t, { store: storeWith({ take: async () => null }) })
  t.equal(await remote.tickets.redeemNow('x'.repeat(43)), null)
})

t.test('a question to the store is counted until it is answered or given up', async t => {
  // A deadline does not keep the process alive.
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => clearInterval(alive))
  const events: string[] = []
  const pending: Array<(record: TicketRecord | null) => void> = []
  const store = storeWith({ take: async () => await new Promise<TicketRecord | null>(resolve => pending.push(resolve)) })
  const settings = { store, audience: 'here', ttl: 1_000, reuse: false, storeTimeout: 20, now: Date.now }
  const tickets = new Tickets(settings, { begin: () => { events.push('begin') }, end: () => { events.push('end') } })
  const answered = tickets.redeem('x'.repeat(43))
  t.same(events, ['begin'])
  pending[0]?.(null)
  t.equal(await answered, null)
  t.same(events, ['begin', 'end'])
  await t.rejects(tickets.redeem('x'.repeat(43)), { code: 'WSA_TICKET_ERR_UNAVAILABLE' }, 'a store that is late')
  t.same(events, ['begin', 'end', 'begin', 'end'])

  const memory = new Tickets({ ...settings, store: new MemoryStore() }, { begin: () => t.fail('a synchronous answer is not counted'), end: () => {} })
  t.equal(await memory.redeem('x'.repeat(43)), null)
})
