import t from 'tap'
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { build, connect, settle } from './helpers.js'

t.test('only connections that were added receive a broadcast', async t => {
  const { app, hub, pair } = await build(t)
  const alice = await pair('/ws?subject=alice')
  const bob = await pair('/ws?subject=bob')
  const stranger = await pair('/stranger')
  t.equal(app.websocketServer.clients.size, 3)
  t.equal(hub.broadcast('secret'), 2)
  await settle(alice.client, bob.client, stranger.client)
  t.strictSame([alice.messages, bob.messages, stranger.messages], [['secret'], ['secret'], []])

  t.ok(hub.add(stranger.socket, { subject: 'carol' }))
  t.equal(hub.broadcast('now'), 3)
  await settle(stranger.client)
  t.strictSame(stranger.messages, ['now'])
})

t.test('one subject can have several connections', async t => {
  const { hub, pair } = await build(t)
  const first = await pair()
  const second = await pair()
  await pair('/ws?subject=bob')
  const connections = hub.connectionsOf('alice')
  t.strictSame([...connections], [first.socket, second.socket])
  t.strictSame(hub.subjects(), ['alice', 'bob'])
  t.equal(hub.count(), 3)

  first.client.close()
  await once(first.socket, 'close')
  t.strictSame([...hub.connectionsOf('alice')], [second.socket])
  t.equal(connections.size, 2, 'an earlier result does not change')
  t.equal(hub.connectionsOf('nobody').size, 0)
})

t.test('adding a connection twice changes nothing', async t => {
  const { hub, pair } = await build(t)
  const { client, socket, messages } = await pair()
  const listeners = socket.listenerCount('close')
  t.ok(hub.add(socket, { subject: 'alice' }))
  t.equal(hub.count(), 1)
  t.equal(socket.listenerCount('close'), listeners)
  t.equal(hub.broadcast('once'), 1)
  await settle(client)
  t.strictSame(messages, ['once'])
})

t.test('a connection keeps its subject', async t => {
  const { hub, pair } = await build(t)
  const { socket } = await pair()
  t.throws(() => hub.add(socket, { subject: 'bob' }), { code: 'WSA_HUB_ERR_SUBJECT_CHANGED', statusCode: 500 })
  t.strictSame(hub.subjects(), ['alice'])
})

t.test('a subject is a non-empty string', async t => {
  const { hub, pair } = await build(t)
  const { socket } = await pair('/stranger')
  for (const subject of ['', undefined, null, 7]) {
    t.throws(() => hub.add(socket, { subject: subject as string }), { code: 'WSA_HUB_ERR_INVALID_SUBJECT' })
  }
  t.equal(hub.count(), 0)
})

t.test('a socket that is not open is refused', async t => {
  const { hub, pair, next, port } = await build(t)
  const connecting = connect(t, port, '/stranger')
  t.notOk(hub.add(connecting, { subject: 'alice' }), 'connecting')
  await Promise.all([once(connecting, 'open'), next()])

  const { client, socket } = await pair('/stranger')
  socket.close()
  t.notOk(hub.add(socket, { subject: 'alice' }), 'closing')
  await once(client, 'close')
  if (socket.readyState !== WebSocket.CLOSED) await once(socket, 'close')
  t.notOk(hub.add(socket, { subject: 'alice' }), 'closed')
  t.equal(hub.count(), 0)
})

t.test('nothing is left when the server has closed', async t => {
  const { app, hub, pair } = await build(t)
  for (const subject of ['alice', 'alice', 'bob']) {
    const { socket } = await pair(`/ws?subject=${subject}`)
    hub.join(socket, 'news')
    hub.join(socket, subject)
  }
  t.equal(hub.count(), 3)
  t.equal(hub.topics().length, 3)
  await app.close()
  t.equal(hub.count(), 0)
  t.strictSame(hub.subjects(), [])
  t.strictSame(hub.topics(), [])
})
