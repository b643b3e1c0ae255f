import './dom.js'
import { createElement, useEffect } from 'react'
import t, { type Test } from 'tap'
import {
  AirlockProvider, useAirlock, useAirlockSocket, useWebSocketLite, type AirlockSocket, type AirlockSocketOptions, type WebSocketLite
} from '../src/index.js'
import { eventually, mount } from './helpers.js'
import { serve } from './real.js'

/** A page on a real server. */
async function build (t: Test) {
  const server = await serve(t)
  const page = mount(t)
  const seen = { socket: undefined as unknown as AirlockSocket<any, any> }
  function Panel (options: AirlockSocketOptions<any, any>) {
    const socket = useAirlockSocket<any, any>(options)
    useEffect(() => { seen.socket = socket })
    const { status, user, error, lastMessage } = socket
    return JSON.stringify({ status, user: user?.id, error: error?.code, lastMessage })
  }
  return {
    ...server,
    page,
    seen,
    render: (options: Partial<AirlockSocketOptions<any, any>> = {}) =>
      page.strict(createElement(Panel, { ...server.options, ...options })),
    shows: async (expected: object) => await eventually(() => page.text() === JSON.stringify(expected))
  }
}

t.test('in StrictMode, the server sees one ticket request and one socket, which ends with the component', async t => {
  const { app, counts, page, seen, render, shows } = await build(t)
  await render()
  await shows({ status: 'open', user: 'alice' })
  t.equal(seen.socket.send({ hello: 'world' }), true)
  await shows({ status: 'open', user: 'alice', lastMessage: { hello: 'world' } })
  t.match(counts, { tickets: 1, upgrades: 1, closes: [] })
  t.equal(app.websocketServer.clients.size, 1)

  await page.unmount()
  await eventually(() => counts.closes.length > 0)
  t.match(counts, { tickets: 1, upgrades: 1, closes: [1000] })
})

t.test('reconnects by itself with a new ticket', async t => {
  const { app, counts, render, shows } = await build(t)
  const opened: unknown[] = []
  await render({ onOpen: ({ user }) => opened.push(user?.id) })
  await shows({ status: 'open', user: 'alice' })
  app.wsHub.disconnect('alice', { code: 1013, reason: 'later' })
  await eventually(() => opened.length === 2)
  await shows({ status: 'open', user: 'alice' })
  t.match(counts, { tickets: 2, upgrades: 2 })
})

t.test('ends when the server disconnects the user, and starts again on reconnect()', async t => {
  const { app, counts, seen, render, shows } = await build(t)
  await render()
  await shows({ status: 'open', user: 'alice' })
  app.wsHub.disconnect('alice')
  await shows({ status: 'closed', user: 'alice', error: 'WSA_CLIENT_ERR_LOGGED_OUT' })
  t.equal(seen.socket.error?.closeCode, 4410)
  seen.socket.reconnect()
  await shows({ status: 'open', user: 'alice' })
  t.match(counts, { tickets: 2, upgrades: 2 })
})

t.test('a refused ticket ends it before there is a socket', async t => {
  const { counts, origin, seen, render, shows } = await build(t)
  await render({ getTicket: () => fetch(`${origin}/ws/ticket`, { method: 'POST' }) })
  await shows({ status: 'closed', error: 'WSA_CLIENT_ERR_UNAUTHENTICATED' })
  t.equal(seen.socket.error?.status, 401)
  t.match(counts, { tickets: 1, upgrades: 0 })
})

t.test('the JWT of another user ends it at the second door', async t => {
  const { app, seen, render, shows } = await build(t)
  await render({ getToken: () => app.jwt.sign({ sub: 'bob' }, { expiresIn: 60 }) })
  await shows({ status: 'closed', error: 'WSA_CLIENT_ERR_FORBIDDEN' })
  t.equal(seen.socket.error?.closeCode, 4403)
})

t.test('consumers of a provider share one socket', async t => {
  const { app, counts, options } = await serve(t)
  const page = mount(t)
  const heard: string[] = []
  function Consumer ({ name }: { name: string }) {
    const { status, send } = useAirlock<string, string>({ onMessage: message => heard.push(`${name} ${message}`) })
    useEffect(() => { send(`from ${name}`) }, [name, send])
    return status
  }
  await page.strict(createElement(AirlockProvider<any, any>, options,
    createElement(Consumer, { name: 'a' }), createElement(Consumer, { name: 'b' })))
  await eventually(() => heard.length === 4)
  t.equal(page.text(), 'openopen')
  t.strictSame(heard, ['a from a', 'b from a', 'a from b', 'b from b'])
  t.match(counts, { tickets: 1, upgrades: 1 })
  t.equal(app.websocketServer.clients.size, 1)
  await page.unmount()
  await eventually(() => counts.closes.length > 0)
  t.strictSame(counts.closes, [1000])
})

t.test('the adapter takes its ticket from the URL, as existing code passes it', async t => {
  const { app, counts, options, origin, token } = await serve(t)
  t.intercept(globalThis, 'WebSocket' as any, { value: options.WebSocket, configurable: true })
  const page = mount(t)
  const { ticket } = await app.wsTickets.issue('alice')
  let socket: WebSocketLite<any> | undefined
  function Panel () {
    const lite = useWebSocketLite({
      socketUrl: `${origin}/ws?ticket=${ticket}`, retry: 3, retryInterval: 10, initPayload: { type: 'jwt', token }
    })
    useEffect(() => { socket = lite })
    return JSON.stringify({ readyState: lite.readyState, message: lite.data?.message })
  }
  await page.strict(createElement(Panel))
  await eventually(() => page.text() === '{"readyState":true}')
  t.equal(socket?.send({ hello: 'world' }), true)
  await eventually(() => page.text() === '{"readyState":true,"message":{"hello":"world"}}')
  t.match(counts, { tickets: 0, upgrades: 1 })
})
