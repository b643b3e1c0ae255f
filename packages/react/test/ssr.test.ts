// Runs alone: the other files make a window, which a server has not.
/** On a server: this process has no DOM. */
import { createElement } from 'react'
import { renderToString } from 'react-dom/server'
import t from 'tap'
import { AirlockProvider, createAirlock, useAirlock, useAirlockSocket, useWebSocketLite } from '../src/index.js'
import { fake } from './helpers.js'

t.equal(typeof window, 'undefined')
t.equal(typeof document, 'undefined')

t.test('a hook on a server is idle and starts nothing', async t => {
  const complaints = t.capture(console, 'error')
  const server = fake()
  function Panel () {
    const { status, user, error, lastMessage, connection } = useAirlockSocket(server.options)
    return JSON.stringify({ status, user, error, lastMessage, connection })
  }
  const html = renderToString(createElement('p', null, createElement(Panel)))
  t.strictSame(JSON.parse(html.replace(/<\/?p>/g, '').replaceAll('&quot;', '"')), {
    status: 'idle', user: null, error: null, connection: null
  })
  await new Promise(resolve => setImmediate(resolve))
  t.equal(server.tickets(), 0)
  t.equal(server.sockets.length, 0)
  t.strictSame(complaints(), [])
})

t.test('so is a provider', async t => {
  const complaints = t.capture(console, 'error')
  const server = fake()
  function Panel () { return useAirlock({ onMessage: () => {} }).status }
  t.equal(renderToString(createElement(AirlockProvider<any, any>, server.options, createElement(Panel))), 'idle')
  await new Promise(resolve => setImmediate(resolve))
  t.equal(server.tickets(), 0)
  t.strictSame(complaints(), [])
})

t.test('and the adapter', async t => {
  function Panel () {
    const { readyState, data } = useWebSocketLite({ socketUrl: '/ws?ticket=x', initPayload: { token: 'jwt' } })
    return JSON.stringify({ readyState, data })
  }
  t.equal(renderToString(createElement(Panel)), '{&quot;readyState&quot;:false}')
})

t.test('useAirlock() throws without its provider', async t => {
  const { useAirlock: useOther } = createAirlock()
  for (const hook of [useAirlock, useOther]) {
    function Panel () { return hook().status }
    t.throws(() => renderToString(createElement(Panel)), { message: 'useAirlock needs its AirlockProvider above it' })
  }
})
