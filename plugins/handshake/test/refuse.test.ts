import t from 'tap'
import { noteEarlierBegin } from '@fastify-airlock/core'
import { build, buildInside, connect, refused, until } from './helpers.js'

t.test('who was disconnected while a hook answered is refused, at the first frame and at a refresh', async t => {
  let go: (() => void) | null = null
  let wait = true
  const { app, sign, connect } = await build(t, {
    options: {
      isRevoked: async () => {
        if (wait) await new Promise<void>(resolve => { go = resolve })
        return false
      }
    }
  })
  const release = async (): Promise<void> => {
    await until(() => go !== null)
    app.wsHandshake.refuse({ subject: 'alice' })
    const held = go as (() => void) | null
    held?.()
    go = null
  }
  const first = connect()
  await first.opened()
  first.json({ type: 'auth', token: sign() })
  await release()
  await refused(t, first, 4403, 'disconnected', false)

  wait = false
  const second = connect()
  t.match(await second.auth(sign()), { type: 'auth_ok' }, 'a later login')
  wait = true
  second.json({ type: 'refresh', token: sign() })
  await release()
  await refused(t, second, 4403, 'disconnected', false)
})

t.test('a session that was ended stays so', async t => {
  const { app, sign, connect } = await build(t)
  app.wsHandshake.refuse({ session: 's' })
  t.match(await connect().auth(sign({ sid: 's' })), { type: 'auth_error', code: 4403, reason: 'disconnected' })
  t.match(await connect().auth(sign({ sid: 't' })), { type: 'auth_ok' })
})

t.test('without the plugin around it, the upgrade counts from the 101 on', async t => {
  const { port, token } = await buildInside(t)
  t.match(await connect(t, port).auth(token), { type: 'auth_ok' })
})

t.test('a target that is not clear refuses nobody', async t => {
  const { app, sign, connect } = await build(t)
  for (const target of [undefined, null, {}, '', { subject: 'alice', sesion: 's' }]) {
    t.throws(() => app.wsHandshake.refuse(target as string), { code: 'WSA_HANDSHAKE_ERR_INVALID_TARGET' })
  }
  t.match(await connect().auth(sign()), { type: 'auth_ok' })
  app.wsHandshake.refuse('alice')
})

t.test('who was on the way in for longer than orders are remembered has to come again', async t => {
  let minutes = 0
  const { sign, connect } = await build(t, {
    prepare: app => app.addHook('onRequest', async ({ raw }) => { noteEarlierBegin(raw, performance.now() - minutes * 60_000) })
  })
  t.match(await connect().auth(sign()), { type: 'auth_ok' })
  minutes = 60
  t.match(await connect().auth(sign()), { type: 'auth_error', code: 4408, retry: true })
})

t.test('what is for the whole server has no place in a route', async t => {
  const { app } = await build(t)
  for (const options of [{ pendingTotal: 5 }, { ignoreWarnings: [] }]) {
    t.throws(() => app.wsHandshake(() => {}, options), { code: 'WSA_HANDSHAKE_ERR_OPTION', message: /: give it where you register the plugin/ })
  }
})

t.test('sockets that have proved nothing are counted until they have, or are gone', async t => {
  const { app, connect, sign } = await build(t)
  const [first, second] = [connect(), connect()]
  await Promise.all([first.opened(), second.opened()])
  t.equal(app.wsHandshake.pending, 2)
  await first.auth(sign())
  t.equal(app.wsHandshake.pending, 1)
  second.json({ type: 'auth', token: 'bad' })
  await second.next()
  t.equal(app.wsHandshake.pending, 0)
  await second.closed
  t.equal(app.wsHandshake.pending, 0)
})
