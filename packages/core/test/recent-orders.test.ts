import t from 'tap'
import { EventEmitter } from 'node:events'
import { beganAt, isMeant, isMeantForGood, noteUpgrades, type OrderTarget, RecentOrders, recentOrdersOf } from '../src/index.js'

const out = { code: 4403, reason: 'out' }

t.test('whom an order means', async t => {
  const who = { subject: 'alice', claims: { sid: 's', jti: 'j', role: 'admin', none: null } }
  const bare = { subject: 'alice' }
  const cases: Array<[target: OrderTarget, who: boolean, bare: boolean, good: boolean]> = [
    [{ subject: 'alice' }, true, true, false],
    [{ subject: 'bob' }, false, false, false],
    [{ session: 's' }, true, false, true],
    [{ session: 'other' }, false, false, false],
    [{ tokenId: 'j' }, true, false, true],
    [{ tokenId: 'other' }, false, false, false],
    [{ subject: 'alice', session: 's' }, true, true, true],
    [{ subject: 'bob', session: 's' }, false, false, false],
    [{ subject: 'alice', session: 'other' }, false, true, false],
    [{ session: 's', tokenId: 'other' }, false, false, false],
    [{ where: { role: 'admin' } }, true, false, false],
    [{ where: { role: 'admin', none: null } }, true, false, false],
    [{ where: { role: 'user' } }, false, false, false],
    [{ where: { constructor: 'x' } }, false, false, false]
  ]
  for (const [target, wanted, wantedBare, good] of cases) {
    t.strictSame([isMeant(target, who), isMeant(target, bare), isMeantForGood(target, who)], [wanted, wantedBare, good], JSON.stringify(target))
  }
})

t.test('who began before is refused, for as long as somebody may be on the way', async t => {
  let now = 1_000
  const orders = new RecentOrders(() => now)
  t.equal(orders.find({ subject: 'alice' }, 0), undefined)
  const targets: OrderTarget[] = [
    { subject: 'alice' }, { session: 's' }, { tokenId: 'j' }, { where: { role: 'admin' } }, { subject: 'bob', session: 's1' }
  ]
  for (const target of targets) orders.add(target, out)
  const people = [
    { subject: 'alice' }, { subject: 'x', claims: { sid: 's' } }, { subject: 'x', claims: { jti: 'j' } },
    { subject: 'x', claims: { role: 'admin' } }, { subject: 'bob', claims: { sid: 's1' } }
  ]
  const found = (began: number) => people.map(who => targets.indexOf(orders.find(who, began)?.target as OrderTarget))
  t.strictSame(found(900), [0, 1, 2, 3, 4])
  t.strictSame(found(1_000), [0, 1, 2, 3, 4], 'at the same time')
  t.strictSame(found(1_001), [-1, 1, 2, -1, 4], 'later: by session or token alone')
  t.equal(orders.find({ subject: 'carol', claims: { sid: 'x', jti: 'x' } }, 0), undefined)
  orders.keepFor(120_000, 1_000)
  now += 60_001
  t.strictSame(found(900), [0, 1, 2, 3, 4], 'somebody takes two minutes')
  now += 60_000
  t.strictSame(found(900), [-1, 1, 2, -1, 4])
  t.equal(orders.size, 3)
  now += 24 * 3_600_000
  t.equal(orders.find({ subject: 'bob', claims: { sid: 's1' } }, 0), undefined)
  t.equal(orders.size, 0)
})

t.test('an order that comes late, and too many orders', async t => {
  const orders = new RecentOrders(() => 100_000)
  orders.add({ subject: 'alice' }, { ...out, given: 90_000 })
  orders.add({ subject: 'alice' }, { ...out, given: 95_000 })
  t.equal(orders.find({ subject: 'alice' }, 91_000)?.given, 95_000)
  t.equal(orders.find({ subject: 'alice' }, 96_000), undefined)
  for (let number = 0; number < 100_000; number++) orders.add({ subject: `user ${number}` }, out)
  t.equal(orders.size, 100_000)
  t.equal(orders.find({ subject: 'alice' }, 0), undefined, 'the oldest ones are dropped')
  t.ok(orders.find({ subject: 'user 0' }, 0))
})

t.test('the plugins on a server share its orders, and know when an upgrade began', async t => {
  const [server, websocketServer] = [new EventEmitter(), new EventEmitter()]
  t.equal(recentOrdersOf(server), recentOrdersOf(server))
  t.not(recentOrdersOf(server), recentOrdersOf(websocketServer))
  recentOrdersOf(server).add({ subject: 'alice' }, out)
  t.equal(recentOrdersOf(server).find({ subject: 'alice' }, performance.now() + 1), undefined, 'it has begun since')
  for (let time = 0; time < 2; time++) noteUpgrades(server, websocketServer)
  t.equal(server.listenerCount('upgrade'), 1)
  const [request, socket, other] = [{}, {}, {}]
  const before = performance.now()
  server.emit('upgrade', request)
  websocketServer.emit('connection', socket, request)
  t.ok(beganAt(request) as number >= before)
  t.equal(beganAt(socket), beganAt(request))
  websocketServer.emit('connection', other, {})
  t.equal(beganAt(other), undefined)
  noteUpgrades(new EventEmitter(), undefined)
})
