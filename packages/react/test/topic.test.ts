import './dom.js'
import { connectTopics } from '@fastify-airlock/client/topics'
import { createElement, Fragment } from 'react'
import { renderToString } from 'react-dom/server'
import t, { type Test } from 'tap'
import { AirlockProvider, createAirlock, useAirlockSocket, type AirlockSocket } from '../src/index.js'
import { TopicsProvider, useTopic, useTopicOf, type Topic, type UseTopicOptions } from '../src/topics/index.js'
import { type FakeSocket, fake, mount, settle } from './helpers.js'

const at = (offset: number) => ({ epoch: 'e', offset })
const frames = (socket: FakeSocket): any[] => socket.sent.filter(({ type }) => type.startsWith('topic:'))

/** Lets the client pass both doors of a server with topics. */
const admit = (socket: FakeSocket) => settle(() => {
  socket.accept()
  socket.receive({ type: 'auth_ok', user: { id: 'alice' }, expiresAt: Date.now() + 3_600_000, topics: { max: 10 } })
})
const say = (socket: FakeSocket, type: string, topic: string, members: object = {}) => settle(() => { socket.receive({ type: `topic:${type}`, topic, ...members }) })

/** A page whose components use topics. */
function build (t: Test) {
  const server = fake()
  const page = mount(t)
  const renders: Record<string, number> = {}
  const seen: Record<string, Topic<any>> = {}
  function Reader ({ name, topic, show = ['status', 'lastMessage'], ...options }: { name: string, topic: string | null, show?: string[] } & UseTopicOptions<any>) {
    renders[name] = (renders[name] ?? 0) + 1
    const state = seen[name] = useTopic<any>(topic, options)
    return `[${show.map(part => JSON.stringify((state as any)[part]?.data ?? (state as any)[part])).join(' ')}]`
  }
  const reader = (props: Parameters<typeof Reader>[0]) => createElement(Reader, { key: props.name, ...props })
  const element = (props: object, children: Array<Parameters<typeof Reader>[0]>) => createElement(TopicsProvider<any, any>, { ...server.options, ...props }, ...children.map(reader))
  return {
    server,
    page,
    renders,
    seen,
    render: (...children: Array<Parameters<typeof Reader>[0]>) => page.render(element({}, children)),
    renderWith: (props: object, ...children: Array<Parameters<typeof Reader>[0]>) => page.render(element(props, children)),
    strict: (...children: Array<Parameters<typeof Reader>[0]>) => page.strict(element({}, children))
  }
}

t.test('StrictMode and several components make one subscription', async t => {
  const { server, page, strict } = build(t)
  await strict({ name: 'a', topic: 'news' }, { name: 'b', topic: 'news' }, { name: 'c', topic: null })
  t.equal(page.text(), '["subscribing" ]["subscribing" ]["idle" ]')
  await admit(server.socket)
  t.equal(server.sockets.length, 1)
  t.same(frames(server.socket), [{ type: 'topic:subscribe', topics: [{ topic: 'news' }] }])
  await say(server.socket, 'subscribed', 'news', { position: at(0) })
  await say(server.socket, 'message', 'news', { position: at(1), data: 'x' })
  t.equal(page.text(), '["subscribed" "x"]["subscribed" "x"]["idle" ]')
})

t.test('a component that mounts later in StrictMode asks for nothing twice', async t => {
  const { server, page, strict } = build(t)
  await strict()
  await admit(server.socket)
  await strict({ name: 'a', topic: 'news' })
  t.same(frames(server.socket), [{ type: 'topic:subscribe', topics: [{ topic: 'news' }] }])
  await say(server.socket, 'subscribed', 'news')
  await strict()
  t.same(frames(server.socket).slice(1), [{ type: 'topic:unsubscribe', topics: ['news'] }])
  t.equal(page.text(), '')
})

t.test('resumes after a lost connection, and shows it', async t => {
  const { server, page, render } = build(t)
  const loads: string[] = []
  const reader = { name: 'a', topic: 'news', show: ['status', 'position', 'recovered'], load: async ({ topic }: { topic: string }) => { loads.push(topic) } }
  await render(reader)
  await admit(server.socket)
  await say(server.socket, 'subscribed', 'news', { position: at(4) })
  t.equal(page.text(), '["subscribed" {"epoch":"e","offset":4} ]')
  t.same(loads, ['news'])
  await settle(() => server.socket.end(1001))
  t.match(page.text(), /^\["subscribing"/)
  while (server.sockets.length < 2) await settle(() => new Promise(resolve => setTimeout(resolve, 5)))
  await admit(server.socket)
  t.same(frames(server.socket), [{ type: 'topic:subscribe', topics: [{ topic: 'news', since: at(4) }] }])
  await say(server.socket, 'subscribed', 'news', { position: at(5), recovered: true, messages: [{ position: at(5), data: 'missed' }] })
  t.equal(page.text(), '["subscribed" {"epoch":"e","offset":5} true]')
  t.same(loads, ['news'])
  await say(server.socket, 'gap', 'news', { position: at(9) })
  t.equal(page.text(), '["subscribed" {"epoch":"e","offset":9} false]')
  t.same(loads, ['news', 'news'])
})

t.test('calls the functions of the last render, and none after the unmount', async t => {
  const { server, render } = build(t)
  const calls: string[] = []
  const reader = (version: string) => ({
    name: 'a',
    topic: 'news',
    onMessage: ({ data }: { data: unknown }) => { calls.push(`${version} ${data}`) },
    onSubscribed: () => { calls.push(`${version} subscribed`) },
    onEnd: ({ reason }: { reason: string | undefined }) => { calls.push(`${version} ${reason}`) }
  })
  await render(reader('old'))
  await admit(server.socket)
  await render(reader('new'))
  await say(server.socket, 'subscribed', 'news')
  await say(server.socket, 'message', 'news', { data: 1 })
  t.same(calls, ['new subscribed', 'new 1'])
  await say(server.socket, 'left', 'news', { reason: 'evicted' })
  t.same(calls.splice(0), ['new subscribed', 'new 1', 'new evicted'])
  await render({ ...reader('other'), topic: 'other' })
  await render()
  await say(server.socket, 'subscribed', 'other')
  t.same(calls, [])
})

t.test('a refusal is an error of the topic alone', async t => {
  const { server, page, render, seen } = build(t)
  await render({ name: 'a', topic: 'secret', show: ['status'] }, { name: 'b', topic: 'news', show: ['status'] })
  await admit(server.socket)
  await say(server.socket, 'subscribed', 'news')
  await say(server.socket, 'refused', 'secret', { code: 'forbidden' })
  t.equal(page.text(), '["closed"]["subscribed"]')
  t.match(seen.a!.error, { code: 'WSA_CLIENT_ERR_TOPIC_REFUSED', reason: 'forbidden' })
})

t.test('renders only for what it has read', async t => {
  const { server, render, renders } = build(t)
  await render({ name: 'a', topic: 'news', show: ['status'] }, { name: 'b', topic: 'news', show: [] })
  await admit(server.socket)
  await say(server.socket, 'subscribed', 'news')
  const before = { ...renders }
  await say(server.socket, 'message', 'news', { position: at(1), data: 1 })
  t.same(renders, before)
})

t.test('another topic begins anew; another connection takes up where the last one stood', async t => {
  const { server, page, render, renderWith } = build(t)
  await render({ name: 'a', topic: 'one', since: at(2) })
  await admit(server.socket)
  t.same(frames(server.socket).pop(), { type: 'topic:subscribe', topics: [{ topic: 'one', since: at(2) }] })
  await say(server.socket, 'subscribed', 'one', { position: at(2), recovered: true })
  await say(server.socket, 'message', 'one', { position: at(3), data: 'x' })
  await render({ name: 'a', topic: 'two' })
  t.equal(page.text(), '["subscribing" ]')
  t.same(frames(server.socket).slice(-2), [{ type: 'topic:unsubscribe', topics: ['one'] }, { type: 'topic:subscribe', topics: [{ topic: 'two' }] }])
  await say(server.socket, 'subscribed', 'two', { position: at(7) })
  await settle(() => server.socket.end(4403))
  t.equal(page.text(), '["closed" ]')
  const { sockets } = server
  await renderWith({ url: 'ws://server/other' }, { name: 'a', topic: 'two' })
  await admit(sockets.at(-1)!)
  t.match(frames(server.socket), [{ type: 'topic:subscribe', topics: [{ topic: 'two' }] }])
  await renderWith({ url: 'ws://server/other', enabled: false }, { name: 'a', topic: 'two' })
  t.equal(page.text(), '["idle" ]')
})

t.test('a connection that is away for a while leaves no gap in silence', async t => {
  const off = { enabled: false }
  for (const [between, since] of [
    [[[off, 'news']], at(3)], [[[off, 'news'], [off, 'news']], at(3)], [[[{ url: 'ws://server/other' }, 'news']], undefined],
    [[[off, 'other'], [off, 'news']], undefined], [[[off, null], [off, 'news']], undefined], [[[off, null]], undefined], [[[{}, null]], undefined]
  ] as Array<[Array<[object, string | null]>, object | undefined]>) {
    const { server, render, renderWith } = build(t)
    const events: unknown[] = []
    const reader = (topic: string | null) => ({ name: 'a', topic, onSubscribed: (event: unknown) => { events.push(event) } })
    await render(reader('news'))
    await admit(server.socket)
    await say(server.socket, 'subscribed', 'news', { position: at(3) })
    for (const [props, topic] of between) {
      await renderWith(props, reader(topic))
      if (!('enabled' in props) && topic !== null) await admit(server.sockets.at(-1)!)
    }
    if ('url' in between[0]![0]) {
      t.match(frames(server.sockets.at(-1)!), [{ topics: [{ topic: 'news', since: at(3) }] }], 'nor does another one')
      continue
    }
    await render(reader('news'))
    if ('enabled' in between[0]![0]) await admit(server.sockets.at(-1)!)
    t.same(frames(server.sockets.at(-1)!).at(-1), { type: 'topic:subscribe', topics: [{ topic: 'news', ...(since && { since }) }] }, JSON.stringify(between))
    await say(server.sockets.at(-1)!, 'subscribed', 'news', { position: at(5), ...(since && { recovered: false }) })
    t.match(events.at(-1), { recovered: since && false })
  }
})

t.test('publishes', async t => {
  const { server, seen, render } = build(t)
  await render({ name: 'a', topic: null })
  await t.rejects(seen.a!.publish(1), { code: 'WSA_CLIENT_ERR_CLOSED' })
  await render({ name: 'a', topic: 'chat' })
  await admit(server.socket)
  const publishing = seen.a!.publish({ text: 'hi' }, { timeout: 60_000 })
  await settle()
  const { id, topic, data } = frames(server.socket).at(-1)
  t.same([topic, data], ['chat', { text: 'hi' }])
  await settle(() => { server.socket.receive({ type: 'topic:published', id, position: at(1) }) })
  t.same(await publishing, { position: at(1) })
})

t.test('takes the connection of useAirlockSocket, of createAirlock, and of no provider without topics', async t => {
  const server = fake()
  const page = mount(t)
  let socket: AirlockSocket<any, any> | undefined
  function Alone () {
    socket = useAirlockSocket<any, any>({ ...server.options, connect: connectTopics })
    return useTopicOf(socket.connection, 'news').status
  }
  await page.render(createElement(Alone))
  await admit(server.socket)
  await say(server.socket, 'subscribed', 'news', { position: at(3) })
  t.equal(page.text(), 'subscribed')
  await settle(() => server.socket.end(4403))
  t.equal(page.text(), 'closed')
  await settle(() => socket!.reconnect())
  await admit(server.socket)
  t.same(frames(server.socket), [{ type: 'topic:subscribe', topics: [{ topic: 'news', since: at(3) }] }], 'nothing was lost between the two')

  const { AirlockProvider: Provider, useAirlock } = createAirlock<any, any>()
  const Typed = () => useTopicOf(useAirlock().connection, 'news').status
  t.equal(renderToString(createElement(Provider, server.options, createElement(Typed))), 'idle')

  const Without = () => createElement(Fragment, null, useTopic('news').status)
  t.throws(() => renderToString(createElement(Without)), /AirlockProvider/)
})

t.test('says what is missing where a connection has no topics', async t => {
  const server = fake()
  const { TopicStore } = await import('../src/topics/topic-store.js')
  let connection: any
  function Catch () {
    connection = useAirlockSocket<any, any>(server.options).connection
    return null
  }
  const page = mount(t)
  await page.render(createElement(Catch))
  t.throws(() => new TopicStore().start(connection, 'news'), /TopicsProvider/)
  t.ok(AirlockProvider)
})
