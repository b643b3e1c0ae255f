import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsHub from '@fastify-airlock/hub'
import wsPresence from '@fastify-airlock/presence'
import wsTopics, { MemoryTopicStore } from '@fastify-airlock/topics'
import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { unreadable } from '../packages/core/test/unreadable.js'
import { connect, until } from './helpers.js'

/*
 * What listeners and stores of the application throw is logged, and nothing else becomes of it, even where the logger fails at it.
 */

t.test('a listener that throws what cannot be logged ends nothing', async t => {
  let make = (): unknown => new Error('of nobody')
  const fails: Record<string, () => any> = {
    throws: () => { throw make() },
    rejects: async () => { throw make() }
  }
  for (const [way, fail] of Object.entries(fails)) {
    const lines: string[] = []
    const app = Fastify({ logger: { level: 'warn', stream: { write: line => { lines.push((JSON.parse(line) as { msg: string }).msg.replace(/, by an error .*/, '')) } } } })
    t.teardown(() => app.close())
    await app.register(websocket, websocketOptions())
    await app.register(wsHub, { authorizeTopic: () => true, onTopicLeft: fail })
    await app.register(wsPresence, { authorizePresence: () => true, grace: 0, reportInterval: 1 })
    await app.register(wsTopics, { store: Object.assign(new MemoryTopicStore(), { append: fail }), topics: { 'kept/a': { history: { size: 10, ttl: 60_000 } } }, authorizePublish: (_identity, topic) => topic === 'kept/a' || fail() })
    app.wsHub.on('chat', fail)
    let room = ''
    let opened = 0
    app.get('/ws', { websocket: true, config: { wsPublic: true } }, socket => {
      app.wsHub.add(socket, { subject: 'alice', claims: {}, expiresAt: null })
      app.wsTopics.accept(socket)
      app.wsHub.join(socket, room)
      opened++
    })
    await app.listen({ host: '127.0.0.1', port: 0 })
    const url = `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}/ws`
    for (const [index, [name, thrown]] of Object.entries(unreadable).entries()) {
      // Of its own, since changes of one are told at most so often.
      room = `room-${index}`
      app.wsPresence.watch(room, fail)
      make = thrown
      lines.length = 0
      opened = 0
      const client = await connect(t, url)
      await until(() => opened === 1)
      app.wsHub.tell('chat', 'x')
      await until(() => lines.includes('a listener of cluster messages has failed'))
      await until(() => lines.includes('a listener of presence has failed'))
      client.send({ type: 'topic:publish', id: '1', topic: 'plain', data: 1 })
      t.match(await client.next(), { type: 'topic:refused', id: '1', code: 'unavailable' }, `${name}, ${way}: authorizePublish`)
      client.send({ type: 'topic:publish', id: '2', topic: 'kept/a', data: 1 })
      t.match(await client.next(), { type: 'topic:refused', id: '2', code: 'unavailable' }, `${name}, ${way}: the store`)
      t.ok(lines.includes('a publication could not be authorized'), `${name}, ${way}`)
      app.wsHub.evict({ subject: 'alice', topic: room })
      await until(() => lines.includes('onTopicLeft failed'))
      client.socket.terminate()
      await until(() => app.wsHub.count() === 0)
    }
  }
})
