import t from 'tap'
import websocket from '@fastify/websocket'
import { noteBegin, recentOrdersOf, websocketOptions } from '@fastify-airlock/core'
import Fastify from 'fastify'
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { wsGuard } from '../src/index.js'
import { attempt, build, listen, TICKET, ticketsOf, until } from './helpers.js'

t.test('who was disconnected while the guard asked is refused with 401', async t => {
  const app = await build(t, { guard: { missingOrigin: 'allow' } })
  let go: () => void = () => {}
  let waiting = 0
  app.get('/ws', {
    websocket: true,
    preValidation: app.wsGuard({
      authenticate: async () => {
        waiting++
        await new Promise<void>(resolve => { go = resolve })
        return { subject: 'alice', claims: { sid: 's' } }
      }
    })
  }, socket => socket.send('{}'))
  const port = await listen(app)
  for (const [target, status] of [[{ subject: 'alice' }, 401], [{ session: 's' }, 401], [{ subject: 'bob' }, 401]] as const) {
    const answer = attempt(port, '/ws')
    const before = waiting
    await until(() => waiting > before)
    app.wsGuard.refuse(target)
    go()
    t.equal((await answer).status, status, 'the session stays refused')
  }
})

t.test('who was disconnected in a later hook is closed before the handler hears anything', async t => {
  const app = await build(t, { guard: { missingOrigin: 'allow' } })
  let go: () => void = () => {}
  let waiting = false
  const heard: unknown[] = []
  app.get('/ws', {
    websocket: true,
    preValidation: app.wsGuard(),
    preHandler: async () => {
      waiting = true
      await new Promise<void>(resolve => { go = resolve })
    }
  }, socket => { socket.on('message', data => { heard.push(data) }) })
  const port = await listen(app)
  const refusals = [() => app.wsGuard.refuse({ subject: 'u1' }), () => app.wsGuard.refuse({ subject: 'somebody else' })]
  for (const [index, refuse] of refusals.entries()) {
    ticketsOf(app).live.add(TICKET)
    waiting = false
    const client = new WebSocket(`ws://127.0.0.1:${port}/ws?ticket=${TICKET}`)
    t.teardown(() => client.terminate())
    client.on('open', () => client.send('hello'))
    const closed = once(client, 'close')
    await until(() => waiting)
    refuse()
    go()
    if (index === 0) {
      const [code, reason] = await closed
      t.strictSame([code, String(reason)], [4403, 'disconnected'])
      t.strictSame(heard, [])
    } else {
      await until(() => heard.length > 0)
      t.equal(client.readyState, WebSocket.OPEN)
    }
  }
})

t.test('a ticket that says when it was asked for counts from then on', async t => {
  const app = await build(t, { guard: { missingOrigin: 'allow', sessionClaim: 'session_id' } })
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, socket => socket.send('{}'))
  const port = await listen(app)
  const tickets = ticketsOf(app)
  const { redeem } = tickets
  for (const [age, status] of [[10_000, 401], [-10_000, 101], [null, 101]] as const) {
    tickets.live.add(TICKET)
    const asked = performance.now() - (age ?? 0)
    tickets.redeem = async (...given) => {
      const redeemed = await redeem.apply(tickets, given)
      if (redeemed !== null && age !== null) noteBegin(redeemed, asked)
      return redeemed
    }
    app.wsGuard.refuse({ subject: 'u1' })
    // The next upgrade begins later.
    await new Promise(resolve => setImmediate(resolve))
    t.equal((await attempt(port, `/ws?ticket=${TICKET}`)).status, status, String(age))
  }
})

t.test('all plugins on a server have one name for the session', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  recentOrdersOf(app.server).nameSession('sid')
  await t.rejects(async () => { await app.register(wsGuard, { sessionClaim: 'session_id' }) }, { code: 'WSA_GUARD_ERR_OPTION', message: /told sid/ })
})

t.test('a target that is not clear refuses nobody', async t => {
  const app = await build(t, { guard: { missingOrigin: 'allow' } })
  for (const target of [undefined, null, {}, '', { subject: 'alice', sesion: 's' }]) {
    t.throws(() => app.wsGuard.refuse(target as string), { code: 'WSA_GUARD_ERR_INVALID_TARGET' })
  }
  t.equal(recentOrdersOf(app.server).size, 0)
  app.wsGuard.refuse('alice')
  t.equal(recentOrdersOf(app.server).size, 1)
})

t.test('who may be meant by an order that was forgotten gets 503, and may try again', async t => {
  const app = await build(t, { guard: { missingOrigin: 'allow' } })
  let go: (() => void) | null = null
  app.get('/ws', {
    websocket: true,
    preValidation: app.wsGuard({
      authenticate: async () => {
        await new Promise<void>(resolve => { go = resolve })
        return { subject: 'alice' }
      }
    })
  }, socket => socket.send('{}'))
  const answer = attempt(await listen(app), '/ws')
  await until(() => go !== null)
  for (let index = 0; index <= 100_000; index++) app.wsGuard.refuse({ subject: `u${index}` })
  ;(go as unknown as () => void)()
  t.match(await answer, { status: 503 })
})
