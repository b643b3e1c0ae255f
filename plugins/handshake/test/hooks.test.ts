import t, { type Test } from 'tap'
import { watchIdentity } from '@fastify-airlock/core'
import type { WsHandshakeOptions } from '../src/index.js'
import { build, clock, refused } from './helpers.js'

/** A hook that never answers, and a clock that reaches its deadline once it was asked. */
function hung (t: Test) {
  const set = clock(t)
  const never = (): Promise<never> => {
    setImmediate(() => { set.ahead += authTimeout })
    return new Promise(() => {})
  }
  return { set, never }
}

/** A deadline that nobody reaches on any machine, unless the clock is put forward. */
const authTimeout = 600_000

/** The life of a token, in seconds: longer than that. */
const LONG = 86_400

t.test('a refresh whose check has no answer within authTimeout closes with 4408, and is logged once', async t => {
  const { never } = hung(t)
  for (const hook of ['isRevoked', 'authorize'] as const) {
    let calls = 0
    const options: WsHandshakeOptions = { authTimeout, [hook]: () => calls++ % 2 === 0 ? hook === 'authorize' : never() }
    const { connect, sign, lines } = await build(t, { options })
    for (let times = 0; times < 2; times++) {
      const client = connect()
      t.match(await client.auth(sign({}, LONG)), { type: 'auth_ok' })
      client.json({ type: 'refresh', token: sign({}, LONG) })
      await refused(t, client, 4408, 'authentication timeout', true)
    }
    t.equal(lines.filter(line => line.includes('had no answer within authTimeout')).length, 1)
  }
})

t.test('a first frame whose check has no answer is logged, and one that never came is not', async t => {
  const { set, never } = hung(t)
  const { connect, sign, lines } = await build(t, { options: { authTimeout, isRevoked: never } })
  const silent = connect()
  await silent.opened()
  set.ahead += authTimeout
  await refused(t, silent, 4408, 'authentication timeout', true)
  t.notMatch(lines.join(), 'had no answer')
  const client = connect()
  await client.opened()
  client.json({ type: 'auth', token: sign({}, LONG) })
  await refused(t, client, 4408, 'authentication timeout', true)
  t.match(lines.join(), 'jwt.verify, authorize or isRevoked had no answer within authTimeout')
})

t.test('a refresh that is checked in time leaves no deadline behind', async t => {
  const { connect, sign } = await build(t, { options: { isRevoked: async () => false } })
  const client = connect()
  await client.auth(sign())
  for (let times = 0; times < 3; times++) t.match(await client.auth(sign(), 'refresh'), { type: 'refresh_ok' })
  client.socket.send('still here')
  t.equal(await client.next(), 'still here')
})

t.test('a listener that is told of the new claims may close the connection', async t => {
  let close = (): void => {}
  const { connect, sign } = await build(t, {
    handler: (socket, { wsIdentity }) => {
      close = () => socket.close(4000, 'enough')
      watchIdentity(wsIdentity, { identityChanged: () => close() })
    }
  })
  const client = connect()
  await client.auth(sign())
  client.json({ type: 'refresh', token: sign() })
  t.strictSame(await client.closed, [4000, 'enough'])
  await t.rejects(client.next(), /closed/)
})

t.test('an error that cannot be logged refuses the client all the same', async t => {
  for (const hook of ['isRevoked', 'authorize'] as const) {
    for (const error of [Object.freeze(new Error('frozen')), Object.defineProperty(new Error('odd'), 'code', { enumerable: true, get () { throw new Error('unreadable') } })]) {
      const { connect, sign, lines } = await build(t, { options: { [hook]: async () => { throw error } } })
      const client = connect()
      await client.opened()
      client.json({ type: 'auth', token: sign() })
      await refused(t, client, 4500, 'internal error', true)
      t.match(lines.join(), /websocket authentication failed/)
    }
  }
})
