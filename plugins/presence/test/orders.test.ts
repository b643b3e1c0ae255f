import t from 'tap'
import type { HubBus, WsHub } from '@fastify-airlock/hub'
import mqemitter from 'mqemitter'
import { build, nodes, until } from './helpers.js'

const HOUR = 3_600_000

/** Alice has one connection, of the session s1; of bob nothing is ever ended. */
async function room (t: Parameters<typeof build>[0], isClosed: boolean) {
  const built = await build(t, { presence: { grace: HOUR } })
  const client = await built.connect('alice', 'room')
  Object.assign(built.identities.at(-1)?.claims as object, { sid: 's1', jti: 't1', team: 7 })
  const other = await built.connect('bob', 'room')
  const [socket] = built.sockets as [never]
  const id = built.hub.idOf(socket) as string
  for (const one of isClosed ? [client, other] : []) await one.close()
  if (isClosed) await until(() => built.hub.count() === 0)
  return { ...built, id, client, who: (topic = 'room') => built.presence.of(topic).map(({ subject }) => subject) }
}

t.test('whom an order has ended is gone at once, whether the client answers, and whether it was there', async t => {
  const cases: Array<[name: string, order: (hub: WsHub, id: string) => unknown, whileOpen: boolean, whileClosed?: boolean]> = [
    ['a user', hub => hub.disconnect('alice'), true],
    ['a user, and all nodes are waited for', hub => hub.disconnectAll('alice'), true],
    ['a session', hub => hub.disconnect({ session: 's1' }), true],
    ['a session of a user', hub => hub.disconnect({ subject: 'alice', session: 's1' }), true],
    ['a token', hub => hub.disconnect({ tokenId: 't1' }), true],
    ['those with a claim', hub => hub.disconnect({ where: { team: 7 } }), true],
    ['a code of its own', hub => hub.disconnect('alice', { code: 4123 }), true],
    ['a connection, which nobody can name once it has closed', (hub, id) => hub.disconnect({ connection: id }), true, false],
    ['another session', hub => hub.disconnect({ session: 's2' }), false],
    ['somebody else', hub => hub.disconnect('carol'), false],
    ['come back', hub => hub.disconnect('alice', { code: 1012 }), false],
    ['come back later', hub => hub.disconnect('alice', { code: 1013 }), false],
    ['here already', hub => hub.disconnect('alice', { code: 4409 }), false]
  ]
  for (const [name, order, whileOpen, whileClosed = whileOpen] of cases) {
    for (const [isClosed, isGone] of [[false, whileOpen], [true, whileClosed]] as const) {
      const { hub, id, who, client } = await room(t, isClosed)
      // It never answers the close frame.
      client.socket.pause()
      order(hub, id)
      t.same([who(), who('')], isGone ? [['bob'], ['bob']] : [['alice', 'bob'], ['alice', 'bob']], `${name}, ${isClosed ? 'closed' : 'open'}`)
      client.socket.terminate()
    }
  }
})

t.test('one of several connections is one less', async t => {
  const { hub, connect, presence, sockets } = await build(t, { presence: { grace: HOUR } })
  for (let n = 0; n < 2; n++) await connect('alice', 'room')
  hub.disconnect({ connection: sockets[0] as never })
  t.same(presence.of('room'), [{ subject: 'alice', connections: 1 }])
  await until(() => hub.count() === 1)
  t.same(presence.of('room'), [{ subject: 'alice', connections: 1 }], 'its end is not counted twice')
  hub.disconnect('alice')
  await until(() => hub.count() === 0)
  const again = await connect('alice', 'room')
  t.same(presence.of('room'), [{ subject: 'alice', connections: 1 }], 'who signs in again is there')
  await again.close()
  await until(() => hub.count() === 0)
  t.equal(presence.of('room').length, 1, 'and has the grace')
})

t.test('a topic that is taken away is left at once, also by one who may come back', async t => {
  const { hub, who } = await room(t, true)
  hub.evict({ subject: 'alice', topic: 'other' })
  t.same(who(), ['alice', 'bob'])
  hub.evict({ subject: 'alice', topic: '+', wildcard: true })
  t.same([who(), who('')], [['bob'], ['alice', 'bob']])
  await hub.reauthorize({ subject: 'bob' })
  t.same(who(), ['bob'])
})

t.test('the same on every node', async t => {
  const bus = mqemitter({ concurrency: 100 }) as unknown as HubBus
  const [a, b, c] = await nodes(t, 3, () => bus, { presence: { grace: HOUR } }) as [Awaited<ReturnType<typeof build>>, Awaited<ReturnType<typeof build>>, Awaited<ReturnType<typeof build>>]
  const who = (topic = 'room') => a.presence.of(topic).map(({ subject }) => subject).sort()
  const users = ['alice', 'bob', 'carol', 'dave']
  const clients = await Promise.all(users.map(subject => b.connect(subject, 'room')))
  for (const subject of users) await c.connect(subject, 'room')
  await until(() => a.presence.of('room').every(({ connections }) => connections === 2) && who().length === 4)
  clients[0]?.socket.pause()
  a.hub.disconnect('alice')
  await until(() => who().length === 3)
  t.same(who(), ['bob', 'carol', 'dave'])
  clients[0]?.socket.terminate()
  // Those of a node that has shut down may come back, unless an order says otherwise.
  await Promise.all([b.app.close(), c.app.close()])
  await until(() => a.presence.of('room').every(({ connections }) => connections === 1))
  t.same(who(), ['bob', 'carol', 'dave'])
  a.hub.disconnect({ subject: 'dave', session: 'of another' })
  a.hub.disconnect({ subject: 'carol' })
  t.same(who(), ['bob', 'dave'])
  a.hub.evict({ subject: 'bob', topic: 'room' })
  t.same([who(), who('')], [['dave'], ['bob', 'dave']])
})

t.test('what a node has to tell goes out before it says goodbye', async t => {
  const bus = mqemitter({ concurrency: 100 }) as unknown as HubBus
  const [a, b] = await nodes(t, 2, () => bus, { presence: { grace: HOUR, reportInterval: HOUR } }) as [Awaited<ReturnType<typeof build>>, Awaited<ReturnType<typeof build>>]
  await b.connect('alice', 'room')
  b.presence.of('room')
  await b.connect('bob', 'room')
  ;(b.presence as unknown as { flush (): void }).flush()
  await until(() => a.presence.of('room').length === 2)
  b.hub.disconnect('alice')
  await b.app.close()
  t.same(a.presence.of('room').map(({ subject }) => subject), ['bob'])
})
