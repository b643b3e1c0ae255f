import t from 'tap'
import { Denylist } from '../src/denylist.js'

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
