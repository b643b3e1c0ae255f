import t from 'tap'
import type { AttemptContext } from '../src/index.js'
import { build, type FakeSocket, open } from './helpers.js'
import { page } from './page.js'

t.test('close() ends everything, in every status', async t => {
  t.test('before the first attempt, and asks for no ticket', async t => {
    const { connection, tickets, seen } = build(t)
    connection.close()
    connection.close()
    t.equal(connection.status, 'closed')
    t.same(await connection.closed, { code: 1000, reason: '', willReconnect: false })
    t.equal(tickets(), 0)
    t.same(seen, [['status', 'closed'], ['close', { code: 1000, reason: '', willReconnect: false }]])
    t.equal(connection.error, null)
    await t.rejects(connection.ready(), { code: 'WSA_CLIENT_ERR_CLOSED', final: true })
    t.throws(() => connection.send(1), { code: 'WSA_CLIENT_ERR_CLOSED' })
  })
  t.test('while it asks for a ticket', async t => {
    let signal: AbortSignal | undefined
    const { connection, sockets } = build(t, {
      getTicket: context => {
        signal = context.signal
        connection.close()
        return 'abc'
      }
    })
    const ready = connection.ready()
    await t.rejects(ready, { code: 'WSA_CLIENT_ERR_CLOSED' })
    t.ok(signal?.aborted)
    await new Promise(resolve => { setImmediate(resolve) })
    t.same(sockets.all, [])
  })
  t.test('while it connects, and while it authenticates', async t => {
    for (const far of [(socket: FakeSocket) => socket, (socket: FakeSocket) => socket.accept()]) {
      const { connection, sockets } = build(t)
      const socket = far(await sockets.next())
      connection.send('dropped')
      connection.close(4_000, 'enough')
      t.same(socket.closing, [4_000, 'enough'])
      t.equal(connection.bufferedAmount, 0)
      socket.accept().end()
      t.equal(connection.status, 'closed')
    }
  })
  t.test('while waiting', async t => {
    const { connection, sockets } = build(t, { getTicket: undefined })
    ;(await sockets.next()).end()
    connection.close()
    t.same(await connection.closed, { code: 1000, reason: '', willReconnect: false })
    connection.retryNow()
    t.equal(connection.status, 'closed')
  })
  t.test('with codes and reasons that a WebSocket accepts', async t => {
    const { connection, socket } = await open(t)
    for (const [code, reason] of [[1001, ''], [2999, ''], [5000, ''], [NaN, ''], [1000, 'ä'.repeat(62)]] as const) {
      t.throws(() => { connection.close(code, reason) }, { code: 'WSA_CLIENT_ERR_OPTIONS' })
    }
    t.equal(connection.status, 'open')
    connection.close(3_000, 'a'.repeat(123))
    t.same(socket.closing, [3_000, 'a'.repeat(123)])
  })
})

t.test('code 0, which Deno has for a connection that was lost, is 1006', async t => {
  const { connection, socket, seen } = await open(t)
  socket.end(0)
  t.match(seen.find(([name]) => name === 'close'), ['close', { code: 1006, willReconnect: true }])
  t.equal(connection.status, 'waiting')
})

t.test('close() may be called in any listener', async t => {
  for (const name of ['status', 'open', 'message', 'close', 'waiting', 'error'] as const) {
    const { connection, sockets, seen } = build(t)
    connection.on(name, () => { connection.close() })
    if (name !== 'status') (await sockets.next()).admit().say('hi').end()
    await connection.closed
    t.equal(connection.status, 'closed', name)
    t.same(seen.at(-1), ['close', { code: 1000, reason: '', willReconnect: false }], 'no event follows')
  }
})

t.test('close() may be called when the signal of an attempt aborts', async t => {
  let close = (): void => {}
  const getTicket = ({ signal }: AttemptContext): string => {
    signal.addEventListener('abort', () => { close() })
    return 'abc'
  }
  const lost = build(t, { getTicket })
  close = () => { lost.connection.close() }
  ;(await lost.sockets.next()).admit().end()
  t.equal(lost.connection.status, 'closed')
  t.same(lost.seen.slice(-2), [['status', 'closed'], ['close', { code: 1000, reason: '', willReconnect: false }]])

  const closed = build(t, { getTicket })
  close = () => { closed.connection.close() }
  ;(await closed.sockets.next()).admit()
  closed.connection.close(4_000)
  t.same(closed.seen.slice(-2), [['status', 'closed'], ['close', { code: 4_000, reason: '', willReconnect: false }]])
})

t.test('retryNow() in a listener: no event announces a wait that is over', async t => {
  const { connection, sockets, seen } = build(t, { getTicket: undefined })
  connection.on('error', () => { connection.retryNow() })
  ;(await sockets.next()).end()
  t.match(seen.slice(-3), [['error', {}], ['status', 'ticket'], ['close', { willReconnect: true }]])
  t.notOk(seen.some(([name]) => name === 'waiting'))
})

t.test('an AbortSignal ends the connection as close() does', async t => {
  const controller = new AbortController()
  const { connection, socket } = await open(t, { signal: controller.signal })
  const reason = new Error('left the page')
  controller.abort(reason)
  t.same(await connection.closed, { code: 1000, reason: '', willReconnect: false })
  t.same(socket.closing, [1000, ''])
  t.equal(connection.error, null)
  await t.rejects(connection.ready(), { code: 'WSA_CLIENT_ERR_CLOSED', cause: reason })

  const { connection: late, tickets } = build(t, { signal: controller.signal })
  t.equal(late.status, 'closed')
  t.same(await late.closed, { code: 1000, reason: '', willReconnect: false })
  await new Promise(resolve => { setImmediate(resolve) })
  t.equal(tickets(), 0)
})

t.test('a signal that is none is an error, and nothing is left behind', async t => {
  const { listening } = page(t)
  for (const signal of [1, true, 'x', {}, () => {}, new AbortController()]) {
    t.throws(() => build(t, { signal: signal as AbortSignal }), { code: 'WSA_CLIENT_ERR_OPTIONS', message: /signal/ }, String(signal))
  }
  t.equal(listening(), 0)
})
