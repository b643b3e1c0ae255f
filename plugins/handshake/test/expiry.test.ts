import t from 'tap'
import { Sweep } from '@fastify-airlock/core'
import { type Deadline, type Expirable, Expiry, warningDelay } from '../src/expiry.js'
import { build, refused } from './helpers.js'

/** Tokens are plain JSON here, so that they can live shortly: only as long as a busy machine may need between two frames. */
const jwt = { verify: (token: string) => JSON.parse(token) }
// A fraction of a millisecond may get lost in seconds, hence the `+ 1` below.
const token = (life: number, age = 0, claims: object = {}) => {
  const iat = (Date.now() - age) / 1000
  return JSON.stringify({ sub: 'alice', iat, exp: iat + life / 1000, ...claims })
}

t.test('the time until `expiring` is due', async t => {
  t.equal(warningDelay(1_000, 2_000, 0.8, 1_000), 800)
  t.equal(warningDelay(0, 2_000, 0.8, 1_000), 600, 'counted from `iat`')
  t.equal(warningDelay(null, 2_000, 0.8, 1_000), 800, 'without `iat` from now')
  t.equal(warningDelay(0, 2_000, 0.8, 1_900), -300, 'overdue')
  t.equal(warningDelay(9_000, 2_000, 0.8, 1_000), 800, '`iat` in the future counts as now')
  t.equal(warningDelay(0, 2_000, 1, 1_000), 1_000)
})

t.test('any connection can expire, however it has authenticated', async t => {
  let time = 0
  const now = (): number => time
  const told: string[] = []
  const sweep = new Sweep<Deadline>(deadline => deadline.expire(), { resolution: 1, now })
  t.teardown(() => sweep.close())
  const expiry = new Expiry(sweep, { expiringAt: 0.5, expiryGrace: 100 }, now)
  const connection: Expirable = {
    due: 0,
    exp: 1,
    warned: false,
    expire: () => expiry.advance(connection),
    warn: () => { told.push(`warned at ${time}`) },
    refuseExpired: () => { told.push(`refused at ${time}`) }
  }
  const advance = (to: number): void => {
    for (; time < to; time++) sweep.tick()
  }
  expiry.start(connection, null)
  advance(600)
  connection.exp = 2
  expiry.start(connection, 600)
  advance(3_000)
  t.strictSame(told, ['warned at 500', 'warned at 1300', 'refused at 2100'])
  t.equal(sweep.size, 0)
})

t.test('the client is sent `expiring`, then has a grace, then is closed with 4401', async t => {
  const { connect } = await build(t, { options: { jwt, expiringAt: 0.5, expiryGrace: 300 } })
  const client = connect()
  await client.opened()
  const start = Date.now()
  const { expiresAt } = await client.auth(token(2_000))
  t.strictSame(await client.next(), { type: 'expiring', expiresAt })
  const told = Date.now()
  t.ok(told >= start + 1_000, 'after half of its life')
  client.socket.send('still here')
  t.equal(await client.next(), 'still here')
  await refused(t, client, 4401, 'token expired', true)
  t.ok(Date.now() + 1 >= expiresAt + 300, 'not before the grace is over')
})

t.test('`expiring` follows auth_ok at once for a token late in its life', async t => {
  const { connect } = await build(t, { options: { jwt }, handler: socket => { socket.send('hello') } })
  const client = connect()
  await client.opened()
  const { expiresAt } = await client.auth(token(60_000, 50_000))
  t.strictSame(await client.next(), { type: 'expiring', expiresAt })
  t.equal(await client.next(), 'hello')
})

t.test('without a grace the connection ends at the expiry', async t => {
  const { connect } = await build(t, { options: { jwt, expiryGrace: 0 } })
  const client = connect()
  await client.opened()
  const { expiresAt } = await client.auth(token(1_500))
  t.match(await client.next(), { type: 'expiring' })
  await refused(t, client, 4401, 'token expired', true)
  t.ok(Date.now() + 1 >= expiresAt)
})

t.test('a refresh postpones both, and the client is told again to refresh', async t => {
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

t.test('an app that writes to the identity does not postpone the expiry', async t => {
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
