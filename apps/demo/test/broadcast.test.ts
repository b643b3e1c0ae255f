import { EventEmitter, once } from 'node:events'
import t from 'tap'
import { Ticker } from '../src/ticker.js'
import { build, enter, http, listen, login, pass, sign } from './helpers.js'

t.test('a broadcast of an admin reaches every authenticated socket, and no others', async t => {
  const { origin } = await listen(t)
  const [alice, bob, admin] = [await login(origin, 'alice'), await login(origin, 'bob'), await login(origin, 'admin')]
  const stranger = await enter(t, origin, bob)
  const clients = [await pass(t, origin, alice), await pass(t, origin, alice), await pass(t, origin, admin, '/ws/admin')]

  const data = { text: 'hello, all', list: [1, null] }
  const response = await http('POST', `${origin}/broadcast`, { token: admin, json: { data } })
  t.equal(response.status, 202)
  t.strictSame(response.body, { delivered: 3 })
  for (const client of clients) t.strictSame(await client.next('broadcast'), { type: 'broadcast', data })

  stranger.send({ type: 'auth', token: bob })
  t.equal(JSON.parse(await stranger.nextText()).type, 'auth_ok', 'the first message to a socket that was not authenticated')
  t.strictSame(stranger.pending.filter(type => type === 'broadcast'), [])
})

t.test('data may be any JSON, and is required', async t => {
  const { app } = await build(t)
  const cookies = { session: sign({ sub: 'admin', role: 'admin' }) }
  for (const data of ['text', 0, false, null, [], {}]) {
    const response = await app.inject({ method: 'POST', url: '/broadcast', cookies, payload: { data } })
    t.equal(response.statusCode, 202, JSON.stringify(data))
    t.strictSame(response.json(), { delivered: 0 })
  }
  const response = await app.inject({ method: 'POST', url: '/broadcast', cookies, payload: {} })
  t.equal(response.statusCode, 400)
  t.match(response.json(), { code: 'FST_ERR_VALIDATION' })

  const long = await app.inject({ method: 'POST', url: '/broadcast', cookies, payload: { data: 'x'.repeat(64 * 1024) } })
  t.equal(long.statusCode, 413)
  t.match(long.json(), { code: 'FST_ERR_CTP_BODY_TOO_LARGE' })
})

t.test('a reset reaches every kiosk, and no other socket', async t => {
  const { app, origin } = await listen(t)
  const [alice, admin] = [await login(origin, 'alice'), await login(origin, 'admin')]
  const kiosks = [await pass(t, origin, alice, '/ws/kiosk'), await pass(t, origin, admin, '/ws/kiosk')]
  const stranger = await enter(t, origin, alice, '/ws/kiosk')
  const other = await pass(t, origin, alice)
  t.strictSame(app.wsHub.topics(), ['kiosk'])

  const response = await http('POST', `${origin}/kiosk/reset`, { token: admin, headers: { 'content-type': 'application/json' } })
  t.equal(response.status, 202)
  t.match(response.body, { delivered: 2, position: { offset: 1 } })
  for (const kiosk of kiosks) {
    t.strictSame(await kiosk.next('reset'), { type: 'reset' })
    kiosk.send({ type: 'echo', data: 'as everywhere' })
    t.match(await kiosk.next('echo'), { data: 'as everywhere' })
  }
  await http('POST', `${origin}/broadcast`, { token: admin, json: { data: 'later' } })
  for (let type; type !== 'broadcast';) {
    ({ type } = JSON.parse(await other.nextText()))
    t.not(type, 'reset')
  }
  t.strictSame(stranger.pending, [])

  for (const { socket } of kiosks) socket.close(1000)
  while (app.wsHub.topics().length > 0) await new Promise(resolve => setTimeout(resolve, 5))
  t.match((await http('POST', `${origin}/kiosk/reset`, { token: admin })).body, { delivered: 0, position: { offset: 2 } })
})

t.test('only an admin may', async t => {
  const { app } = await build(t)
  for (const url of ['/broadcast', '/kiosk/reset']) {
    for (const claims of [{ sub: 'alice', role: 'user' }, { sub: 'admin' }]) {
      const response = await app.inject({ method: 'POST', url, cookies: { session: sign(claims) }, payload: { data: 1 } })
      t.equal(response.statusCode, 403)
      t.match(response.json(), { code: 'WSA_DEMO_ERR_FORBIDDEN' })
    }
  }
})

class FakeSocket extends EventEmitter {
  readonly sent: string[] = []

  send (data: string) {
    this.sent.push(data)
    this.emit('sent')
  }
}

t.test('each socket has its own count, until it closes', async t => {
  const ticker = new Ticker(10)
  const [early, late] = [new FakeSocket(), new FakeSocket()]
  ticker.add(early)
  while (early.sent.length < 2) await once(early, 'sent')
  ticker.add(late)
  while (late.sent.length < 2) await once(late, 'sent')
  t.strictSame(early.sent.slice(0, 3), ['{"type":"tick","n":1}', '{"type":"tick","n":2}', '{"type":"tick","n":3}'])
  t.strictSame(late.sent, ['{"type":"tick","n":1}', '{"type":"tick","n":2}'])

  early.emit('close')
  const count = early.sent.length
  await once(late, 'sent')
  t.equal(early.sent.length, count)
  t.equal(ticker.size, 1)
  late.emit('close')
  t.equal(ticker.size, 0)
})

t.test('ticks start again after the last socket has closed', async t => {
  const ticker = new Ticker(5)
  for (let round = 0; round < 2; round++) {
    const socket = new FakeSocket()
    ticker.add(socket)
    await once(socket, 'sent')
    t.strictSame(socket.sent, ['{"type":"tick","n":1}'])
    socket.emit('close')
  }
})
