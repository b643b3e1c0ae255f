import './dom.js'
import { createElement, StrictMode } from 'react'
import { hydrateRoot } from 'react-dom/client'
import { renderToString } from 'react-dom/server'
import t from 'tap'
import { AirlockProvider, useAirlock } from '../src/index.js'
import { fake, settle } from './helpers.js'

t.test('hydrates the HTML of a server, and then connects', async t => {
  const complaints = t.capture(console, 'error')
  const errors: unknown[] = []
  const server = fake()
  function Panel () {
    const { status, user } = useAirlock()
    return createElement('p', null, status, user && createElement('b', null, user.id))
  }
  const app = createElement(StrictMode, null,
    createElement(AirlockProvider<any, any>, server.options, createElement(Panel)))
  const container = document.createElement('div')
  container.innerHTML = renderToString(app)
  t.equal(container.innerHTML, '<p>idle</p>')
  const paragraph = container.firstChild

  let root: ReturnType<typeof hydrateRoot> | undefined
  await settle(() => { root = hydrateRoot(container, app, { onRecoverableError: error => { errors.push(error) } }) })
  await settle(() => server.socket.admit())
  t.equal(container.innerHTML, '<p>open<b>alice</b></p>')
  t.equal(container.firstChild, paragraph)
  t.equal(server.tickets(), 1)
  await settle(() => root!.unmount())
  t.equal(server.socket.closed?.[0], 1000)
  t.strictSame(errors, [])
  t.strictSame(complaints(), [])
})
