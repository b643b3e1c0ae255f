import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import t from 'tap'
import type { HandshakeOpenEvent, HandshakeRefuseEvent } from '../src/index.js'
import { build, refused } from './helpers.js'

t.test('applications can count what opens and what is refused', async t => {
  const opens: HandshakeOpenEvent[] = []
  const refusals: HandshakeRefuseEvent[] = []
  const onOpen = (message: unknown): void => { opens.push(message as HandshakeOpenEvent) }
  const onRefuse = (message: unknown): void => { refusals.push(message as HandshakeRefuseEvent) }
  subscribe('airlock:handshake:open', onOpen)
  subscribe('airlock:handshake:refuse', onRefuse)
  t.teardown(() => {
    unsubscribe('airlock:handshake:open', onOpen)
    unsubscribe('airlock:handshake:refuse', onRefuse)
  })
  const { connect, sign } = await build(t)
  const client = connect()
  t.match(await client.auth(sign()), { type: 'auth_ok' })
  t.equal(opens.length, 1)
  t.ok((opens[0] as HandshakeOpenEvent).duration > 0)
  t.same(refusals, [])
  client.json({ type: 'auth', token: sign() })
  await refused(t, client, 4429, 'already authenticated', true)
  t.same(refusals, [{ code: 4429, reason: 'already authenticated' }])
})
