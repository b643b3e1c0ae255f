import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import t from 'tap'
import wsGuard from '../src/index.js'
import { attempt, build, listen, route, TICKET, ticketsOf } from './helpers.js'

t.test('the first offer that the route speaks is selected, never a carrier', async t => {
  const app = await build(t, { guard: { protocols: ['chat.v2', 'chat.v1'] } })
  route(app)
  const port = await listen(app)
  for (const [offers, selected] of [
    [[`ticket.${TICKET}`, 'chat.v1', 'chat.v2'], 'chat.v1'],
    [['unknown', 'chat.v2', `ticket.${TICKET}`], 'chat.v2']
  ] as const) {
    ticketsOf(app).live.add(TICKET)
    t.match(await attempt(port, '/ws', [...offers]), { status: 101, protocol: selected })
  }
  ticketsOf(app).live.add(TICKET)
  t.match(await attempt(port, '/ws', [`ticket.${TICKET}`]), { status: 400, code: 'WSA_GUARD_ERR_SUBPROTOCOL' }, 'nothing to select')
  t.match(await attempt(port, '/ws', [`ticket.${TICKET}`, 'airlock.v1']), { status: 400, code: 'WSA_GUARD_ERR_SUBPROTOCOL' })
  t.ok(ticketsOf(app).live.has(TICKET))
})

t.test('on an unguarded route the first offer that is no carrier is selected, as ws does', async t => {
  const app = await build(t)
  app.get('/open', { websocket: true }, socket => { socket.send('null') })
  const port = await listen(app)
  t.match(await attempt(port, '/open', [`ticket.${TICKET}`, 'a', 'b']), { status: 101, protocol: 'a' })
  t.match(await attempt(port, '/open', ['a']), { status: 101, protocol: 'a' })
  await t.rejects(attempt(port, '/open', [`ticket.${TICKET}`]), { message: 'Server sent no subprotocol' })
})

t.test('on unguarded routes the application\'s handler is called, without the carriers', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const asked: string[][] = []
  await app.register(websocket, {
    options: {
      handleProtocols (protocols) {
        asked.push([...protocols])
        return 'graphql-transport-ws'
      }
    }
  })
  await app.register(wsGuard)
  route(app, { authenticate: () => ({ subject: 'u1' }) })
  app.get('/graphql', { websocket: true }, socket => { socket.send('null') })
  const port = await listen(app)
  t.match(await attempt(port, '/graphql', ['bearer.x', 'other', 'graphql-transport-ws']), { protocol: 'graphql-transport-ws' })
  t.match(await attempt(port, '/ws', ['graphql-transport-ws', 'airlock.v1']), { protocol: 'airlock.v1' }, 'the guard decides on its own route')
  t.same(asked, [['other', 'graphql-transport-ws']])
})
