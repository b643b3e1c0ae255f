import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { usesPublicWay } from '@fastify-airlock/core'
import t, { type Test } from 'tap'
import { build, listen, outcomes, until } from './helpers.js'

/** Without private parts of `ws`, the length of a first message is known when it is whole. */
const TOO_LONG = usesPublicWay() ? '1009 ' : '4400 auth message expected'

async function start (t: Test, options: object = {}) {
  const { app, log } = await build(t)
  let handled = 0
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake(() => { handled++ }, options))
  const server = await listen(t, app)
  const ticket = async (): Promise<string> => (await app.wsTickets.issue('alice')).ticket
  /** Waits until nothing is left of any connection. */
  const quiet = async (): Promise<void> => {
    await until(async () => await new Promise(resolve => app.server.getConnections((_error, count) => resolve(count === 0))))
    await until(() => app.wsGuard.pending + app.wsHub.count() + app.websocketServer.clients.size === 0)
  }
  return { app, log, ...server, ticket, quiet, handled: () => handled }
}

t.test('guessing tickets: every guess is refused, nothing is left open', async t => {
  const { connect, quiet } = await start(t)
  for (let round = 0; round < 5; round++) {
    const guesses = Array.from({ length: 50 }, () => connect('/ws', ['airlock.v1', `ticket.${randomBytes(32).toString('base64url')}`]))
    t.match(await outcomes(guesses), { succeeded: 0, failures: ['HTTP 401 WSA_GUARD_ERR_INVALID_CREDENTIAL'] })
  }
  await quiet()
})

t.test('values that are no tickets never reach the store', async t => {
  const { app, connect, quiet } = await start(t)
  let asked = 0
  const { redeem } = app.wsTickets
  app.wsTickets.redeem = async (ticket, context) => {
    asked++
    return await redeem.call(app.wsTickets, ticket, context)
  }
  for (const value of ['{"$gt":""}', '[object Object]', '%00', '../../etc/passwd', 'A'.repeat(42), 'A'.repeat(4_000), '%F0%9F%98%80']) {
    await t.rejects(connect(`/ws?ticket=${value}`), { message: 'HTTP 401 WSA_GUARD_ERR_INVALID_CREDENTIAL' }, value.slice(0, 20))
  }
  await t.rejects(connect('/ws?ticket[$gt]='), { message: 'HTTP 401 WSA_GUARD_ERR_NO_CREDENTIAL' })
  await t.rejects(connect('/ws?ticket=a&ticket[$ne]=b&ticket=c'), { message: 'HTTP 400 WSA_GUARD_ERR_MULTIPLE_CREDENTIALS' })
  t.equal(asked, 7)
  await quiet()
})

t.test('many that are let in and stay silent: all are closed at the deadline', async t => {
  const { connect, ticket, quiet, handled } = await start(t, { authTimeout: 300 })
  const clients = await Promise.all(Array.from({ length: 150 }, async () => await connect(`/ws?ticket=${await ticket()}`)))
  const closes = await Promise.all(clients.map(async ({ closed }) => await closed))
  t.same([...new Set(closes)], ['4408 authentication timeout'])
  t.equal(handled(), 0)
  await quiet()
})

t.test('first frames that are too large, binary, nested or endless', async t => {
  const { connect, ticket, sign, quiet, handled } = await start(t)
  const first = async (data: string | Buffer, finish = true): Promise<string> => {
    const client = await connect(`/ws?ticket=${await ticket()}`)
    client.socket.send(data, { fin: finish })
    if (!finish) client.socket.send(Buffer.alloc(65 * 1024), { fin: false })
    return await client.closed
  }
  t.equal(await first(JSON.stringify({ type: 'auth', token: 'x'.repeat(8_200) })), '4400 auth message expected')
  t.equal(await first(Buffer.from(JSON.stringify({ type: 'auth', token: sign('alice') }))), '4400 auth message expected', 'binary')
  t.equal(await first('['.repeat(8_000)), '4400 auth message expected', 'nested')
  t.equal(await first('{"type":"auth","token":{"toString":1}}'), '4400 auth message expected')
  t.equal(await first('{"__proto__":{"type":"auth","token":"x"}}'), '4400 auth message expected')
  t.equal(await first('x'.repeat(70 * 1024)), TOO_LONG)
  t.equal(await first('{"type":"auth","token":"', false), TOO_LONG, 'fragments without end')
  t.equal(handled(), 0)
  await quiet()
})

t.test('upgrades that are begun and never finished, and answers that are never read', async t => {
  const { app, port, quiet } = await start(t)
  const peers = await Promise.all(Array.from({ length: 100 }, async (_, i) => {
    const peer = connectTcp(port, '127.0.0.1')
    t.teardown(() => peer.destroy())
    peer.on('error', () => {})
    await once(peer, 'connect')
    peer.pause()
    const head = ['GET /ws?ticket=no HTTP/1.1', 'Host: x', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==', '', ''].join('\r\n')
    peer.write(i % 2 === 0 ? head : head.slice(0, -2))
    return peer
  }))
  // A client that has finished its request is refused and closed, although it never reads.
  await until(async () => await new Promise(resolve => app.server.getConnections((_error, count) => resolve(count === 50))))
  t.equal(app.wsGuard.pending, 0)
  for (const peer of peers) peer.destroy()
  await quiet()
})

t.test('a flood right behind the first frame waits, bounded, while the token is checked', async t => {
  const { connect, ticket, sign, quiet, handled } = await start(t, { authorize: async () => await new Promise(resolve => setTimeout(resolve, 200, true)) })
  const client = await connect(`/ws?ticket=${await ticket()}`)
  client.send({ type: 'auth', token: sign('alice') })
  for (let i = 0; i < 17; i++) client.send({ i })
  t.equal(await client.closed, '4413 early frame queue full')
  t.equal(handled(), 0)
  await quiet()
})
