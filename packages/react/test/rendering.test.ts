import './dom.js'
import { createElement, Fragment, startTransition, useEffect, useLayoutEffect, useMemo, useState } from 'react'
import { flushSync } from 'react-dom'
import { createRoot } from 'react-dom/client'
import t from 'tap'
import { AirlockProvider, useAirlock, useAirlockSocket, type AirlockSocket } from '../src/index.js'
import { eventually, fake, mount, settle } from './helpers.js'

t.test('a component renders again only for what it reads', async t => {
  const server = fake()
  const page = mount(t)
  const renders = { nothing: 0, status: 0, message: 0, user: 0 }
  const heard: unknown[] = []

  function Nothing () {
    useAirlock({ onMessage: message => heard.push(message) })
    renders.nothing++
    return null
  }
  function Status () {
    const { status, send } = useAirlock()
    renders.status++
    return createElement('button', { onClick: () => send('x') }, status)
  }
  function Message () {
    const { lastMessage } = useAirlock<string>()
    renders.message++
    return createElement(Fragment, null, lastMessage)
  }
  function User () {
    const { user } = useAirlock()
    renders.user++
    return user?.id
  }
  await page.render(createElement(AirlockProvider<any, any>, server.options,
    createElement(Nothing), createElement(Status), createElement(Message), createElement(User)))
  await settle(() => server.socket.admit())
  const before = { ...renders }
  t.equal(before.nothing, 1)
  t.equal(before.message, 1)
  t.equal(before.user, 2)

  for (let n = 1; n <= 10; n++) await settle(() => server.socket.receive(`m${n}`))
  t.strictSame(renders, { ...before, message: before.message + 10 })
  t.strictSame(heard, Array.from({ length: 10 }, (_, n) => `m${n + 1}`))
  t.equal(page.text(), 'openm10alice')
})

t.test('so does one with its own socket', async t => {
  const server = fake()
  const page = mount(t)
  let renders = 0
  let count = 0
  function Counter () {
    useAirlockSocket({ ...server.options, onMessage: () => count++ })
    renders++
    return null
  }
  await page.render(createElement(Counter))
  await settle(() => server.socket.admit())
  for (let n = 1; n <= 10; n++) await settle(() => server.socket.receive(n))
  t.equal(count, 10)
  t.equal(renders, 1)
})

t.test('a component that starts to read a property sees its current value', async t => {
  const server = fake()
  const page = mount(t)
  function Late ({ reads }: { reads: boolean }) {
    const socket = useAirlockSocket<string>(server.options)
    return reads ? socket.lastMessage : 'nothing'
  }
  await page.render(createElement(Late, { reads: false }))
  await settle(() => server.socket.admit())
  await settle(() => server.socket.receive('first'))
  t.equal(page.text(), 'nothing')
  await page.render(createElement(Late, { reads: true }))
  t.equal(page.text(), 'first')
  await settle(() => server.socket.receive('second'))
  t.equal(page.text(), 'second')
})

t.test('the result', async t => {
  const server = fake()
  const page = mount(t)
  const seen: Array<AirlockSocket<string>> = []
  let memoized = 0
  function Panel (_props: { n: number }) {
    const socket = useAirlockSocket<string>(server.options)
    seen.push(socket)
    // Like the React Compiler: compute again only for another object.
    return useMemo(() => {
      memoized++
      return `${socket.status} ${socket.lastMessage}`
    }, [socket])
  }
  await page.render(createElement(Panel, { n: 1 }))
  await settle(() => server.socket.admit())
  await settle(() => server.socket.receive('hello'))

  t.test('stays the same object until something changes', async t => {
    t.equal(page.text(), 'open hello')
    const before = memoized
    const last = seen.at(-1)
    await page.render(createElement(Panel, { n: 2 }))
    t.equal(seen.at(-1), last)
    t.equal(memoized, before)
    await settle(() => server.socket.receive('again'))
    t.not(seen.at(-1), last)
    t.equal(page.text(), 'open again')
    t.equal(last!.lastMessage, 'hello', 'an object of an earlier render keeps its values')
  })

  t.test('always has the same functions', async t => {
    await page.render(createElement(Panel, { n: 3 }))
    for (const name of ['send', 'close', 'reconnect'] as const) {
      t.equal(new Set(seen.map(socket => socket[name])).size, 1, name)
    }
  })
})

t.test('components that render in pieces never show two different messages', async t => {
  const server = fake()
  const page = mount(t)
  const commits: string[][] = []
  let rendered = 0

  function Slow () {
    const { lastMessage } = useAirlock<string>()
    rendered++
    for (const end = performance.now() + 4; performance.now() < end;);
    return createElement('i', null, lastMessage)
  }
  let show = () => {}
  function List () {
    const [shown, setShown] = useState(false)
    useEffect(() => { show = () => setShown(true) }, [])
    useLayoutEffect(() => {
      commits.push([...page.container.querySelectorAll('i')].map(item => item.textContent!))
    })
    return shown ? Array.from({ length: 12 }, (_, key) => createElement(Slow, { key })) : null
  }
  await page.render(createElement(AirlockProvider<any, any>, server.options, createElement(List)))
  await settle(() => server.socket.admit())
  await settle(() => server.socket.receive('old'))

  startTransition(show)
  await eventually(() => rendered > 0)
  t.ok(rendered < 12, 'the transition is under way')
  server.socket.receive('new')
  await eventually(() => page.text() === 'new'.repeat(12))
  for (const commit of commits) t.ok(new Set(commit).size <= 1, commit.join())
})

t.test('renders synchronously as well', async t => {
  const server = fake()
  const container = document.createElement('div')
  const root = createRoot(container)
  function Panel () { return useAirlockSocket(server.options).status }
  flushSync(() => root.render(createElement(Panel)))
  t.equal(container.textContent, 'idle')
  await eventually(() => container.textContent === 'connecting')
  flushSync(() => root.unmount())
  t.equal(server.socket.closed?.[0], 1000)
})
