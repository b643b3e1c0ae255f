import t from 'tap'
import { growth } from './calm.js'
import { type Connection, Ledger, type Ticket } from './ledger.js'
import { Outages } from './outages.js'
import { TICKET_LIFE } from './settings.js'

const ASKED = Date.now() - 60_000

function ticket (members: Partial<Ticket> = {}): Ticket {
  return { value: 'x', subject: 'alice', session: 's', issuer: 0, asked: ASKED, answered: ASKED + 10, presented: [], ...members }
}

const shown = (status: number, from = 100, node = 1) => ({ from: ASKED + from, to: ASKED + from + 10, status, node })

function connection (members: Partial<Connection> = {}): Connection {
  return { ticket: ticket(), node: 0, room: '1', isOpen: true, isReady: true, left: new Set(), last: new Map(), echoes: 0, ...members }
}

const pub = (n: number, node = '1.1', topic = 'room/1', at = ASKED + n * 100) => ({ node, topic, n, at })

/** What a ledger finds when all is not well, and what it lets pass. */
const CASES: Record<string, [act: (ledger: Ledger) => void, found: RegExp | null]> = {
  'a ticket, redeemed once': [ledger => ledger.settle(ticket({ presented: [shown(101), shown(401, 200)] })), null],
  'a ticket, redeemed twice': [ledger => ledger.settle(ticket({ presented: [shown(101), shown(101, 200)] })), /redeemed 2 times/],
  'a ticket, redeemed after its time': [ledger => ledger.settle(ticket({ presented: [shown(101, TICKET_LIFE + 10)] })), /redeemed \d+ ms after/],
  'a ticket, refused in its time': [ledger => ledger.settle(ticket({ presented: [shown(401)] })), /a ticket was lost/],
  'a ticket, refused after its time': [ledger => ledger.settle(ticket({ presented: [shown(401, TICKET_LIFE)] })), null],
  'a ticket that nobody could check': [ledger => ledger.settle(ticket({ presented: [shown(503)] })), null],
  'a ticket, refused while the store was away': [ledger => { ledger.outages.begin('store'); ledger.settle(ticket({ asked: Date.now(), presented: [{ ...shown(401), to: Date.now() }] })) }, null],
  'a ticket, refused while another node was away': [ledger => { ledger.outages.begin(2); ledger.settle(ticket({ asked: Date.now(), presented: [{ ...shown(401), to: Date.now() }] })) }, /lost/],
  'messages in order': [ledger => { const to = connection(); for (const n of [5, 6, 7]) ledger.message(to, pub(n)) }, null],
  'a message twice': [ledger => { const to = connection(); for (const n of [5, 5]) ledger.message(to, pub(n)) }, /twice, or out of order/],
  'messages out of order': [ledger => { const to = connection(); for (const n of [5, 4]) ledger.message(to, pub(n)) }, /twice, or out of order/],
  'a hole': [ledger => { const to = connection(); for (const n of [5, 7]) ledger.message(to, pub(n)) }, /1 missing, and nothing was away/],
  'a hole of the own node': [ledger => { ledger.outages.begin('bus'); const to = connection({ node: 1 }); for (const n of [5, 7]) ledger.message(to, pub(n, '1.1', 'room/1', Date.now())) }, /own node is missing/],
  'a hole while the bus was away': [ledger => { ledger.outages.begin('bus'); const to = connection(); for (const n of [5, 7]) ledger.message(to, pub(n, '1.1', 'room/1', Date.now())) }, null],
  'a hole while the node was away that sent it': [ledger => { ledger.outages.begin(1); const to = connection(); for (const n of [5, 7]) ledger.message(to, pub(n, '1.1', 'room/1', Date.now())) }, null],
  'a hole long after the bus was away': [ledger => { ledger.outages.begin('bus')(); const to = connection(); for (const n of [5, 7]) ledger.message(to, pub(n, '1.1', 'room/1', Date.now() + 60_000)) }, /nothing was away/],
  'a hole before the subscription': [ledger => { const to = connection({ isReady: false }); for (const n of [5, 7]) ledger.message(to, pub(n)) }, null],
  'another process of the node begins anew': [ledger => { const to = connection(); ledger.message(to, pub(5)); ledger.message(to, pub(0, '1.2')) }, null],
  'a message of a room that one is not in': [ledger => ledger.message(connection(), pub(1, '1.1', 'room/2')), /not in it/],
  'a message of a room that was taken away': [ledger => { const to = connection(); ledger.left(to, 'room/1'); ledger.message(to, pub(1)) }, /not in it/],
  'a message before auth_ok': [ledger => ledger.message(connection({ isOpen: false }), pub(1)), /before auth_ok/],
  'echoes in order': [ledger => { const to = connection(); ledger.echo(to, 0); ledger.echo(to, 1) }, null],
  'an echo that is missing': [ledger => { const to = connection(); ledger.echo(to, 0); ledger.echo(to, 2) }, /instead of 1/],
  'auth_ok twice': [ledger => ledger.opened(connection()), /twice/],
  'closed by an order that means somebody else': [ledger => { ledger.give({ subject: 'bob', giver: 0 }); ledger.ended(connection(), 4403, 'order 1') }, /does not mean/],
  'closed by an order for another session': [ledger => { ledger.give({ subject: 'alice', session: 'other', giver: 0 }); ledger.ended(connection(), 4403, 'order 1') }, /does not mean/],
  'closed by an order': [ledger => { ledger.give({ subject: 'alice', giver: 0 }); ledger.ended(connection(), 4403, 'order 1') }, null],
  'closed by an order that was over': [ledger => {
    ledger.answered(ledger.give({ subject: 'alice', giver: 0 }), { nodes: 3 }, 3)
    ledger.ended(connection({ ticket: ticket({ asked: Date.now() + 100 }) }), 4403, 'order 1')
  }, /began \d+ ms later/],
  'closed with 4403 by nobody': [ledger => ledger.ended(connection(), 4403, 'disconnected'), /by no order/]
}

for (const [name, [act, found]] of Object.entries(CASES)) {
  t.test(name, async t => {
    t.intercept(console, 'log', { value: () => {} })
    const ledger = new Ledger(new Outages())
    act(ledger)
    if (found === null) t.strictSame(ledger.violations, [])
    else t.match(ledger.violations, [found])
  })
}

t.test('an order is carried out when all whom it means have seen it, and it was answered', async t => {
  const ledger = new Ledger(new Outages())
  const [one, other] = [connection(), connection({ ticket: ticket({ subject: 'bob' }) })]
  for (const who of [one, other]) ledger.begin(who)
  t.equal(ledger.sessionOf('bob'), 's')
  t.equal(ledger.sessionOf('carol'), undefined)
  const order = ledger.give({ subject: 'alice', giver: 0 })
  t.strictSame([...order.waiting], [one])
  ledger.answered(order, { nodes: 3 }, 3)
  t.equal(ledger.openOrders.length, 1)
  ledger.ended(one, 1006, '')
  t.equal(ledger.openOrders.length, 0)
  t.match(ledger.orders, { given: 1, carriedOut: 1, onAllNodes: 1 })

  const evict = ledger.give({ subject: 'bob', topic: 'room/1', giver: 0 })
  ledger.left(other, 'room/1')
  t.equal(ledger.openOrders.length, 1, 'not answered yet')
  ledger.answered(evict, { nodes: 0 }, 3)
  ledger.answered(ledger.give({ subject: 'bob', giver: 0 }), null, 3)
  t.match(ledger.orders, { carriedOut: 2, left: 1, unanswered: 1 })
  t.equal(ledger.openOrders.length, 0)
})

t.test('growth is that of the first node, from a moment on', async t => {
  const calm = (at: number, heap: number) => ({ at, heap: [heap, 1], code: [], external: [], rss: [], descriptors: [] })
  t.equal(growth([calm(0, 1), calm(10, 100), calm(20, 130), calm(30, 110)], 10).toFixed(3), '0.100')
  t.equal(growth([calm(10, 100), calm(20, 300), calm(30, 102), calm(40, 104), calm(50, 105), calm(60, 106), calm(70, 107), calm(80, 107.1), calm(90, 1)], 10).toFixed(3), '0.049', 'one that came at a bad time does not count')
})
