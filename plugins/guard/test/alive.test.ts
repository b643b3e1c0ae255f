import { once } from 'node:events'
import t from 'tap'
import { WebSocket } from 'ws'
import { build, listen, TICKET, ticketsOf } from './helpers.js'

t.test('a route without the second door sends signs of life where it is told to', async t => {
  const app = await build(t)
  app.get('/alive', { websocket: true, preValidation: app.wsGuard({ alive: 60 }) }, socket => {
    socket.on('message', data => socket.send(String(data)))
  })
  app.get('/plain', { websocket: true, preValidation: app.wsGuard() }, socket => {
    socket.on('message', data => socket.send(String(data)))
  })
  const port = await listen(app)
  for (const [path, expected] of [['alive', ['{"type":"alive"}', '{"type":"alive"}']], ['plain', ['hello']]] as const) {
    ticketsOf(app).live.add(TICKET)
    const client = new WebSocket(`ws://127.0.0.1:${port}/${path}?ticket=${TICKET}`)
    t.teardown(() => { client.terminate() })
    const got: string[] = []
    client.on('message', data => { got.push(String(data)) })
    await once(client, 'open')
    if (path === 'plain') setTimeout(() => { client.send('hello') }, 200)
    while (got.length < expected.length) await once(client, 'message')
    t.same(got, expected)
  }
})

t.test('the option is checked', async t => {
  const app = await build(t)
  for (const alive of [true, 0, -1, 0.5, 'yes']) t.throws(() => app.wsGuard({ alive: alive as never }), { code: 'WSA_GUARD_ERR_OPTION' }, String(alive))
})
