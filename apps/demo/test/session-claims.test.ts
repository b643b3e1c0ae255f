import t from 'tap'
import { begin, endOf, RENEWABLE_MS, renew, type SessionClaims } from '../src/session-claims.js'

const alice = { id: 'alice', name: 'Alice', role: 'user' } as const
const UUID = /^[\da-f-]{36}$/
const HOUR = 3_600_000
const login = 1_800_000_000_000

t.test('a session begins with a JWT of the given lifetime, in whole seconds', async t => {
  t.match(begin(alice, 1_999, login + 999), {
    sub: 'alice', name: 'Alice', role: 'user', jti: UUID, sid: UUID, auth_time: 1_800_000_000, iat: 1_800_000_000, exp: 1_800_000_001
  })
  const [one, two] = [begin(alice, 1_000), begin(alice, 1_000)]
  t.not(one.sid, two.sid)
  t.ok(Math.abs(one.iat * 1000 - Date.now()) < 60_000)
})

t.test('a renewal is another JWT of the same session', async t => {
  const first = begin(alice, 900_000, login)
  const second = renew(first, 900_000, login + HOUR)
  t.match(second, { ...first, jti: UUID, iat: first.iat + 3600, exp: first.exp + 3600 })
  t.not(second?.jti, first.jti)
  t.equal(renew(first, 900_000)?.auth_time, first.auth_time, 'the default time is now')
})

t.test('a session can be renewed any number of times for twelve hours after the login', async t => {
  let claims = begin(alice, 900_000, login)
  for (const now of [login + HOUR, login + RENEWABLE_MS - 1]) {
    const next = renew(claims, 900_000, now)
    t.ok(next)
    if (next !== null) claims = next
  }
  t.equal(renew(claims, 900_000, login + 12 * HOUR), null)
})

t.test('a token without sid or auth_time cannot be renewed', async t => {
  const claims = begin(alice, 900_000)
  for (const missing of [{ sid: undefined }, { auth_time: undefined }, { sid: 1 }, { auth_time: 'yesterday' }]) {
    t.equal(renew({ ...claims, ...missing } as object as SessionClaims, 900_000), null, JSON.stringify(missing))
  }
})

t.test('a session ends with the last JWT that could have been issued', async t => {
  const ttl = 900_000
  const first = begin(alice, ttl, login)
  const last = renew(first, ttl, login + RENEWABLE_MS - 1)
  for (const claims of [first, last]) t.equal(claims && endOf(claims, ttl), login + 12 * HOUR + ttl)
  t.ok((last?.exp ?? Infinity) * 1000 <= endOf(first, ttl))
  t.equal(endOf({ sub: 'carol', exp: 1_800_000_900 }, ttl), login + 900_000, 'a token that cannot be renewed')
  t.equal(endOf({ sub: 'carol', exp: 1_900_000_000, auth_time: 1_800_000_000 }, ttl), 1_900_000_000_000, 'a token that outlives every renewal')
})
