// Takes long: it starts hundreds of applications.
import t, { type Test } from 'tap'
import { beganAt, type OrderTarget, recentOrdersOf, toWallTime } from '@fastify-airlock/core'
import type { FastifyInstance } from 'fastify'
import {
  type IssueOptions, MemoryStore, type RevokeTarget, type TicketRecord, type TicketStore, type WsTicketsOptions
} from '../src/index.js'
import { Tickets } from '../src/tickets.js'
import { bare, build } from './helpers.js'

/** Where a request for a ticket, or its ticket, may be when somebody logs out. The test lets it go on after that. */
const STEPS = [
  'before authenticate', 'in trusted', 'in claims', 'before the store has it', 'once the store has it', 'after the answer', 'before the store gives it',
  'once the store has given it'
] as const

type Step = typeof STEPS[number]

/** Stops who comes to a step. */
class Gate {
  step: Step | null = null
  #arrive: () => void = () => {}
  #go: () => void = () => {}

  /** Resolves when somebody has come to the step. */
  arrival (step: Step): Promise<void> {
    this.step = step
    return new Promise(resolve => { this.#arrive = resolve })
  }

  async pass (step: Step): Promise<void> {
    if (this.step !== step) return
    this.step = null
    const open = new Promise<void>(resolve => { this.#go = resolve })
    this.#arrive()
    await open
  }

  open (): void {
    this.#go()
  }
}

/** A store that answers like a database. */
class SlowStore implements TicketStore {
  readonly #store = new MemoryStore()
  readonly #gate: Gate

  constructor (gate: Gate) {
    this.#gate = gate
  }

  get size (): number {
    return this.#store.size
  }

  async put (hash: string, record: TicketRecord, ttl: number): Promise<void> {
    await this.#gate.pass('before the store has it')
    this.#store.put(hash, record, ttl)
    await this.#gate.pass('once the store has it')
  }

  async take (hash: string, audience: string, now: number): Promise<TicketRecord | null> {
    await this.#gate.pass('before the store gives it')
    const record = this.#store.take(hash, audience, now)
    await this.#gate.pass('once the store has given it')
    return record
  }

  revoke (subject: string, session?: string): number { return this.#store.revoke(subject, session) }
  revokeSession (session: string): number { return this.#store.revokeSession(session) }
  remove (hash: string): void { this.#store.remove(hash) }
  close (): void { this.#store.close() }
}

// Methods that a store may lack.
class OldStore extends SlowStore {
  override remove = undefined as never
  override revokeSession = undefined as never
}

type TargetName = 'the subject' | 'the session' | 'the session alone' | 'the token' | 'another subject' | 'another session' | 'another session alone'

/** Whom a logout means, and whether that is the one who asks for a ticket, with a session and without. */
const TARGETS: Array<[name: TargetName, target: OrderTarget, withSession: boolean, without: boolean]> = [
  ['the subject', { subject: 'alice' }, true, true],
  ['the session', { subject: 'alice', session: 's1' }, true, true],
  ['the session alone', { session: 's1' }, true, false],
  ['the token', { subject: 'alice', tokenId: 'j1' }, true, true],
  ['another subject', { subject: 'bob' }, false, false],
  ['another session', { subject: 'alice', session: 's2' }, false, true],
  ['another session alone', { session: 's2' }, false, false]
]

async function start (t: Test, gate: Gate, store: TicketStore, options: WsTicketsOptions = {}): Promise<FastifyInstance> {
  const app = await build(t, {
    store,
    storeTimeout: 60_000,
    ...options,
    route: {
      jwt: { trusted: async () => { await gate.pass('in trusted'); return true } },
      hookTimeout: 60_000,
      claims: async () => { await gate.pass('in claims'); return {} },
      ...options.route
    }
  }, {}, async app => { app.addHook('onRequest', async () => { await gate.pass('before authenticate') }) })
  await app.ready()
  return app
}

const ask = async (app: FastifyInstance, claims: object) => await app.inject({
  method: 'POST', url: '/ws/ticket', headers: { authorization: `Bearer ${app.jwt.sign({ sub: 'alice', ...claims }, { expiresIn: 60 })}` }
})

/** Asks for a ticket, and redeems it, while somebody logs out in one of the steps. Resolves to what became of it. */
async function attempt (app: FastifyInstance, gate: Gate, step: Step, claims: object, logOut: () => unknown): Promise<string> {
  const atRequest = STEPS.indexOf(step) < STEPS.indexOf('after the answer')
  let arrival = atRequest ? gate.arrival(step) : null
  const asked = ask(app, claims)
  if (arrival !== null) {
    await Promise.race([arrival, asked])
    await logOut()
    gate.open()
  }
  const response = await asked
  if (response.statusCode !== 201) return `${response.statusCode} ${response.json().code}`
  if (step === 'after the answer') await logOut()
  arrival = step.includes('gives') || step.includes('given') ? gate.arrival(step) : null
  const redeemed = app.wsTickets.redeem(response.json().ticket)
  if (arrival !== null) {
    await arrival
    await logOut()
    gate.open()
  }
  return await redeemed === null ? 'not redeemed' : 'redeemed'
}

for (const [name, Store] of [['a store', SlowStore], ['a store of the version before', OldStore]] as const) {
  t.test(`${name}: who logs out meanwhile gets no ticket, or one that is good for nothing`, async t => {
    for (const how of ['revoke', 'order'] as const) {
      for (const reuse of [false, true]) {
        for (const [target, members, withSession, without] of TARGETS) {
          // A ticket knows no token, and the old store no session.
          if (how === 'revoke' && (target === 'the token' || (Store === OldStore && members.subject === undefined))) continue
          // The token is not in the claims of the ticket either.
          for (const [claims, isMeant] of [[{ sid: 's1' }, withSession], [{}, without]] as const) {
            for (const step of STEPS) {
              const gate = new Gate()
              const store = new Store(gate)
              const app = await start(t, gate, store, { reuse })
              const logOut = async (): Promise<void> => {
                if (how === 'order') recentOrdersOf(app.server).add(members, { reason: 'out' })
                else await app.wsTickets.revoke(members as RevokeTarget)
              }
              const atRequest = STEPS.indexOf(step) < STEPS.indexOf('after the answer')
              const label = `${how}, ${target}, ${JSON.stringify(claims)}, ${step}${reuse ? ', reusable' : ''}`
              const wanted = !isMeant ? 'redeemed' : atRequest ? '401 WSA_TICKET_ERR_REVOKED' : 'not redeemed'
              t.equal(await attempt(app, gate, step, claims, logOut), wanted, label)
              if (isMeant && (atRequest || how === 'revoke')) t.equal(store.size, 0, `${label}: nothing is left`)
              await app.close()
            }
          }
        }
      }
    }
  })
}

t.test('who signs in again gets tickets; by an ended session nobody does', async t => {
  const app = await start(t, new Gate(), new MemoryStore())
  const orders = recentOrdersOf(app.server)
  await app.wsTickets.revoke('alice')
  await app.wsTickets.revoke({ session: 's1' })
  orders.add({ subject: 'alice' }, { reason: 'out' })
  t.equal((await ask(app, { sid: 's1' })).statusCode, 201)
  orders.add({ subject: 'alice', session: 's1' }, { reason: 'out' })
  t.match(await ask(app, { sid: 's1' }), { statusCode: 401, headers: { 'cache-control': 'no-store' } })
  t.equal((await ask(app, { sid: 's2' })).statusCode, 201)
  t.equal((await ask(app, {})).statusCode, 201)
})

t.test('a request that takes longer than logouts are remembered is refused', async t => {
  const app = bare(t)
  const tickets = new Tickets({ store: new MemoryStore(), audience: 'here', ttl: 30_000, reuse: false, storeTimeout: 1_000, now: Date.now })
  await app.ready()
  await t.rejects(tickets.issue('alice', { requestedAt: Date.now() - 61_000 }), { code: 'WSA_TICKET_ERR_BUSY', statusCode: 503 })
  for (const requestedAt of [NaN, Infinity, '0' as never]) await t.rejects(tickets.issue('alice', { requestedAt }), { code: 'WSA_TICKET_ERR_ARGUMENT' })
  t.match(await tickets.issue('alice', { requestedAt: Date.now() - 10_000 }), { expiresIn: 30 })
  t.match(await tickets.issue('alice', { requestedAt: Date.now() + 10_000 }), { expiresIn: 30 }, 'another clock')
})

t.test('a ticket says when its request began, to those who ask', async t => {
  const store = new MemoryStore()
  const tickets = new Tickets({ store, audience: 'here', ttl: 30_000, reuse: false, storeTimeout: 1_000, now: Date.now })
  const before = performance.now()
  const { ticket } = await tickets.issue('alice', { session: 's1' })
  const after = performance.now()
  const redeemed = await tickets.redeem(ticket) as object
  const began = beganAt(redeemed) as number
  t.ok(began >= before - 0.01 && began <= after + 0.01, `${before} ${began} ${after}`)
  t.strictSame(Object.keys(redeemed), ['subject', 'claims', 'expiresAt'])
  t.match(redeemed, { claims: { sid: 's1' } })

  // By a node of the version before.
  const hash = (await import('../src/secret.js')).hashTicket('x'.repeat(43))
  store.put(hash, { subject: 'alice', audience: 'here', claims: '{}', expiresAt: Date.now() + 30_000, reuse: false, origin: null, ip: null }, 30_000)
  const old = await tickets.redeem('x'.repeat(43)) as object
  t.ok(beganAt(old) as number >= after, 'not known: the redemption')
})

t.test('a ticket that nobody got stays a secret when the store fails', async t => {
  const gate = new Gate()
  class Failing extends SlowStore {
    override remove (): never { throw new Error('away') }
  }
  const app = await start(t, gate, new Failing(gate))
  const logOut = (): void => { recentOrdersOf(app.server).add({ subject: 'alice' }, { reason: 'out' }) }
  t.equal(await attempt(app, gate, 'before the store has it', {}, logOut), '401 WSA_TICKET_ERR_REVOKED')
})

t.test('a revocation that fails has no effect', async t => {
  class Failing extends MemoryStore {
    override revoke (): never { throw new Error('away') }
  }
  const { wsTickets } = await build(t, { store: new Failing() })
  const { ticket } = await wsTickets.issue('alice')
  await t.rejects(wsTickets.revoke('alice'), { code: 'WSA_TICKET_ERR_UNAVAILABLE' })
  t.ok(await wsTickets.redeem(ticket))
})

t.test('whose tickets to revoke has to be clear', async t => {
  const store = new MemoryStore()
  const { wsTickets } = await build(t, { store })
  await wsTickets.issue('alice', { session: 's1' })
  for (const target of ['', undefined, null, 1, {}, { subject: '' }, { subject: 'alice', session: '' }, { session: 1 }, { subject: 'alice', sesion: 's1' }, []]) {
    await t.rejects(wsTickets.revoke(target as string), { code: 'WSA_TICKET_ERR_ARGUMENT' }, JSON.stringify(target))
  }
  t.equal(store.size, 1)
  const { wsTickets: old } = await build(t, { store: new OldStore(new Gate()) })
  await t.rejects(old.revoke({ session: 's1' }), { code: 'WSA_TICKET_ERR_ARGUMENT', message: /revokeSession/ })
  t.equal(await wsTickets.revoke({ session: 's1' }), 1)
  await wsTickets.issue('alice', { session: 's1' })
  t.equal(await wsTickets.revoke({ subject: 'alice' }), 1)
})

t.test('where the session of a ticket comes from', async t => {
  const signIn = (user: object | null): WsTicketsOptions['route'] => ({ authenticate: async request => { Object.assign(request, { user }) } })
  const cases: Array<[name: string, options: WsTicketsOptions, jwt: object, session: unknown, claims: object]> = [
    ['the claim sid', {}, { sid: 's1' }, 's1', { sid: 's1' }],
    ['none', {}, {}, undefined, {}],
    ['no text', {}, { sid: 7 }, undefined, {}],
    ['empty', {}, { sid: '' }, undefined, {}],
    ['another name', { sessionClaim: 'session_id' }, { sid: 's1', session_id: 's2' }, 's2', { session_id: 's2' }],
    ['a name that is a prototype\'s', { sessionClaim: 'constructor' }, {}, undefined, {}],
    ['the application\'s user', { route: signIn({ sub: 'alice', sid: 's3' }) as object }, {}, 's3', { sid: 's3' }],
    ['the application\'s subject', { route: { ...signIn(null) as object, subject: () => 'alice' } }, {}, undefined, {}],
    ['claims of the application', { route: { claims: () => ({ role: 'a', sid: 's4' }) } }, { sid: 's1' }, 's4', { role: 'a', sid: 's4' }],
    ['claims without one', { route: { claims: async () => ({ role: 'a' }) } }, { sid: 's1' }, 's1', { role: 'a', sid: 's1' }],
    ['a function', { route: { session: () => 's5', claims: () => ({ sid: 's4' }) } }, { sid: 's1' }, 's5', { sid: 's5' }],
    ['a function that knows none', { route: { session: () => undefined } }, { sid: 's1' }, undefined, {}],
    ['a function that promises', { route: { session: (async () => { throw new Error('late') }) as never } }, { sid: 's1' }, undefined, {}],
    ['a token whose claims formatUser leaves out', { route: { jwt: { formatUser: () => ({ name: 'Alice' }) } } }, { sid: 's1' }, 's1', { sid: 's1' }]
  ]
  for (const [name, options, jwt, session, claims] of cases) {
    const kept: TicketRecord[] = []
    class Store extends MemoryStore {
      override put (hash: string, record: TicketRecord, ttl: number): void {
        kept.push(record)
        super.put(hash, record, ttl)
      }
    }
    const app = await build(t, { store: new Store(), ...options })
    const response = await ask(app, jwt)
    t.equal(response.statusCode, 201, name)
    t.equal(kept[0]?.session, session, `${name}: in the store`)
    t.match(await app.wsTickets.redeem(response.json().ticket), { claims }, `${name}: in the claims`)
    t.strictSame(JSON.parse(kept[0]?.claims as string), claims)
    await app.close()
  }
})

t.test('issue() takes the session by itself, or from the claims', async t => {
  const { wsTickets } = await build(t, {})
  const cases: Array<[options: IssueOptions, session: string | undefined]> = [
    [{}, undefined], [{ session: 's1' }, 's1'], [{ claims: { sid: 's2' } }, 's2'], [{ session: 's1', claims: { sid: 's2', role: 'a' } }, 's1'], [{ claims: { sid: 7 } }, undefined]
  ]
  for (const [options, session] of cases) {
    const { ticket } = await wsTickets.issue('alice', options)
    t.equal(await wsTickets.revoke({ session: 's3' }), 0)
    t.equal(await wsTickets.revoke({ session: session ?? 's4' }), session === undefined ? 0 : 1, JSON.stringify(options))
    t.equal(await wsTickets.redeem(ticket) === null, session !== undefined)
  }
  for (const session of ['', 1, null]) await t.rejects(wsTickets.issue('alice', { session: session as string }), { code: 'WSA_TICKET_ERR_ARGUMENT' })
})

t.test('all plugins on a server have one name for the session', async t => {
  const app = bare(t)
  recentOrdersOf(app.server).nameSession('session_id')
  const { default: wsTickets } = await import('../src/index.js')
  await t.rejects(async () => { await app.register(wsTickets, { route: false, sessionClaim: 'sid' }) }, { code: 'WSA_TICKET_ERR_OPTION', message: /told session_id/ })
  const other = bare(t)
  recentOrdersOf(other.server).nameSession('session_id')
  await other.register(wsTickets, { route: false, sessionClaim: 'session_id' })
  await other.wsTickets.issue('alice', { claims: { session_id: 's1', sid: 's2' } })
  t.equal(await other.wsTickets.revoke({ session: 's2' }), 0)
  t.equal(await other.wsTickets.revoke({ session: 's1' }), 1)
})

t.test('who may be meant by an order that was forgotten gets 503, and may try again', async t => {
  const gate = new Gate()
  const app = await start(t, gate, new MemoryStore())
  const orders = recentOrdersOf(app.server)
  const forget = (): void => { for (let index = 0; index <= 100_000; index++) orders.add({ subject: `u${index}` }, { reason: 'out' }) }
  const { ticket } = await app.wsTickets.issue('alice')
  forget()
  await t.rejects(app.wsTickets.redeem(ticket), { code: 'WSA_TICKET_ERR_BUSY', statusCode: 503 })
  await t.rejects(app.wsTickets.issue('alice', { requestedAt: toWallTime(performance.now() - 10_000) }), { code: 'WSA_TICKET_ERR_BUSY' })
  orders.add({ subject: 'alice' }, { reason: 'out' })
  const again = await app.wsTickets.issue('alice')
  orders.add({ subject: 'alice' }, { reason: 'out' })
  t.equal(await app.wsTickets.redeem(again.ticket), null, 'one that is remembered is a refusal')
})
