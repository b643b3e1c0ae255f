import t from 'tap'
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { attempt, build, listen, TICKET, ticketsOf } from './helpers.js'

async function until (condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setImmediate(resolve))
}

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
