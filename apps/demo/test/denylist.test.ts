import type { HubBus } from '@fastify-airlock/hub'
import mqemitter from 'mqemitter'
import t, { type Test } from 'tap'
import { Denylist } from '../src/denylist.js'
import { begin } from '../src/session-claims.js'
import { DENYLIST_TOPIC, SharedDenylist } from '../src/shared-denylist.js'

const until = Date.now() + 900_000

t.test('revokes by sid, regardless of the other claims', async t => {
  const denylist = new Denylist()
  t.teardown(() => denylist.close())
  denylist.add({ sid: 'a', jti: 'b' }, until)
  t.ok(denylist.has({ sid: 'a', jti: 'c' }))
  t.notOk(denylist.has({ sid: 'b', jti: 'b' }))
  t.notOk(denylist.has({ jti: 'a' }), 'a sid is not taken for a jti')
  t.notOk(denylist.has({ jti: 'b' }))
})

t.test('revokes by jti if there is no sid', async t => {
  const denylist = new Denylist()
  t.teardown(() => denylist.close())
  denylist.add({ jti: 'a' }, until)
  t.ok(denylist.has({ jti: 'a', sub: 'alice' }))
  t.notOk(denylist.has({ jti: 'b' }))
})

t.test('revokes by all claims if there is neither', async t => {
  const denylist = new Denylist()
  t.teardown(() => denylist.close())
  const claims = { sub: 'alice', exp: 1 }
  denylist.add(claims, until)
  t.ok(denylist.has({ ...claims }))
  t.notOk(denylist.has({ ...claims, exp: claims.exp + 1 }))
  t.notOk(denylist.has({ ...claims, sub: 'bob' }))
})

t.test('forgets a session when its last token has expired', async t => {
  const denylist = new Denylist()
  t.teardown(() => denylist.close())
  const soon = Date.now() + 200
  denylist.add({ sid: 'a' }, soon)
  t.equal(denylist.size, 1)
  await untilTrue(() => denylist.size === 0)
  t.ok(Date.now() >= soon, 'not before')
})

t.test('the later end counts, in any order', async t => {
  const denylist = new Denylist()
  t.teardown(() => denylist.close())
  const soon = Date.now() + 200
  denylist.merge({ key: 'a', until: soon })
  denylist.merge({ key: 'a', until })
  denylist.merge({ key: 'b', until })
  denylist.merge({ key: 'b', until: soon })
  denylist.merge({ key: 'c', until: soon })
  await untilTrue(() => denylist.size === 2)
  t.strictSame(denylist.revocations, [{ key: 'a', until }, { key: 'b', until }])
})

t.test('all sessions of a user that began until then', async t => {
  const denylist = new Denylist()
  t.teardown(() => denylist.close())
  const now = Date.now()
  const before = begin({ id: 'alice', name: 'Alice', role: 'user' }, 60_000, now - 1)
  const after = begin({ id: 'alice', name: 'Alice', role: 'user' }, 60_000, now + 1)
  denylist.addUser('alice', until, now)
  denylist.addUser('alice', until, now - 1_000)
  const second = Math.floor(now / 1000)
  for (const [claims, ended] of [
    [before, true], [after, false], [{ sub: 'alice' }, true], [{ sub: 'alice', iat: second }, true], [{ sub: 'alice', iat: second + 1 }, false],
    [{ sub: 'alice', sid: 'x', auth_time: second + 1 }, false], [{ sub: 'alice', sid: 'x', auth_time: second, iat: second + 1 }, true],
    [{ ...before, sub: 'bob' }, false], [{}, false]
  ] as const) {
    t.equal(denylist.has(claims), ended, JSON.stringify(claims))
  }
  denylist.close()
  t.notOk(denylist.has(before))
})

t.test('the end of all sessions is forgotten with the last token, and not before a later one', async t => {
  const denylist = new Denylist()
  t.teardown(() => denylist.close())
  denylist.addUser('alice', Date.now() + 1, 1_000)
  denylist.addUser('bob', Date.now() + 1, 1_000)
  denylist.addUser('bob', until, 2_000)
  await untilTrue(() => denylist.size === 1)
  t.notOk(denylist.has({ sub: 'alice', iat: 1 }))
  t.ok(denylist.has({ sub: 'bob', iat: 2 }))
})

t.test('close forgets everything', async t => {
  const denylist = new Denylist()
  denylist.add({ jti: 'a' }, until)
  denylist.close()
  t.equal(denylist.size, 0)
})

const token = (jti: string) => ({ jti })

function share (t: Test, bus: HubBus, options: { isUp?: () => boolean, period?: number } = {}) {
  const denylist = new SharedDenylist({ bus, isUp: () => true, ...options })
  t.teardown(() => denylist.close())
  return denylist
}

async function untilTrue (condition: () => boolean) {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 5))
}

t.test('a revocation on one node reaches all nodes', async t => {
  const bus = mqemitter()
  const [one, two] = [share(t, bus), share(t, bus)]
  one.add(token('a'), until)
  await untilTrue(() => two.has(token('a')))
  two.add({ sub: 'alice' }, until)
  await untilTrue(() => one.has({ sub: 'alice' }))
  t.notOk(one.has({ sub: 'bob', iat: 1 }))
  t.strictSame(two.revocations, [{ key: 'a', until }, { key: '{"sub":"alice"}', until }])
  t.strictSame(one.revocations, two.revocations)
})

t.test('the end of all sessions of a user reaches all nodes, if the bus is up', async t => {
  const bus = mqemitter()
  let up = false
  const [one, two] = [share(t, bus, { isUp: () => up }), share(t, bus)]
  one.addUser('bob', until, 1_000)
  up = true
  one.addUser('alice', until, 1_000)
  await untilTrue(() => two.has({ sub: 'alice', iat: 1 }))
  t.notOk(two.has({ sub: 'bob', iat: 1 }))
})

t.test('a node that starts asks for what it missed', async t => {
  const bus = mqemitter()
  const one = share(t, bus)
  one.add(token('a'), until)
  const two = share(t, bus)
  await untilTrue(() => two.has(token('a')))
  t.equal(two.size, 1)
})

t.test('a node that was cut off exchanges revocations with the others', async t => {
  const bus = mqemitter()
  let [up, asked] = [false, 0]
  const options = { isUp: () => { asked++; return up }, period: 5 }
  const [one, two] = [share(t, bus, options), share(t, bus, options)]
  let told = 0
  bus.on(DENYLIST_TOPIC, (_message, done) => { told++; done() })
  await untilTrue(() => told === 2)
  one.add(token('a'), until)
  two.add(token('b'), until)
  await untilTrue(() => asked > 6)
  t.equal(told, 2, 'nothing but the requests at the start goes to a bus that is down')
  up = true
  await untilTrue(() => one.size === 2 && two.size === 2)
})

t.test('the latest are published again periodically, and all of them after a node was cut off', async t => {
  const bus = mqemitter()
  let [up, asked] = [true, 0]
  const told: Array<{ count: number, first: string | undefined, ask: boolean }> = []
  bus.on(DENYLIST_TOPIC, ({ revocations, ask }, done) => {
    told.push({ count: revocations.length, first: revocations[0]?.key, ask })
    done()
  })
  const denylist = share(t, bus, { isUp: () => { asked++; return up }, period: 5 })
  await untilTrue(() => told.length === 1)
  for (let i = 0; i < 1_200; i++) denylist.merge({ key: `${i}`, until })
  await untilTrue(() => told.length === 3)
  t.strictSame(told.splice(0), [
    { count: 0, first: undefined, ask: true },
    { count: 1_000, first: '200', ask: false },
    { count: 1_000, first: '200', ask: false }
  ])

  up = false
  asked = 0
  await untilTrue(() => asked > 1)
  told.length = 0
  up = true
  await untilTrue(() => told.some(({ count, ask }) => count === 1_200 && !ask))
  t.strictSame(told[0], { count: 1_200, first: '0', ask: true }, 'and asks for those of the others')
})

t.test('nothing is published again if nothing is revoked', async t => {
  const bus = mqemitter()
  let [told, asked] = [0, 0]
  bus.on(DENYLIST_TOPIC, (_message, done) => { told++; done() })
  share(t, bus, { isUp: () => { asked++; return true }, period: 5 })
  await untilTrue(() => asked > 3)
  t.equal(told, 1, 'only the request at the start')
})

t.test('a malformed message does no harm', async t => {
  const bus = mqemitter()
  const denylist = share(t, bus)
  const good = { key: 'good', until }
  for (const revocations of [undefined, 'a', [null], [{}], [{ key: 1, until: 1 }], [{ key: 'x', until: '1' }], [{ key: 'x', until: Infinity }], ['x', good]]) {
    await new Promise(resolve => bus.emit({ topic: DENYLIST_TOPIC, revocations, ask: 'yes' }, resolve))
  }
  t.strictSame(denylist.revocations, [good])
})

t.test('after close it ignores messages', async t => {
  const bus = mqemitter()
  const denylist = share(t, bus)
  denylist.close()
  // mqemitter takes a turn to forget a listener.
  await new Promise(resolve => setImmediate(resolve))
  await new Promise(resolve => bus.emit({ topic: DENYLIST_TOPIC, revocations: [{ key: 'a', until }] }, resolve))
  t.equal(denylist.size, 0)
})
