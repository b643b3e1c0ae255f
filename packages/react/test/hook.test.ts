import './dom.js'
import { createElement, useEffect, version } from 'react'
import t from 'tap'
import { useAirlockSocket, type AirlockSocket, type AirlockSocketOptions } from '../src/index.js'
import { fake, mount, settle } from './helpers.js'

t.comment(`React ${version}`)

/** A component that shows everything, and gives away what it has got. */
function component () {
  const seen: { socket: AirlockSocket<any, any>, renders: number } = { socket: undefined as any, renders: 0 }
  function Panel (options: AirlockSocketOptions<any, any>) {
    const socket = useAirlockSocket<any, any>(options)
    const { status, user, error, lastMessage } = socket
    useEffect(() => { seen.socket = socket })
    seen.renders++
    return JSON.stringify({ status, user: user?.id, error: error?.code, lastMessage })
  }
  return { seen, Panel }
}

t.test('goes through both doors and tells of each step', async t => {
  const server = fake()
  const page = mount(t)
  const { seen, Panel } = component()
  const shown = () => JSON.parse(page.text()!)

  await page.render(createElement(Panel, server.options))
  t.equal(server.sockets.length, 1)
  t.strictSame(shown(), { status: 'connecting' })
  t.strictSame(server.socket.offered, ['airlock.v1', 'ticket.ticket-1'])

  await settle(() => server.socket.accept())
  t.strictSame(shown(), { status: 'authenticating' })
  t.strictSame(server.socket.sent, [{ type: 'auth', token: 'jwt' }])

  await settle(() => server.socket.receive({ type: 'auth_ok', user: { id: 'alice' }, expiresAt: Date.now() + 60_000 }))
  t.strictSame(shown(), { status: 'open', user: 'alice' })
  t.equal(seen.socket.connection?.protocol, 'airlock.v1')

  await settle(() => server.socket.receive({ tick: 1 }))
  t.strictSame(shown(), { status: 'open', user: 'alice', lastMessage: { tick: 1 } })

  t.equal(seen.socket.send({ type: 'echo' }), true)
  t.strictSame(server.socket.sent.at(-1), { type: 'echo' })

  await page.unmount()
  t.equal(server.socket.closed?.[0], 1000)
  t.equal(server.sockets.length, 1)
})
