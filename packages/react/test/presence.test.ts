import './dom.js'
import { connectPresence } from '@fastify-airlock/client/presence'
import { connectTopics } from '@fastify-airlock/client/topics'
import { createElement, Fragment, useEffect } from 'react'
import { renderToString } from 'react-dom/server'
import t, { type Test } from 'tap'
import { useAirlockSocket, type AirlockSocket } from '../src/index.js'
import { PresenceProvider, usePresence, usePresenceOf, type WhoIsThere } from '../src/presence/index.js'
import { type FakeSocket, fake, mount, settle } from './helpers.js'

const frames = (socket: FakeSocket): any[] => socket.sent.filter(({ type }) => type.startsWith('presence:'))

/** Lets the client pass both doors of a server with presence. */
const admit = (socket: FakeSocket) => settle(() => {
  socket.accept()
  socket.receive({ type: 'auth_ok', user: { id: 'alice' }, expiresAt: Date.now() + 3_600_000, presence: { max: 10 } })
})
const list = (socket: FakeSocket, topic: string, ...subjects: string[]) => settle(() => {
  socket.receive({ type: 'presence:list', topic, total: subjects.length, here: subjects.map(subject => ({ subject, connections: 1 })) })
})

/** A page whose components look at topics. */
function build (t: Test) {
  const server = fake()
  const page = mount(t)
  const seen: Record<string, WhoIsThere<any>> = {}
  function Reader ({ name, topic, state }: { name: string, topic: string | null, state?: unknown }) {
    const { users, status, set } = seen[name] = usePresence<any>(topic)
    useEffect(() => { if (state !== undefined) set(state) }, [set, state])
    return `[${status}: ${users.map(({ subject }) => subject).join(' ')}]`
  }
  const reader = (props: Parameters<typeof Reader>[0]) => createElement(Reader, { key: props.name, ...props })
  const element = (props: object, children: Array<Parameters<typeof Reader>[0]>) => createElement(PresenceProvider<any, any>, { ...server.options, ...props }, ...children.map(reader))
  return {
    server,
    page,
    seen,
    render: (...children: Array<Parameters<typeof Reader>[0]>) => page.render(element({}, children)),
    renderWith: (props: object, ...children: Array<Parameters<typeof Reader>[0]>) => page.render(element(props, children)),
    strict: (...children: Array<Parameters<typeof Reader>[0]>) => page.strict(element({}, children)),
    html: (...children: Array<Parameters<typeof Reader>[0]>) => renderToString(element({}, children))
  }
}

t.test('StrictMode and several components make one watch', async t => {
  const { server, page, strict, html } = build(t)
  t.match(html({ name: 'a', topic: 'room' }), /idle/)
  await strict({ name: 'a', topic: 'room', state: 'here' }, { name: 'b', topic: 'room' }, { name: 'c', topic: null })
  t.equal(page.text(), '[waiting: ][waiting: ][idle: ]')
  await admit(server.socket)
  t.equal(server.sockets.length, 1)
  t.same(frames(server.socket), [{ type: 'presence:watch', topics: ['room'] }, { type: 'presence:set', topic: 'room', state: 'here' }])
  await list(server.socket, 'room', 'alice', 'bob')
  t.equal(page.text(), '[live: alice bob][live: alice bob][idle: ]')
  await strict({ name: 'b', topic: 'room' })
  await strict({ name: 'b', topic: '' })
  t.same(frames(server.socket).slice(2), [
    { type: 'presence:set', topic: 'room', state: null }, { type: 'presence:unwatch', topics: ['room'] }, { type: 'presence:watch', topics: [''] }
  ])
  t.equal(page.text(), '[waiting: ]')
})

t.test('comes back after a lost connection, with its state', async t => {
  const { server, page, render } = build(t)
  await render({ name: 'a', topic: 'room', state: 1 })
  await admit(server.socket)
  await list(server.socket, 'room', 'alice')
  await settle(() => server.socket.end(1001))
  t.equal(page.text(), '[waiting: alice]')
  while (server.sockets.length < 2) await settle(() => new Promise(resolve => setTimeout(resolve, 5)))
  await admit(server.socket)
  // States are paced.
  while (frames(server.socket).length < 2) await settle(() => new Promise(resolve => setTimeout(resolve, 5)))
  t.same(frames(server.socket), [{ type: 'presence:watch', topics: ['room'] }, { type: 'presence:set', topic: 'room', state: 1 }])
})

t.test('another connection gets the state as well, another topic does not', async t => {
  const { server, page, seen, renderWith, render } = build(t)
  await render({ name: 'a', topic: 'room' })
  seen.a!.set(7)
  await admit(server.socket)
  await renderWith({ url: 'ws://server/other' }, { name: 'a', topic: 'room' })
  await admit(server.socket)
  t.same(frames(server.socket), [{ type: 'presence:watch', topics: ['room'] }, { type: 'presence:set', topic: 'room', state: 7 }])
  await renderWith({ url: 'ws://server/other' }, { name: 'a', topic: 'other' })
  t.same(frames(server.socket).slice(2), [
    { type: 'presence:set', topic: 'room', state: null }, { type: 'presence:unwatch', topics: ['room'] }, { type: 'presence:watch', topics: ['other'] }
  ])
  await settle(() => { server.socket.receive({ type: 'presence:refused', topic: 'other', code: 'forbidden' }) })
  t.match(seen.a, { status: 'closed', error: { code: 'WSA_CLIENT_ERR_TOPIC_REFUSED', reason: 'forbidden' } })
  await renderWith({ url: 'ws://server/other', enabled: false }, { name: 'a', topic: 'other' })
  t.equal(page.text(), '[idle: ]')
})

t.test('has topics as well where they are asked for; takes other connections', async t => {
  const { server, renderWith } = build(t)
  await renderWith({ connect: connectTopics }, { name: 'a', topic: 'room' })
  await settle(() => server.socket.accept())
  t.match(server.socket.sent[0], { type: 'auth', topics: true, presence: true })

  const other = fake()
  const page = mount(t)
  let socket: AirlockSocket<any, any> | undefined
  function Alone () {
    socket = useAirlockSocket<any, any>({ ...other.options, connect: connectPresence })
    return usePresenceOf(socket.connection, 'room').status
  }
  await page.render(createElement(Alone))
  await admit(other.socket)
  await list(other.socket, 'room')
  t.equal(page.text(), 'live')
  const Without = () => createElement(Fragment, null, usePresence('room').status)
  t.throws(() => renderToString(createElement(Without)), /AirlockProvider/)
})

t.test('says what is missing where a connection does not know who is there', async t => {
  const server = fake()
  const { PresenceStore } = await import('../src/presence/presence-store.js')
  let connection: any
  function Catch () {
    connection = useAirlockSocket<any, any>(server.options).connection
    return null
  }
  const page = mount(t)
  await page.render(createElement(Catch))
  t.throws(() => new PresenceStore().start(connection, 'room'), /PresenceProvider/)
})
