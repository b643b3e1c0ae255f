import t from 'tap'
import { expiringDelay } from '../src/expiry.js'
import { build, refused } from './helpers.js'

/** Tokens are plain JSON here, so that a life can be short: not shorter than what a busy machine may need between two frames. */
const jwt = { verify: (token: string) => JSON.parse(token) }
// A fraction of a millisecond may get lost on the way, hence the `+ 1` below.
const token = (life: number, age = 0, claims: object = {}) => {
  const iat = (Date.now() - age) / 1000
  return JSON.stringify({ sub: 'alice', iat, exp: iat + life / 1000, ...claims })
}

t.test('when `expiring` is due', async t => {
  t.equal(expiringDelay(1_000, 2_000, 0.8, 1_000), 800)
  t.equal(expiringDelay(0, 2_000, 0.8, 1_000), 600, 'counted from the token\'s birth')
  t.equal(expiringDelay(null, 2_000, 0.8, 1_000), 800, 'else from now')
  t.equal(expiringDelay(0, 2_000, 0.8, 1_900), -300, 'it is past')
  t.equal(expiringDelay(9_000, 2_000, 0.8, 1_000), 800, 'a birth in the future is now')
  t.equal(expiringDelay(0, 2_000, 1, 1_000), 1_000)
})

t.test('`expiring`, then the grace, then 4401', async t => {
  const { connect } = await build(t, { options: { jwt, expiringAt: 0.5, expiryGrace: 300 } })
  const client = connect()
  await client.opened()
  const start = Date.now()
  const { expiresAt } = await client.auth(token(2_000))
  t.strictSame(await client.next(), { type: 'expiring', expiresAt })
  const told = Date.now()
  t.ok(told >= start + 1_000, 'after half of the life')
  client.socket.send('still here')
  t.equal(await client.next(), 'still here')
  await refused(t, client, 4401, 'token expired', true)
  t.ok(Date.now() + 1 >= expiresAt + 300, 'not before the grace is over')
})

t.test('a token late in its life: `expiring` right after auth_ok', async t => {
  const { connect } = await build(t, { options: { jwt }, handler: socket => { socket.send('hello') } })
  const client = connect()
  await client.opened()
  const { expiresAt } = await client.auth(token(60_000, 50_000))
  t.strictSame(await client.next(), { type: 'expiring', expiresAt })
  t.equal(await client.next(), 'hello')
})

t.test('without a grace the end comes with the expiry', async t => {
  const { connect } = await build(t, { options: { jwt, expiryGrace: 0 } })
  const client = connect()
  await client.opened()
  const { expiresAt } = await client.auth(token(1_500))
  t.match(await client.next(), { type: 'expiring' })
  await refused(t, client, 4401, 'token expired', true)
  t.ok(Date.now() + 1 >= expiresAt)
})

t.test('a refresh puts both off, and is asked for again', async t => {
  const { connect } = await build(t, { options: { jwt, expiryGrace: 2_000 } })
  const client = connect()
  await client.opened()
  await client.auth(token(1_500))
  t.match(await client.next(), { type: 'expiring' })
  client.json({ type: 'refresh', token: token(1_500) })
  const { type, expiresAt } = await client.next()
  t.equal(type, 'refresh_ok')
  t.strictSame(await client.next(), { type: 'expiring', expiresAt })
  t.ok(Date.now() + 1 >= expiresAt - 300)
  await refused(t, client, 4401, 'token expired', true)
  t.ok(Date.now() + 1 >= expiresAt + 2_000)
})

t.test('an app that writes on the identity does not live longer', async t => {
  const { connect } = await build(t, {
    options: { jwt, expiryGrace: 0 },
    handler: (_, request) => { request.wsIdentity.expiresAt = Date.now() + 3_600_000 }
  })
  const client = connect()
  await client.opened()
  await client.auth(token(1_500))
  t.match(await client.next(), { type: 'expiring' })
  await refused(t, client, 4401, 'token expired', true)
})
