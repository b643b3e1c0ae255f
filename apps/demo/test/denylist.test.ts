import type { HubBus } from '@fastify-airlock/hub'
import mqemitter from 'mqemitter'
import t, { type Test } from 'tap'
import { Denylist } from '../src/denylist.js'
import { DENYLIST_TOPIC, SharedDenylist } from '../src/shared-denylist.js'

const later = () => Math.floor(Date.now() / 1000) + 900

t.test('revokes by jti', async t => {
  const denylist = new Denylist()
  t.teardown(() => denylist.close())
  const exp = later()
  denylist.add({ jti: 'a', exp })
  t.ok(denylist.has({ jti: 'a', exp }))
  t.notOk(denylist.has({ jti: 'b', exp }))
})

t.test('revokes by all claims where there is no jti', async t => {
  const denylist = new Denylist()
  t.teardown(() => denylist.close())
  const claims = { sub: 'alice', exp: later() }
  denylist.add(claims)
  t.ok(denylist.has({ ...claims }))
  t.notOk(denylist.has({ ...claims, exp: claims.exp + 1 }))
  t.notOk(denylist.has({ ...claims, sub: 'bob' }))
})

t.test('forgets a token when it has expired', async t => {
  const denylist = new Denylist()
  t.teardown(() => denylist.close())
  const exp = Date.now() / 1000 + 0.2
  denylist.add({ jti: 'a', exp })
  t.equal(denylist.size, 1)
  while (denylist.size > 0) await new Promise(resolve => setTimeout(resolve, 20))
  t.ok(Date.now() >= exp * 1000, 'not before')
})

t.test('close forgets everything', async t => {
  const denylist = new Denylist()
  denylist.add({ jti: 'a', exp: later() })
  denylist.close()
  t.equal(denylist.size, 0)
})

const exp = Math.floor(Date.now() / 1000) + 900
const token = (jti: string) => ({ jti, exp })

function share (t: Test, bus: HubBus, settings: { isUp?: () => boolean, period?: number } = {}) {
  const denylist = new SharedDenylist({ bus, isUp: () => true, ...settings })
  t.teardown(() => denylist.close())
  return denylist
}

async function until (condition: () => boolean) {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 5))
}

t.test('what is revoked on one node is revoked on all', async t => {
  const bus = mqemitter()
  const [one, two] = [share(t, bus), share(t, bus)]
  one.add(token('a'))
  await until(() => two.has(token('a')))
  two.add({ exp, jti: undefined })
  await until(() => one.has({ exp, jti: undefined }))
  t.strictSame(two.revocations, [{ key: 'a', until: exp * 1000 }, { key: `{"exp":${exp}}`, until: exp * 1000 }])
  t.strictSame(one.revocations, two.revocations)
})

t.test('a node that starts asks what it has missed', async t => {
  const bus = mqemitter()
  const one = share(t, bus)
  one.add(token('a'))
  const two = share(t, bus)
  await until(() => two.has(token('a')))
  t.equal(two.size, 1)
})

t.test('a node that was cut off is told, and tells', async t => {
  const bus = mqemitter()
  let [up, asked] = [false, 0]
  const settings = { isUp: () => { asked++; return up }, period: 5 }
  const [one, two] = [share(t, bus, settings), share(t, bus, settings)]
  let told = 0
  bus.on(DENYLIST_TOPIC, (_message, done) => { told++; done() })
  await until(() => told === 2)
  one.add(token('a'))
  two.add(token('b'))
  await until(() => asked > 6)
  t.equal(told, 2, 'but for the questions of the start, a bus that is down is left alone')
  up = true
  await until(() => one.size === 2 && two.size === 2)
})

t.test('nothing is told again where nothing is revoked', async t => {
  let [idle, busy] = [0, 0]
  share(t, mqemitter(), { isUp: () => { idle++; return true }, period: 5 })
  share(t, mqemitter(), { isUp: () => { busy++; return true }, period: 5 }).add(token('a'))
  await until(() => busy > 3)
  t.equal(idle, 0)
})

t.test('what is no message of a denylist does no harm', async t => {
  const bus = mqemitter()
  const denylist = share(t, bus)
  const good = { key: 'good', until: exp * 1000 }
  for (const revocations of [undefined, 'a', [null], [{}], [{ key: 1, until: 1 }], [{ key: 'x', until: '1' }], [{ key: 'x', until: Infinity }], ['x', good]]) {
    await new Promise(resolve => bus.emit({ topic: DENYLIST_TOPIC, revocations, ask: 'yes' }, resolve))
  }
  t.strictSame(denylist.revocations, [good])
})

t.test('after close it listens to nobody', async t => {
  const bus = mqemitter()
  const denylist = share(t, bus)
  denylist.close()
  // mqemitter takes a turn to forget a listener.
  await new Promise(resolve => setImmediate(resolve))
  await new Promise(resolve => bus.emit({ topic: DENYLIST_TOPIC, revocations: [{ key: 'a', until: exp * 1000 }] }, resolve))
  t.equal(denylist.size, 0)
})
