import { once } from 'node:events'
import t from 'tap'
import { WebSocket } from 'ws'
import { build } from './helpers.js'

t.test('a client that asks who is there is told of that, and the plugin of the client', async t => {
  const accepted: unknown[] = []
  const { port, sign } = await build(t, {
    handler: () => {},
    prepare: app => {
      app.decorate('wsHub', { add: () => { accepted.push('added') } } as never)
      app.decorate('wsPresence' as never, { offer: { max: 3 }, accept: (socket: WebSocket) => { accepted.push(socket.readyState) } } as never)
    }
  })
  const cases: Array<[auth: object, presence: unknown, calls: unknown[]]> = [
    [{}, undefined, ['added']], [{ presence: 'yes' }, undefined, ['added']], [{ presence: true }, { max: 3 }, ['added', WebSocket.OPEN]]
  ]
  for (const [auth, presence, calls] of cases) {
    accepted.splice(0)
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`)
    t.teardown(() => socket.terminate())
    await once(socket, 'open')
    socket.send(JSON.stringify({ type: 'auth', token: sign(), ...auth }))
    const [answer] = await once(socket, 'message')
    t.same(JSON.parse(answer.toString()).presence, presence, JSON.stringify(auth))
    t.same(accepted, calls)
  }
})

t.test('a client that asks for topics is told of them, and the plugin of the client', async t => {
  const accepted: unknown[] = []
  const { port, sign } = await build(t, {
    handler: () => {},
    prepare: app => {
      app.decorate('wsHub', { add: () => { accepted.push('added') } } as never)
      app.decorate('wsTopics' as never, { offer: { max: 3 }, accept: (socket: WebSocket) => { accepted.push(socket.readyState) } } as never)
    }
  })
  const cases: Array<[auth: object, topics: unknown, calls: unknown[]]> = [
    [{}, undefined, ['added']], [{ topics: 'yes' }, undefined, ['added']], [{ topics: true }, { max: 3 }, ['added', WebSocket.OPEN]]
  ]
  for (const [auth, topics, calls] of cases) {
    accepted.splice(0)
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`)
    t.teardown(() => socket.terminate())
    await once(socket, 'open')
    socket.send(JSON.stringify({ type: 'auth', token: sign(), ...auth }))
    const [answer] = await once(socket, 'message')
    t.same(JSON.parse(answer.toString()).topics, topics, JSON.stringify(auth))
    t.same(accepted, calls)
  }
})
