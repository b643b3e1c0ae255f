import t from 'tap'
import websocket from '@fastify/websocket'
import { recentOrdersOf, websocketOptions } from '@fastify-airlock/core'
import Fastify from 'fastify'
import { wsHandshake } from '../src/index.js'
import { build } from './helpers.js'

/** What a client may say in `final`, and whether it is an answer to 4410. */
const ASKED: Array<[final: unknown, isAsked: boolean]> = [
  [[4410], true],
  [[4001, 4410], true],
  [undefined, false],
  [[], false],
  [[4403], false],
  [['4410'], false],
  [4410, false],
  ['4410', false],
  [{ 0: 4410 }, false],
  [null, false],
  [true, false]
]

for (const type of ['auth', 'jwt']) {
  t.test(`${type}: only a client that asks for it gets the code of a logout`, async t => {
    let revoked = false
    let wait: Promise<void> | null = null
    let waiting: () => void = () => {}
    const { app, sign, connect } = await build(t, {
      options: {
        isRevoked: async () => {
          waiting()
          await wait
          return revoked
        }
      }
    })
    for (const [final, isAsked] of ASKED) {
      const code = isAsked ? 4410 : 4403
      const label = JSON.stringify(final)
      const auth = { type, token: sign(), ...(final !== undefined && { final }) }
      const enter = async () => {
        const client = connect()
        await client.opened()
        client.json(auth)
        return client
      }

      revoked = true
      const first = await enter()
      t.strictSame(await first.next(), { type: 'auth_error', code, reason: 'token revoked', retry: false }, `${label}: at auth`)
      t.strictSame(await first.closed, [code, 'token revoked'])

      revoked = false
      const second = await enter()
      t.match(await second.next(), { type: 'auth_ok' })
      revoked = true
      // It counts for the connection, and `refresh` has none.
      second.json({ type: 'refresh', token: sign(), final: [4410] })
      t.match(await second.next(), { type: 'auth_error', code, reason: 'token revoked' }, `${label}: at refresh`)
      revoked = false

      let go: () => void = () => {}
      wait = new Promise(resolve => { go = resolve })
      const arrived = new Promise<void>(resolve => { waiting = resolve })
      const third = await enter()
      await arrived
      app.wsHandshake.refuse({ subject: 'alice' })
      go()
      wait = null
      t.match(await third.next(), { type: 'auth_error', code, reason: 'disconnected', retry: false }, `${label}: on the way in`)
      t.strictSame(await third.closed, [code, 'disconnected'])
    }
  })
}

t.test('what is forbidden stays forbidden, whatever the client asks for', async t => {
  const cases: Array<[setup: Parameters<typeof build>[1], reason: string]> = [
    [{ options: { authorize: () => false } }, 'not authorized'],
    [{ guard: () => ({ subject: 'bob', claims: {}, expiresAt: null }) }, 'subject mismatch']
  ]
  for (const [setup, reason] of cases) {
    const { sign, connect } = await build(t, setup)
    const client = connect()
    await client.opened()
    client.json({ type: 'auth', token: sign(), final: [4410, 4403] })
    t.match(await client.next(), { type: 'auth_error', code: 4403, reason })
  }
})

t.test('a route has the name of the session that the server has', async t => {
  const { app, sign, connect } = await build(t, { options: { sessionClaim: 'session_id' } })
  app.wsHandshake.refuse({ session: 's' })
  t.match(await connect().auth(sign({ session_id: 's' })), { type: 'auth_error', code: 4403, reason: 'disconnected' })
  t.match(await connect().auth(sign({ session_id: 't', sid: 's' })), { type: 'auth_ok' })
  await t.rejects(build(t, { options: { sessionClaim: 'a' }, prepare: app => { app.wsHandshake(() => {}, { sessionClaim: 'b' }) } }), {
    code: 'WSA_HANDSHAKE_ERR_OPTION', message: /told b/
  })
})

t.test('all plugins on a server have one name for the session', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  recentOrdersOf(app.server).nameSession('session_id')
  await t.rejects(async () => { await app.register(wsHandshake, { sessionClaim: 'sid' }) }, { code: 'WSA_HANDSHAKE_ERR_OPTION', message: /told session_id/ })
})
