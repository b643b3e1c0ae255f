// Runs alone: the audit trail is that of the whole process.
import { Trail, trailKey } from '@fastify-airlock/core'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { Recorder } from '../../../test/audit.js'
import { MemoryStore, type TicketStore, type WsTicketsOptions } from '../src/index.js'
import { hashTicket, ticketId } from '../src/secret.js'
import { build, signedIn, storeWith } from './helpers.js'

/** A store that answers like a database. */
function slow (store: TicketStore): TicketStore {
  return {
    put: async (...given) => { await store.put(...given) },
    take: async (...given) => await store.take(...given),
    revoke: async (...given) => await store.revoke(...given),
    close () {}
  }
}

async function start (t: Test, options: WsTicketsOptions = {}, prepare?: (app: FastifyInstance) => Promise<void>) {
  const recorder = new Recorder(t)
  const app = await build(t, options, {}, prepare)
  const post = async (payload: object = {}, headers: object = signedIn(app)) => {
    const response = await app.inject({ method: 'POST', url: '/ws/ticket', headers: { ...headers }, payload })
    return { status: response.statusCode, ticket: response.json().ticket as string }
  }
  return { recorder, app, post }
}

const ISSUED = { type: 'ticket.issued', subject: 'alice', code: null, reason: null }

for (const [name, store] of [['at once', () => new MemoryStore()], ['later', () => slow(new MemoryStore())]] as const) {
  t.test(`a ticket is issued, redeemed, and not redeemed, with a store that answers ${name}`, async t => {
    const { recorder, app } = await start(t, { store: store() })
    const { wsTickets } = app
    const { ticket, expiresAt } = await wsTickets.issue('alice', { session: 's1' })
    t.match(await recorder.take(1), [{ ...ISSUED, id: ticketId(ticket), session: 's1', audience: wsTickets.audience, expiresAt, route: null }])
    await wsTickets.redeem(ticket, { ip: '::ffff:192.0.2.1' })
    t.match(await recorder.take(1), [{ type: 'ticket.redeemed', id: ticketId(ticket), ticket: ticketId(ticket), subject: 'alice', session: 's1', address: '192.0.2.1' }])
    await wsTickets.redeem(ticket)
    const [again] = await recorder.take(1)
    t.match(again, { type: 'ticket.refused', ticket: ticketId(ticket), code: null, status: null, reason: /used/, subject: null })
    t.not(again?.id, ticketId(ticket))

    for (const [options, context, reason] of [
      [{ origin: 'https://a.test' }, { origin: 'https://b.test' }, 'the ticket is bound to another Origin'],
      [{ ip: '192.0.2.1' }, { ip: '192.0.2.2' }, 'the ticket is bound to another address']
    ] as const) {
      const { ticket } = await wsTickets.issue('alice', options)
      await wsTickets.redeem(ticket, context)
      const id = ticketId(ticket)
      t.match(await recorder.take(2), [ISSUED, { type: 'ticket.refused', id, ticket: id, reason, subject: 'alice', session: null }], 'it is used up')
    }
    for (const ticket of ['', 'short', 'x'.repeat(44), ['x'] as unknown as string]) {
      await wsTickets.redeem(ticket)
      t.match(await recorder.take(1), [{ type: 'ticket.refused', ticket: null, reason: 'it is no ticket' }])
    }
  })

  t.test(`a ticket that lets several in, with a store that answers ${name}`, async t => {
    const { recorder, app: { wsTickets } } = await start(t, { store: store() })
    const { ticket } = await wsTickets.issue('alice', { reuse: true })
    await wsTickets.redeem(ticket)
    await wsTickets.redeem(ticket)
    const [issued, one, two] = await recorder.take(3)
    t.equal(issued?.id, ticketId(ticket))
    t.match([one, two], [{ type: 'ticket.redeemed', ticket: issued?.id }, { type: 'ticket.redeemed', ticket: issued?.id }])
    t.equal(new Set([issued?.id, one?.id, two?.id]).size, 3, 'each connection has its own')
  })

  t.test(`who brings a trail reports the refusal, with a store that answers ${name}`, async t => {
    const { recorder, app: { wsTickets } } = await start(t, { store: store() })
    const trail = new Trail()
    await wsTickets.redeem('A'.repeat(43), { [trailKey]: trail } as object)
    t.match(trail, { ticket: ticketId('A'.repeat(43)), cause: /unknown/ })
    const options = { requestedAt: Date.now() - 120_000 }
    await t.rejects(wsTickets.issue('alice', { ...options, [trailKey]: trail } as object), { code: 'WSA_TICKET_ERR_BUSY' })
    t.same(recorder.events, [])
    await t.rejects(wsTickets.issue('alice', options), { code: 'WSA_TICKET_ERR_BUSY' })
    t.match(await recorder.take(1), [{ type: 'ticket.refused', code: 'WSA_TICKET_ERR_BUSY', status: null, subject: 'alice' }])
  })
}

t.test('the login ends before the ticket is used, and while it is issued', async t => {
  const memory = new MemoryStore()
  let revoke = async (): Promise<number> => 0
  const { recorder, app: { wsTickets } } = await start(t, {
    store: { ...slow(memory), take: async (...given) => { const record = memory.take(...given); await revoke(); return record } }
  })
  const { ticket } = await wsTickets.issue('alice')
  revoke = async () => await wsTickets.revoke('alice')
  t.equal(await wsTickets.redeem(ticket), null)
  t.match(await recorder.take(2), [ISSUED, { type: 'ticket.refused', id: ticketId(ticket), reason: /login has ended/, subject: 'alice' }])
})

t.test('a store that fails', async t => {
  const { recorder, post, app } = await start(t, { store: storeWith({ put: async () => { throw new Error('secret words') } }) })
  await t.rejects(app.wsTickets.issue('alice'), { code: 'WSA_TICKET_ERR_UNAVAILABLE' })
  t.match(await recorder.take(1), [{ type: 'ticket.refused', code: 'WSA_TICKET_ERR_UNAVAILABLE', reason: null, status: null, address: null }])
  t.equal((await post()).status, 503)
  t.match(await recorder.take(1), [{ type: 'ticket.refused', code: 'WSA_TICKET_ERR_UNAVAILABLE', status: 503, address: '127.0.0.1', route: '/ws/ticket', subject: 'alice' }])
  t.same(recorder.events, [], 'once')
})

t.test('the route says where the request came from, however the ticket is issued', async t => {
  for (const [options, replace] of [[{}, false], [{}, true], [{ route: { claims: async () => ({ sid: 's1' }) } }, false]] as const) {
    const { recorder, app, post } = await start(t, options)
    if (replace) {
      const { issue } = app.wsTickets
      app.wsTickets.issue = async (subject, options) => await issue(subject, options)
    }
    const { ticket } = await post()
    t.match(await recorder.take(1), [{ ...ISSUED, id: ticketId(ticket), address: '127.0.0.1', route: '/ws/ticket', session: 'route' in options ? 's1' : null }])
    t.equal((await post({ audience: 'elsewhere' })).status, 400)
    t.match(await recorder.take(1), [{ type: 'ticket.refused', code: 'WSA_TICKET_ERR_AUDIENCE', status: 400 }])
    t.equal((await post({}, {})).status, 401)
    t.match(await recorder.take(1), [{ type: 'ticket.refused', code: 'FST_JWT_NO_AUTHORIZATION_IN_COOKIE', status: 401, subject: null }])
    t.same(recorder.events, [])
  }
})

t.test('an error handler of the application changes nothing', async t => {
  for (const handle of [
    (_error: unknown, _request: unknown, reply: { code (status: number): { send (body: object): void } }) => { reply.code(402).send({ own: true }) },
    async (_error: unknown, _request: unknown, reply: { code (status: number): void }) => { reply.code(200); return { own: true } }
  ]) {
    const { recorder, post } = await start(t, {}, async app => { app.setErrorHandler(handle as never) })
    const { status } = await post({}, {})
    t.match(await recorder.take(1), [{ type: 'ticket.refused', code: 'FST_JWT_NO_AUTHORIZATION_IN_COOKIE', status }])
  }
})

t.test('nobody listens any more at the end of a request', async t => {
  const app = await build(t, { route: { authenticate: async () => { await gate; throw Object.assign(new Error('no'), { statusCode: 401 }) } } })
  let open = (): void => {}
  const gate = new Promise<void>(resolve => { open = resolve })
  let answer: Promise<{ statusCode: number }> | undefined
  await t.test('but at its begin', async t => {
    const recorder = new Recorder(t)
    answer = app.inject({ method: 'POST', url: '/ws/ticket' })
    await new Promise(resolve => setImmediate(resolve))
    t.same(recorder.events, [])
  })
  open()
  t.equal((await answer)?.statusCode, 401)
})

t.test('nothing leads back from an id', async t => {
  const ticket = 'A'.repeat(43)
  t.match(ticketId(ticket), /^[\w-]{16}$/)
  t.notOk(hashTicket(ticket).includes(ticketId(ticket)))
  t.equal(ticketId(ticket), ticketId(ticket))
  t.not(ticketId(ticket), ticketId('B'.repeat(43)))
})
