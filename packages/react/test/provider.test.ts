import './dom.js'
import { createElement, Fragment, useEffect, useState, type ReactNode } from 'react'
import { flushSync } from 'react-dom'
import t, { type Test } from 'tap'
import {
  AirlockProvider, createAirlock, useAirlock, type AirlockProviderProps, type AirlockSocket, type SocketHandlers
} from '../src/index.js'
import { fake, mount, settle, uncaught } from './helpers.js'

function Consumer (handlers: SocketHandlers<any>) {
  const { status, lastMessage } = useAirlock(handlers)
  return `[${status} ${String(lastMessage)}]`
}

/** A page with a provider. */
function build (t: Test) {
  const server = fake()
  const page = mount(t)
  const element = (props: Partial<AirlockProviderProps<any, any>>, children: ReactNode[]) =>
    createElement(AirlockProvider<any, any>, { ...server.options, ...props }, ...children)
  return {
    server,
    page,
    render: (props: Partial<AirlockProviderProps<any, any>>, ...children: ReactNode[]) => page.render(element(props, children)),
    strict: (props: Partial<AirlockProviderProps<any, any>>, ...children: ReactNode[]) => page.strict(element(props, children))
  }
}

t.test('components share one socket and one ticket, and each hears every message', async t => {
  const { server, page, strict } = build(t)
  const heard: string[] = []
  const hear = (who: string) => (message: unknown) => { heard.push(`${who} ${message}`) }
  await strict(
    { onMessage: hear('provider') },
    createElement(Consumer, { onMessage: hear('a') }),
    createElement('p', null, createElement(Consumer, { onMessage: hear('b') })),
    createElement(Consumer)
  )
  await settle(() => server.socket.admit())
  await settle(() => server.socket.receive('hello'))
  t.equal(page.text(), '[open hello][open hello][open hello]')
  t.strictSame(heard, ['provider hello', 'a hello', 'b hello'])
  t.equal(server.tickets(), 1)
  t.equal(server.sockets.length, 1)
})

t.test('components may mount and unmount while the socket stays', async t => {
  const { server, page, render } = build(t)
  const heard: string[] = []
  const hear = (who: string) => (message: unknown) => { heard.push(`${who} ${message}`) }
  const a = createElement(Consumer, { key: 'a', onMessage: hear('a') })
  const b = createElement(Consumer, { key: 'b', onMessage: hear('b') })
  await render({}, [a])
  await settle(() => server.socket.admit())
  await settle(() => server.socket.receive(1))
  await render({}, [a, b])
  t.equal(page.text(), '[open 1][open 1]')
  await settle(() => server.socket.receive(2))
  await render({}, [b])
  await settle(() => server.socket.receive(3))
  await render({}, [])
  await settle(() => server.socket.receive(4))
  t.strictSame(heard, ['a 1', 'a 2', 'b 2', 'b 3'])
  t.equal(server.tickets(), 1)
  t.equal(server.socket.closed, undefined)
})

t.test('the socket ends with the provider', async t => {
  const { server, page, render } = build(t)
  const heard: unknown[] = []
  const hear = (event: unknown) => { heard.push(event) }
  await render({}, createElement(Consumer, { onMessage: hear, onClose: hear, onError: hear }))
  await settle(() => server.socket.admit())
  const { onmessage, onclose } = server.socket
  await page.unmount()
  t.equal(server.socket.closed?.[0], 1000)
  onmessage?.({ data: '1' })
  onclose?.({ code: 1000, reason: '' })
  t.strictSame(heard, [])
})

t.test('calls the handlers of the last render; one that throws does not affect the others', async t => {
  const errors = uncaught(t)
  const { server, render } = build(t)
  const heard: string[] = []
  const children = (n: number) => [
    createElement(Consumer, { key: 'a', onOpen: ({ user }) => { heard.push(`${user?.id} ${n}`) }, onMessage: () => { throw new Error('mine') } }),
    createElement(Consumer, { key: 'b', onMessage: message => { heard.push(`${message} ${n}`) } })
  ]
  await render({}, ...children(1))
  await render({}, ...children(2))
  await settle(() => server.socket.admit())
  await settle(() => server.socket.receive('hello'))
  t.strictSame(heard, ['alice 2', 'hello 2'])
  t.match(errors, [{ message: 'mine' }])
})

t.test('a handler may unmount another component, which then hears nothing', async t => {
  const { server, page, render } = build(t)
  const heard: string[] = []
  function Parent () {
    const [both, setBoth] = useState(true)
    return createElement(Fragment, null,
      createElement(Consumer, { onMessage: () => { heard.push('first'); flushSync(() => setBoth(false)) } }),
      both && createElement(Consumer, { onMessage: () => { heard.push('second') } }))
  }
  await render({}, createElement(Parent))
  await settle(() => server.socket.admit())
  await settle(() => server.socket.receive('hello'))
  t.strictSame(heard, ['first'])
  t.equal(page.text(), '[open hello]')
})

t.test('effects of children may send before the provider has started, and each message is sent once', async t => {
  const { server, strict } = build(t)
  function Subscriber ({ topic }: { topic: string }) {
    const { send } = useAirlock()
    useEffect(() => { send({ subscribe: topic }) }, [send, topic])
    return null
  }
  await strict({}, createElement(Subscriber, { topic: 'a' }), createElement(Subscriber, { topic: 'b' }))
  await settle(() => server.socket.admit())
  t.strictSame(server.socket.sent.slice(1), [{ subscribe: 'a' }, { subscribe: 'b' }])
})

t.test('neither the provider nor its children render by themselves', async t => {
  const { server, render } = build(t)
  let renders = 0
  function Child () {
    renders++
    return null
  }
  await render({}, createElement(Child))
  await settle(() => server.socket.admit())
  await settle(() => server.socket.receive('hello'))
  t.equal(renders, 1)
})

t.test('pairs from createAirlock() do not affect each other', async t => {
  const chat = fake()
  const admin = fake()
  const { AirlockProvider: ChatProvider, useAirlock: useChat } = createAirlock<string, { say: string }>()
  const { AirlockProvider: AdminProvider, useAirlock: useAdmin } = createAirlock<number, never>()
  const page = mount(t)
  let socket: AirlockSocket<string, { say: string }> | undefined
  function Panel () {
    const chat = useChat()
    useEffect(() => { socket = chat })
    return `${chat.lastMessage} ${useAdmin().lastMessage}`
  }
  await page.render(createElement(ChatProvider, chat.options,
    createElement(AdminProvider, admin.options, createElement(Panel))))
  await settle(() => {
    chat.socket.admit()
    chat.socket.receive('hello')
    admin.socket.admit()
    admin.socket.receive(7)
  })
  t.equal(page.text(), 'hello 7')
  socket?.send({ say: 'hi' })
  t.strictSame(chat.socket.sent.at(-1), { say: 'hi' })
  t.equal(admin.socket.sent.length, 1)
})
