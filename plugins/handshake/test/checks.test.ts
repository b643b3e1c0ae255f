import t from 'tap'
import type { WsIdentity } from '@fastify-airlock/core'
import type { WsHandshakeOptions } from '../src/index.js'
import { build, refused } from './helpers.js'

const guard = () => ({ subject: 'alice', claims: { room: 7, role: 'guest' }, expiresAt: null })

t.test('behind a guard the identity is completed in place', async t => {
  const made = guard()
  let seen: WsIdentity | undefined
  const { connect, sign } = await build(t, {
    guard: () => made,
    handler: (socket, request) => {
      seen = request.wsIdentity
      socket.send('ready')
    }
  })
  const client = connect()
  const { expiresAt } = await client.auth(sign({ role: 'user' }))
  await client.next()
  t.equal(seen, made, 'the same object')
  t.match(made, { subject: 'alice', claims: { room: 7, role: 'user', sub: 'alice' }, expiresAt }, 'the token\'s claims win')
})

t.test('a token of another subject than the guard\'s closes with 4403', async t => {
  const made = guard()
  const { connect, sign } = await build(t, { guard: () => made })
  const client = connect()
  await client.opened()
  client.json({ type: 'auth', token: sign({ sub: 'bob' }) })
  await refused(t, client, 4403, 'subject mismatch', false)
  t.strictSame(made, guard(), 'and the identity is as it was')
})

t.test('hooks that say yes, at once or later, let the client in', async t => {
  const asked: unknown[] = []
  const yes: WsHandshakeOptions[] = [
    { isRevoked: () => false, authorize: () => true },
    { isRevoked: async () => false, authorize: async () => true },
    {
      isRevoked: (token, request) => {
        asked.push(token.claims.role, request.url)
        return false
      },
      authorize: (identity, request) => {
        asked.push(identity.claims, request.wsIdentity?.claims)
        return Object.assign(identity, { colour: 'red' }).subject === 'alice'
      }
    }
  ]
  for (const options of yes) {
    const { connect, sign } = await build(t, {
      options,
      guard,
      handler: (socket, { wsIdentity }) => socket.send(JSON.stringify(wsIdentity))
    })
    const client = connect()
    t.match(await client.auth(sign({ role: 'user' })), { type: 'auth_ok' })
    if (asked.length > 0) t.match(await client.next(), { colour: 'red' }, 'members that authorize adds to the identity stay')
  }
  t.match(asked, [{ room: 7, role: 'user' }, { room: 7, role: 'guest' }, 'user', '/ws'], 'authorize gets the future identity next to the one in force; isRevoked is asked afterwards')
})

t.test('hooks that do not say yes refuse the client', async t => {
  const no = undefined as unknown as boolean
  const fails = () => { throw new Error('no database') }
  const cases: Array<[string, WsHandshakeOptions, number, string]> = [
    ['revoked', { isRevoked: () => true }, 4403, 'token revoked'],
    ['revoked, later', { isRevoked: async () => true }, 4403, 'token revoked'],
    ['no answer on revocation', { isRevoked: () => no }, 4403, 'token revoked'],
    ['not authorized', { authorize: () => false }, 4403, 'not authorized'],
    ['not authorized, later', { isRevoked: async () => false, authorize: async () => false }, 4403, 'not authorized'],
    ['no answer on authorization', { authorize: async () => no }, 4403, 'not authorized'],
    ['isRevoked throws', { isRevoked: fails }, 4500, 'internal error'],
    ['isRevoked rejects', { isRevoked: async () => fails() }, 4500, 'internal error'],
    ['authorize throws', { authorize: fails }, 4500, 'internal error'],
    ['authorize rejects', { authorize: async () => fails() }, 4500, 'internal error'],
    ['describeUser throws', { describeUser: fails }, 4500, 'internal error'],
    ['no way to find out', {
      jwt: { verify: () => { throw Object.assign(new Error('no database'), { statusCode: 503 }) } }
    }, 4500, 'internal error']
  ]
  for (const [name, options, code, reason] of cases) {
    await t.test(name, async t => {
      const { connect, sign, lines } = await build(t, { options, handler: () => { t.fail('the handler ran') } })
      const client = connect()
      await client.opened()
      client.json({ type: 'auth', token: sign() })
      await refused(t, client, code, reason, code !== 4403)
      t.equal(lines.some(line => line.includes('no database')), code === 4500, 'failures are in the log, refusals are not')
    })
  }
})

t.test('the deadline ends a hook that hangs, and its late answer does nothing', async t => {
  let answer: ((revoked: boolean) => void) | undefined
  const { connect, sign } = await build(t, {
    handler: () => { t.fail('the handler ran') },
    options: { authTimeout: 200, isRevoked: async () => await new Promise(resolve => { answer = resolve }) }
  })
  const client = connect()
  await client.opened()
  client.json({ type: 'auth', token: sign() })
  await refused(t, client, 4408, 'authentication timeout', true)
  answer?.(false)
  await new Promise(resolve => setImmediate(resolve))
})

t.test('a verifier may be asynchronous', async t => {
  const { connect } = await build(t, {
    options: { jwt: { verify: async token => ({ sub: token, exp: Date.now() / 1000 + 60 }) } }
  })
  t.match(await connect().auth('carol'), { type: 'auth_ok', user: { id: 'carol' } })
})
