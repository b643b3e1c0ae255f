import './dom.js'
import { createElement, useEffect } from 'react'
import t, { type Test } from 'tap'
import { useWebSocketLite, type WebSocketLite, type WebSocketLiteData, type WebSocketLiteOptions } from '../src/index.js'
import { MAX_WAITING } from '../src/use-websocket-lite.js'
import { eventually, fake, mount, settle } from './helpers.js'

/** A page with the adapter, which uses the global WebSocket. */
function build (t: Test) {
  const server = fake()
  t.intercept(globalThis, 'WebSocket' as any, { value: server.options.WebSocket, configurable: true })
  const page = mount(t)
  const seen = { socket: undefined as unknown as WebSocketLite<any> }
  const effects: Array<WebSocketLiteData<any>> = []
  function Panel (options: WebSocketLiteOptions) {
    const socket = useWebSocketLite(options)
    useEffect(() => { seen.socket = socket })
    const { data } = socket
    useEffect(() => { if (data !== undefined) effects.push(data) }, [data])
    return JSON.stringify({ readyState: socket.readyState, message: socket.data?.message })
  }
  return {
    server,
    seen,
    effects,
    unmount: page.unmount,
    shown: () => JSON.parse(page.text()!),
    render: (options: WebSocketLiteOptions) => page.strict(createElement(Panel, options))
  }
}

const initPayload = { type: 'jwt', token: 'jwt' } as const

t.test('is ready when the server has accepted it, and not before', async t => {
  const { server, seen, shown, render } = build(t)
  await render({ socketUrl: 'ws://server/ws', initPayload })
  t.equal(server.sockets.length, 1)
  await settle(() => server.socket.accept())
  t.strictSame(server.socket.sent, [{ type: 'auth', token: 'jwt', final: [4410], alive: true, messageRate: true }])
  t.strictSame(shown(), { readyState: false })
  await settle(() => server.socket.receive({ type: 'auth_ok', user: { id: 'alice' }, expiresAt: Date.now() + 60_000 }))
  t.strictSame(shown(), { readyState: true })
  t.equal(seen.socket.data, undefined)
  await settle(() => server.socket.end(4403))
  t.strictSame(shown(), { readyState: false })
})

t.test('data is the last message and when it arrived', async t => {
  const { server, seen, render } = build(t)
  await render({ socketUrl: 'ws://server/ws', initPayload })
  await settle(() => server.socket.admit())
  const before = Date.now()
  for (const [wire, message] of [
    ['{"tick":1}', { tick: 1 }],
    ['not JSON', 'not JSON'],
    [new Uint8Array([1, 2]).buffer, new Uint8Array([1, 2]).buffer]
  ] as const) {
    await settle(() => server.socket.onmessage?.({ data: wire }))
    t.strictSame(seen.socket.data?.message, message)
    const { timestamp = NaN } = seen.socket.data ?? {}
    t.ok(timestamp >= before && timestamp <= Date.now())
  }
})

t.test('every message is rendered, in order, however many come in one task', async t => {
  const { server, render, effects } = build(t)
  await render({ socketUrl: 'ws://server/ws', initPayload })
  await settle(() => server.socket.admit())
  const numbers = (count: number) => Array.from({ length: count }, (_, n) => ({ n }))
  const seen = () => effects.splice(0).map(data => data.message)
  for (const count of [1, 2, 40, 300]) {
    const burst = numbers(count)
    await settle(() => { for (const message of burst) server.socket.receive(message) })
    await eventually(() => effects.length >= count)
    t.strictSame(seen(), burst, `${count}`)
  }
  await settle(() => {
    server.socket.receive({ n: 'a' })
    server.socket.receive({ n: 'b' })
    server.socket.end(4403)
  })
  await eventually(() => effects.length >= 2)
  t.strictSame(seen(), [{ n: 'a' }, { n: 'b' }], 'also when the connection ends after them')
})

t.test('messages that wait to be rendered are bounded', async t => {
  const { server, render, effects, unmount } = build(t)
  await render({ socketUrl: 'ws://server/ws', initPayload })
  await settle(() => server.socket.admit())
  for (let n = 0; n < MAX_WAITING + 10; n++) server.socket.receive({ n })
  await eventually(() => effects.length >= 3)
  t.strictSame(effects.slice(0, 3).map(data => data.message), [{ n: 0 }, { n: 11 }, { n: 12 }])
  await unmount()
})

t.test('send() takes anything, queues if necessary, and returns whether it did', async t => {
  const { server, seen, render } = build(t)
  await render({ socketUrl: 'ws://server/ws', initPayload })
  const { send } = seen.socket
  t.equal(send({ a: 1 }), true)
  await settle(() => server.socket.admit())
  t.equal(send('text'), true)
  t.equal(send(null), true)
  t.equal(send(1n), false)
  t.strictSame(server.socket.sent.slice(1), [{ a: 1 }, 'text', null])
  await settle(() => server.socket.end(4403))
  t.equal(send('late'), false)
  t.equal(seen.socket.send, send)
})

t.test('a ticket in socketUrl', async t => {
  t.test('is removed from the URL, and travels as a subprotocol', async t => {
    const { server, render } = build(t)
    await render({ socketUrl: 'ws://server/ws?room=a&ticket=one&x=1?', initPayload })
    t.equal(server.socket.url, 'ws://server/ws?room=a&x=1%3F')
    t.strictSame(server.socket.offered, ['airlock.v1', 'ticket.one'])
  })

  t.test('is used once, and getTicket provides the next', async t => {
    const { server, render } = build(t)
    await render({ socketUrl: 'ws://server/ws?ticket=one', initPayload, getTicket: () => 'two' })
    t.equal(server.socket.url, 'ws://server/ws')
    server.socket.end(4408)
    await eventually(() => server.sockets.length === 2)
    t.strictSame(server.socket.offered, ['airlock.v1', 'ticket.two'])
  })

  t.test('is used once; without getTicket the connection then ends until there is another ticket', async t => {
    const { server, seen, shown, render } = build(t)
    await render({ socketUrl: 'ws://server/ws?ticket=one', initPayload })
    await settle(() => server.socket.admit())
    // The client retries at once after this code, without jitter.
    await settle(() => server.socket.end(4408))
    t.strictSame(shown(), { readyState: false })
    await eventually(() => !seen.socket.send('x'))
    await render({ socketUrl: 'ws://server/ws?ticket=one', initPayload })
    t.equal(server.sockets.length, 1)

    await render({ socketUrl: 'ws://server/ws?ticket=two', initPayload })
    await eventually(() => server.sockets.length === 2)
    t.strictSame(server.socket.offered, ['airlock.v1', 'ticket.two'])
    await settle(() => server.socket.admit())
    t.strictSame(shown(), { readyState: true })

    await render({ socketUrl: 'ws://server/ws?ticket=three', initPayload })
    t.equal(server.sockets.length, 2, 'a new ticket does not affect an open connection')
  })
})

t.test('without a ticket in socketUrl, getTicket provides every ticket', async t => {
  const { server, render } = build(t)
  await render({ socketUrl: 'ws://server/ws?room=a%20b', initPayload, getTicket: () => 'one' })
  t.equal(server.socket.url, 'ws://server/ws?room=a%20b')
  t.strictSame(server.socket.offered, ['airlock.v1', 'ticket.one'])
})

t.test('without initPayload it is ready at the 101', async t => {
  const { server, shown, render } = build(t)
  await render({ socketUrl: 'ws://server/ws' })
  t.strictSame(server.socket.offered, ['airlock.v1'])
  await settle(() => server.socket.accept())
  t.strictSame(shown(), { readyState: true })
})

t.test('retry and retryInterval', async t => {
  t.test('no retry', async t => {
    const { server, render } = build(t)
    await render({ socketUrl: 'ws://server/ws', initPayload, retry: 0 })
    server.socket.end(1006)
    await new Promise(resolve => setTimeout(resolve, 50))
    t.equal(server.sockets.length, 1)
  })

  t.test('two retries, then no more', async t => {
    const { server, seen, render } = build(t)
    await render({ socketUrl: 'ws://server/ws', initPayload, retry: 2, retryInterval: 5 })
    for (const attempt of [1, 2, 3]) {
      await eventually(() => server.sockets.length === attempt)
      await settle(() => server.socket.end(1006))
    }
    t.equal(seen.socket.send('x'), false, 'it is over')
  })
})

t.test('an expiring JWT is replaced by that of a new initPayload', async t => {
  const { server, render } = build(t)
  const options = { socketUrl: 'ws://server/ws', retryInterval: 5 }
  await render({ ...options, initPayload })
  await settle(() => server.socket.admit())
  await settle(() => server.socket.receive({ type: 'expiring', expiresAt: Date.now() + 10_000 }))
  await render({ ...options, initPayload: { type: 'auth', token: 'fresh' } })
  await eventually(() => server.socket.sent.length > 1)
  t.strictSame(server.socket.sent, [{ type: 'auth', token: 'jwt', final: [4410], alive: true, messageRate: true }, { type: 'refresh', token: 'fresh' }])
})
