import t from 'tap'
import { EventEmitter } from 'node:events'
import {
  beganAt, fromWallTime, isMeant, isMeantForGood, logoutCode, noteBegin, noteEarlierBegin, noteFinalCodes, noteUpgrades, type OrderTarget,
  RecentOrders, recentOrdersOf, sessionOf, toWallTime
} from '../src/index.js'

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
  t.match(orders.find({ subject: 'alice' }, 0), { code: 1013, reason: 'try again' }, 'the oldest ones are dropped, and may have meant anybody')
  t.match(orders.find({ subject: 'bob' }, 95_000), { code: 1013 })
  t.equal(orders.find({ subject: 'bob' }, 95_001), undefined)
  t.match(orders.find({ subject: 'user 0' }, 95_001), out)
  t.notOk(orders.overflowed, 'nobody who comes later is let in for it')
})

t.test('too many sessions that were ended', async t => {
  let now = 1_000
  const orders = new RecentOrders(() => now)
  orders.keepFor(0, 0, 1_000)
  const end = (from: number, to: number): void => {
    for (let number = from; number < to; number++) orders.add({ session: `s${number}` }, out)
  }
  const isOut = (number: number): boolean => orders.find({ subject: 'alice', claims: { sid: `s${number}` } }, now + 1) !== undefined
  end(0, 100_000)
  t.notOk(orders.overflowed)
  t.ok(isOut(0))
  orders.keepFor(0, 0, 100_001)
  end(100_000, 100_001)
  t.notOk(orders.overflowed, 'more are wanted')
  t.ok(isOut(0))
  end(100_001, 100_002)
  t.ok(orders.overflowed)
  t.notOk(isOut(0))
  t.ok(isOut(1))
  now += 24 * 3_600_000 - 1
  t.ok(orders.overflowed)
  now++
  t.notOk(orders.overflowed, 'it would have been over by now')
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

t.test('a plugin that knows no WebSocket server leaves it to the next one, and a second server is noted as well', async t => {
  const [server, first, second] = [new EventEmitter(), new EventEmitter(), new EventEmitter()]
  for (const websocketServer of [undefined, first, second, undefined, first]) noteUpgrades(server, websocketServer)
  t.equal(server.listenerCount('upgrade'), 1)
  const request = {}
  server.emit('upgrade', request)
  for (const websocketServer of [first, second]) {
    t.equal(websocketServer.listenerCount('connection'), 1)
    const socket = {}
    websocketServer.emit('connection', socket, request)
    t.equal(beganAt(socket), beganAt(request))
  }
})

t.test('one name for the session', async t => {
  for (const [claims, wanted] of [[{ sid: 's' }, 's'], [{ sid: '' }, undefined], [{ sid: 1 }, undefined], [{}, undefined], [undefined, undefined]] as const) {
    t.equal(sessionOf(claims), wanted, JSON.stringify(claims))
  }
  t.equal(sessionOf({ session_id: 's', sid: 'x' }, 'session_id'), 's')
  t.equal(sessionOf({}, 'constructor'), undefined)

  const orders = new RecentOrders(() => 1_000)
  const others = new RecentOrders(() => 1_000, orders)
  t.equal(orders.sessionClaim, 'sid')
  t.ok(orders.nameSession(undefined))
  t.ok(orders.nameSession('session_id'))
  t.ok(orders.nameSession('session_id'), 'by another plugin')
  t.notOk(orders.nameSession('sid'), 'another name')
  t.strictSame([orders.sessionClaim, others.sessionClaim], ['session_id', 'session_id'])
  const who = { subject: 'alice', claims: { session_id: 's', sid: 'x' } }
  for (const list of [orders, others]) {
    list.add({ session: 's' }, { reason: 'out' })
    t.match(list.find(who, 900), { target: { session: 's' }, code: undefined })
    t.equal(list.find(who, 1_001) !== undefined, list === orders, 'for good, unless beside others')
    t.ok(list.isMeant({ session: 's' }, who))
    t.notOk(list.isMeant({ session: 'x' }, who))
    t.ok(list.isMeantForGood({ session: 's' }, who))
    t.notOk(list.isMeantForGood({ session: 'x' }, who))
  }
  t.ok(isMeant({ subject: 'alice', session: 's' }, { subject: 'alice', claims: { sid: 1 } }), 'a claim that is no text is no session')
})

t.test('an order that had no effect is forgotten', async t => {
  const orders = new RecentOrders(() => 1_000)
  const [first, second, third] = [orders.add({ subject: 'alice' }, out), orders.add({ subject: 'alice' }, out), orders.add({ session: 's' }, out)]
  for (let time = 0; time < 2; time++) orders.delete(first)
  t.equal(orders.find({ subject: 'alice' }, 0), second)
  orders.delete(second)
  orders.delete(third)
  t.equal(orders.find({ subject: 'alice', claims: { sid: 's' } }, 0), undefined)
  t.equal(orders.size, 0)
})

t.test('whether all is remembered that may count', async t => {
  let now = 100_000
  const orders = new RecentOrders(() => now)
  t.ok(orders.remembers(40_000))
  t.notOk(orders.remembers(39_999), 'longer ago than orders are kept')
  orders.keepFor(90_000)
  t.ok(orders.remembers(10_000))
  orders.add({ subject: 'alice' }, { ...out, given: 50_000 })
  for (let number = 0; number < 100_000; number++) orders.add({ subject: `user ${number}` }, out)
  t.notOk(orders.remembers(50_000), 'one was dropped')
  t.ok(orders.remembers(50_001))
  now += 90_001
  orders.add({ subject: 'alice' }, out)
  t.equal(orders.size, 1)
  t.ok(orders.remembers(now), 'what is over is not missed')
})

t.test('what has begun before an upgrade', async t => {
  const [server, websocketServer] = [new EventEmitter(), new EventEmitter()]
  noteUpgrades(server, websocketServer)
  const [request, socket, proof] = [{}, {}, { subject: 'alice' }]
  noteEarlierBegin(request, 0)
  t.equal(beganAt(request), undefined, 'no upgrade')
  server.emit('upgrade', request)
  const began = beganAt(request) as number
  noteEarlierBegin(request, began + 1)
  t.equal(beganAt(request), began)
  noteEarlierBegin(request, began - 10)
  websocketServer.emit('connection', socket, request)
  t.equal(beganAt(socket), began - 10)
  noteBegin(proof, 7)
  t.equal(beganAt(proof), 7)
  t.strictSame(proof, { subject: 'alice' })
  t.strictSame(Reflect.ownKeys({ ...proof }), ['subject'])
})

t.test('a time of this process, for others', async t => {
  const now = performance.now()
  t.ok(Math.abs(toWallTime(now) - Date.now()) < 1_000)
  for (const time of [0, now, now + 0.25]) t.ok(Math.abs(fromWallTime(toWallTime(time)) - time) < 0.01)
  const [first, second] = [toWallTime(now), toWallTime(now + 0.5)]
  t.ok(Math.abs(second - first - 0.5) < 0.01, 'distances stay')
  const { now: real } = Date
  t.intercept(Date, 'now', { value: () => real() + 3_600_000 })
  // Unless the process is interrupted right here: then it looks again the next time.
  while (toWallTime(performance.now()) - real() < 3_000_000) await new Promise(resolve => setImmediate(resolve))
  t.ok(Math.abs(toWallTime(performance.now()) - Date.now()) < 1_000, 'the clock was set')
})

t.test('the code of a logout', async t => {
  for (const [final, code] of [[undefined, 4403], [[], 4403], [[4403], 4403], [[4410], 4410], [[1, 4410], 4410]] as const) {
    const socket = {}
    noteFinalCodes(socket, final)
    t.equal(logoutCode(socket), code)
  }
})

t.test('without a hub, sessions that have to be forgotten are logged once', t => {
  const lines: unknown[][] = []
  const log = { warn: (...line: unknown[]): void => { lines.push(line) } }
  const orders = new RecentOrders(() => 1_000)
  for (let index = 0; index < 100_000; index++) orders.refuse({ session: `s${index}` }, log)
  t.same(lines, [])
  for (let index = 0; index < 3; index++) orders.refuse({ session: `t${index}` }, log)
  t.match(lines, [[{ limit: 100_000 }, /forgotten/]])
  t.equal(lines.length, 1)
  t.ok(orders.overflowed)
  t.match(orders.find({ subject: 'alice' }, 1_000), { isForgotten: true })
  t.match(orders.find({ subject: 'alice', claims: { sid: 't1' } }, 1_001), { isForgotten: false })
  t.end()
})
