import t from 'tap'
import { clock, fakes } from './helpers.js'
import { admit, at, build, confirm, eventually, frames, heard, message, open, taken, tick } from './topics.js'
import { raw } from '../src/index.js'
import { connectTopics } from '../src/topics/index.js'
import { connectTopics as connectInNode } from '../src/topics/node.js'
import { createRequest } from '../src/topics/request.js'

t.test('asks for the extension in auth, and hands on what is not of topics', async t => {
  const { connection, sockets } = build(t)
  const messages: unknown[] = []
  connection.on('message', message => { messages.push(message) })
  const socket = (await sockets.next()).accept()
  t.match(JSON.parse(socket.sent[0] as string), { type: 'auth', token: String, alive: true, messageRate: true, topics: true })
  socket.say({ type: 'auth_ok', user: { id: 'alice' }, expiresAt: 1e15, topics: { max: 3 } })
  t.match(connection, { status: 'open', user: { id: 'alice' } })
  socket.say({ type: 'topic:message', topic: 'nobody subscribed', data: 1 })
  socket.say({ type: 'topic:something new', topic: 'x' })
  for (const message of [{ n: 1 }, null, 'a', { type: 'topical' }, { type: 7, x: '"topic:' }, { text: 'topic:x' }, { x: { type: 'topic:x' } }]) socket.say(message)
  socket.onmessage?.({ data: new Uint8Array([123]).buffer })
  t.match(messages, [{ n: 1 }, null, 'a', { type: 'topical' }, { type: 7 }, { text: 'topic:x' }, { x: {} }, ArrayBuffer])
  connection.send({ type: 'topic:mine' })
  t.same(JSON.parse(socket.sent[1] as string), { type: 'topic:mine' })
  t.equal(connection.protocol, 'airlock.v1')
})

t.test('leaves the request out where auth would be too long, and keeps a codec', async t => {
  const length = JSON.stringify({ type: 'auth', token: '', final: [4410], alive: true, messageRate: true }).length
  for (const [more, asked] of [[14, true], [13, undefined]] as const) {
    const { sockets, connection } = build(t, { getToken: () => 'x'.repeat(100), maxAuthBytes: length + 100 + more, codec: raw })
    const socket = (await sockets.next()).accept()
    const sent = JSON.parse(socket.sent[0] as string)
    t.equal(sent.topics, asked)
    t.ok(sent.alive)
    admit(socket)
    connection.send('plain')
    t.equal(socket.sent.at(-1), 'plain')
  }
})

t.test('a server without topics is told of at once, not after a wait', async t => {
  const { connection, sockets, errors } = build(t)
  const { handlers, all } = heard()
  const subscription = connection.subscribe('news', handlers)
  const publishing = t.rejects(connection.publish('news', 1), { code: 'WSA_CLIENT_ERR_TOPICS_OFF', topic: 'news' })
  const socket = (await sockets.next()).admit()
  await publishing
  t.match(subscription, { status: 'closed', error: { code: 'WSA_CLIENT_ERR_TOPICS_OFF' } })
  t.same(all, [['end', 'WSA_CLIENT_ERR_TOPICS_OFF', undefined]])
  t.match(errors, [{ code: 'WSA_CLIENT_ERR_TOPICS_OFF', final: false, topic: 'news' }])
  const late = connection.subscribe('later')
  await t.rejects((async () => { for await (const message of late) t.fail(String(message)) })(), { code: 'WSA_CLIENT_ERR_TOPICS_OFF' })
  await t.rejects(connection.publish('later', 1), { code: 'WSA_CLIENT_ERR_TOPICS_OFF' })
  t.same(frames(socket), [])
  const messages: unknown[] = []
  connection.on('message', message => { messages.push(message) })
  socket.say({ type: 'topic:message', topic: 'news', data: 1 })
  t.match(messages, [{ type: 'topic:message' }], 'these are messages of the application then')
  t.equal(connection.status, 'open')

  socket.end()
  const again = connection.subscribe('news')
  const next = admit(await sockets.next())
  t.match(await taken(next), [{ type: 'topic:subscribe', topics: [{ topic: 'news' }] }], 'another node may have them')
  t.equal(again.status, 'subscribing')
})

t.test('subscribes together, in as few frames as the server takes, and to each topic once', async t => {
  const { connection, sockets } = build(t)
  const early = connection.subscribe('a')
  connection.subscribe('a')
  const socket = admit(await sockets.next())
  t.same(await taken(socket), [{ type: 'topic:subscribe', topics: [{ topic: 'a' }] }])
  for (const topic of ['b', 'c', 'd', 'a', 'e']) connection.subscribe(topic)
  t.same(await taken(socket), [
    { type: 'topic:subscribe', topics: [{ topic: 'b' }, { topic: 'c' }, { topic: 'd' }] }, { type: 'topic:subscribe', topics: [{ topic: 'e' }] }
  ])
  t.match(early, { topic: 'a', status: 'subscribing', position: undefined, error: null })
  confirm(socket, 'a')
  t.match(early, { status: 'subscribed', position: at(0) })
  connection.subscribe('f').unsubscribe()
  t.same(await taken(socket), [])
  t.throws(() => connection.subscribe('x'.repeat(257)), { code: 'WSA_CLIENT_ERR_OPTIONS' })
})

t.test('delivers in order and once, to each listener of a topic', async t => {
  const { connection, socket, errors } = await open(t)
  const first = heard()
  const plain: unknown[] = []
  connection.subscribe('news', first.handlers)
  const second = connection.subscribe('news', message => { plain.push(message) })
  message(socket, 'news', 1)
  await tick()
  confirm(socket, 'news', { position: at(4) })
  message(socket, 'news', 5, 'a')
  message(socket, 'news', 5, 'again')
  message(socket, 'news', 4, 'old')
  socket.say({ type: 'topic:messages', topic: 'news', messages: [{ position: at(5), data: 'b' }, { position: at(6), data: 'c' }, { data: 'not kept' }] })
  message(socket, 'news', 7, null)
  t.same(first.take(), [['subscribed', 4, undefined], 'a', 'c', 'not kept', null])
  t.same(plain, [{ data: 'a', position: at(5) }, { data: 'c', position: at(6) }, { data: 'not kept', position: undefined }, { data: null, position: at(7) }])

  const third = heard()
  connection.subscribe('news', third.handlers)
  connection.subscribe('news', { ...third.handlers, since: at(3) })
  await tick()
  t.same(third.take(), [['subscribed', 7, undefined], ['subscribed', 7, false]], 'a listener that joins begins at once')
  t.match(errors, [{ code: 'WSA_CLIENT_ERR_TOPIC_GAP', topic: 'news', final: false }], 'and is told that it did not get what came after its position')
  second.unsubscribe()
  second.unsubscribe()
  message(socket, 'news', 8, 'd')
  t.same(first.take(), ['d'])
  t.equal(plain.length, 4)
  t.same((await taken(socket)).map(({ type }) => type), ['topic:subscribe'], 'one subscription, still wanted')
})

t.test('a listener that throws keeps nothing from the others', async t => {
  const { connection, socket } = await open(t)
  const errors: unknown[] = []
  t.intercept(globalThis, 'queueMicrotask', {
    value: (callback: () => void) => { Promise.resolve().then(callback).catch(error => { errors.push(error) }) }
  })
  const { handlers, all } = heard()
  connection.subscribe('news', () => { throw new Error('mine') })
  connection.subscribe('news', handlers)
  await tick()
  confirm(socket, 'news')
  message(socket, 'news', 1)
  message(socket, 'news', 2)
  await tick()
  t.match(errors, [{ message: 'mine' }, { message: 'mine' }])
  t.same(all, [['subscribed', 0, undefined], 1, 2])
})

t.test('comes back with the last position of each topic, in one frame', async t => {
  const { connection, socket, sockets, errors } = await open(t)
  const [news, inbox, plain] = [heard(), heard(), heard()]
  connection.subscribe('news', news.handlers)
  connection.subscribe('inbox', inbox.handlers)
  connection.subscribe('plain', plain.handlers)
  await tick()
  confirm(socket, 'news')
  confirm(socket, 'inbox', { position: at(9, 'i') })
  confirm(socket, 'plain', { position: undefined })
  message(socket, 'news', 1)
  socket.end()
  message(socket, 'news', 2, 'of a socket that is gone')
  const joined = heard()
  connection.subscribe('news', joined.handlers)
  const next = admit(await sockets.next())
  t.same(await taken(next), [{ type: 'topic:subscribe', topics: [{ topic: 'news', since: at(1) }, { topic: 'inbox', since: at(9, 'i') }, { topic: 'plain' }] }])
  confirm(next, 'news', { position: at(3), recovered: true, messages: [{ position: at(1), data: 1 }, { position: at(2), data: 2 }, { position: at(3), data: 3 }], more: true })
  next.say({ type: 'topic:messages', topic: 'news', messages: [{ position: at(4), data: 4 }], more: true })
  t.same(joined.take(), [])
  next.say({ type: 'topic:messages', topic: 'news', messages: [{ position: at(5), data: 5 }] })
  t.same(news.take(), [['subscribed', 0, undefined], 1, ['subscribed', 3, true], 2, 3, 4, 5])
  t.same(joined.take(), [['subscribed', 5, undefined]])
  confirm(next, 'inbox', { position: at(0, 'new'), recovered: false })
  next.say({ type: 'topic:message', topic: 'inbox', position: at(1, 'new'), data: 'x' })
  t.same(inbox.take(), [['subscribed', 9, undefined], ['subscribed', 0, false], 'x'])
  confirm(next, 'plain', { position: undefined })
  t.same(plain.take(), [['subscribed', undefined, undefined], ['subscribed', undefined, false]], 'where nothing is kept, anything may have been missed')
  t.same(errors.filter(({ topic }) => topic).map(({ code, topic }) => [code, topic]), [['WSA_CLIENT_ERR_TOPIC_GAP', 'inbox'], ['WSA_CLIENT_ERR_TOPIC_GAP', 'plain']])
  next.say({ type: 'topic:gap', topic: 'inbox', position: at(7, 'new') })
  next.say({ type: 'topic:message', topic: 'inbox', position: at(7, 'new'), data: 'had' })
  next.say({ type: 'topic:message', topic: 'inbox', position: at(8, 'new'), data: 'y' })
  t.same(inbox.take(), [['subscribed', 7, false], 'y'])
})

t.test('a listener that joins in the middle of a catch-up gets nothing of it', async t => {
  const { connection, sockets } = build(t)
  const [first, joined] = [heard(), heard()]
  connection.subscribe('news', { ...first.handlers, since: at(1) })
  const socket = admit(await sockets.next())
  t.same(await taken(socket), [{ type: 'topic:subscribe', topics: [{ topic: 'news', since: at(1) }] }])
  confirm(socket, 'news', { position: at(2), recovered: true, messages: [{ position: at(2), data: 2 }], more: true })
  connection.subscribe('news', joined.handlers)
  await tick()
  t.same(joined.take(), [])
  socket.say({ type: 'topic:messages', topic: 'news', messages: [{ position: at(3), data: 3 }] })
  message(socket, 'news', 4)
  t.same(first.take(), [['subscribed', 2, true], 2, 3, 4])
  t.same(joined.take(), [['subscribed', 3, undefined], 4])
})

t.test('unsubscribing in the middle of a catch-up', async t => {
  const { connection, sockets } = build(t)
  const { handlers, take } = heard()
  const subscription = connection.subscribe('news', { ...handlers, since: at(1) })
  const socket = admit(await sockets.next())
  await taken(socket)
  confirm(socket, 'news', { position: at(2), recovered: true, messages: [{ position: at(2), data: 2 }], more: true })
  subscription.unsubscribe()
  t.same(take(), [['subscribed', 2, true], 2])
  t.same(await taken(socket), [{ type: 'topic:unsubscribe', topics: ['news'] }])
  connection.subscribe('news', { ...handlers, since: at(1) })
  t.same(await taken(socket), [{ type: 'topic:subscribe', topics: [{ topic: 'news', since: at(1) }] }])
  socket.say({ type: 'topic:messages', topic: 'news', messages: [{ position: at(3), data: 'of the old one' }] })
  socket.say({ type: 'topic:gap', topic: 'news', position: at(3) })
  socket.say({ type: 'topic:left', topic: 'news', reason: 'evicted' })
  t.same(take(), [])
  confirm(socket, 'news', { position: at(2), recovered: true, messages: [{ position: at(2), data: 2 }] })
  t.same(take(), [['subscribed', 2, true], 2])
})

t.test('waits for the answer before it unsubscribes', async t => {
  const { connection, socket } = await open(t)
  const { handlers, take } = heard()
  connection.subscribe('a').unsubscribe()
  const [a, b] = [connection.subscribe('a', handlers), connection.subscribe('b', handlers)]
  t.equal((await taken(socket)).length, 1)
  a.unsubscribe()
  b.unsubscribe()
  t.same(await taken(socket), [])
  confirm(socket, 'a')
  socket.say({ type: 'topic:refused', topic: 'b', code: 'unavailable' })
  t.same(await taken(socket), [{ type: 'topic:unsubscribe', topics: ['a'] }])
  t.same(take(), [])
  const again = connection.subscribe('a', handlers)
  t.equal((await taken(socket)).length, 1)
  again.unsubscribe()
  connection.subscribe('a', handlers)
  confirm(socket, 'a')
  t.same(take(), [['subscribed', 0, undefined]], 'the answer is for who is there now')
  t.same(await taken(socket), [])
})

t.test('ends after a final refusal and when the right is taken away', async t => {
  const { connection, socket, sockets, errors } = await open(t)
  const codes = ['forbidden', 'invalid', 'too_many'] as const
  const { handlers, take } = heard()
  const subscriptions = codes.map(code => connection.subscribe(code, handlers))
  await taken(socket)
  for (const code of codes) socket.say({ type: 'topic:refused', topic: code, code })
  t.same(take(), codes.map(code => ['end', 'WSA_CLIENT_ERR_TOPIC_REFUSED', code]))
  t.match(subscriptions.map(({ status, error }) => [status, error!.topic, error!.reason, error!.final]), codes.map(code => ['closed', code, code, false]))
  t.equal(errors.length, 3)
  const other = heard()
  const [left, stays] = [connection.subscribe('left', handlers), connection.subscribe('stays', other.handlers)]
  await taken(socket)
  confirm(confirm(socket, 'left'), 'stays')
  socket.say({ type: 'topic:left', topic: 'left', reason: 'evicted' })
  message(socket, 'left', 1)
  t.same(take(), [['subscribed', 0, undefined], ['end', 'WSA_CLIENT_ERR_TOPIC_LEFT', 'evicted']])
  t.match(left, { status: 'closed', error: { code: 'WSA_CLIENT_ERR_TOPIC_LEFT', reason: 'evicted' } })
  t.same(await taken(socket), [], 'there is nothing to unsubscribe from')
  socket.end()
  const next = admit(await sockets.next())
  t.same(await taken(next), [{ type: 'topic:subscribe', topics: [{ topic: 'stays', since: at(0) }] }])
  t.equal(stays.status, 'subscribing')
  const again = heard({ onEnd: () => { connection.subscribe('stays', again.handlers) } })
  connection.subscribe('stays', again.handlers)
  next.say({ type: 'topic:refused', topic: 'stays', code: 'forbidden' })
  t.same(await taken(next), [{ type: 'topic:subscribe', topics: [{ topic: 'stays' }] }], 'who is told may subscribe again')
})

t.test('asks again where the server says later', async t => {
  const { connection, socket, errors } = await open(t)
  const { handlers, take } = heard()
  connection.subscribe('news', handlers)
  for (const refusal of [{ code: 'unavailable' }, { code: 'rate', retryAfter: 5 }, { code: 'unavailable' }]) {
    await eventually(() => frames(socket).length)
    t.same(await taken(socket), [{ type: 'topic:subscribe', topics: [{ topic: 'news' }] }])
    socket.say({ type: 'topic:refused', topic: 'news', ...refusal })
    t.same(frames(socket), [], 'not at once')
  }
  await eventually(() => frames(socket).length)
  confirm(socket, 'news')
  t.same(take(), [['subscribed', 0, undefined]])
  t.same(errors, [])
})

t.test('forgets how often it was put off once the server has answered', async t => {
  const delays = t.capture(globalThis, 'setTimeout', () => 0 as never)
  const host = { iteratorLimit: 1, bytes: 1, min: 4, max: 1000, random: () => 0.5, ready () {}, report () {} }
  const request = createRequest(host, { heard () {}, end () {} })
  const [later, answer] = [{ type: 'topic:refused', topic: 'news', code: 'unavailable' }, { type: 'topic:subscribed', topic: 'news' }]
  for (const frame of [later, later, answer, later]) request.take(frame)
  t.same(delays().map(({ args: [, delay] }) => delay), [2, 4, 2])
})

t.test('keeps to the pace of the server, the messages of the application included', async t => {
  const time = clock(t)
  const { connection, socket } = await open(t, {}, { messageRate: { perSecond: 500, burst: 5 } })
  connection.send('mine')
  for (const topic of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']) connection.subscribe(topic)
  await tick()
  t.equal(frames(socket).length, 2, 'half a burst')
  time.ahead = 2
  await eventually(() => frames(socket).length === 3)
})

t.test('a server that says nonsense of its limits has none', async t => {
  for (const members of [
    { messageRate: 7 }, { messageRate: { perSecond: 'x', burst: 1 } }, { messageRate: { perSecond: 1 } }, { messageRate: null }, { topics: {} }, { topics: true }
  ]) {
    const { connection, socket } = await open(t, {}, members)
    for (const topic of ['a', 'b', 'c']) connection.subscribe(topic)
    t.equal((await taken(socket)).flatMap(({ topics }) => topics).length, 3)
  }
})

t.test('is a sign of life', async t => {
  for (const [members, options] of [[{ alive: 25_000 }, {}], [{}, { alive: false }]] as const) {
    const { connection, socket } = await open(t, options, members)
    const messages: unknown[] = []
    connection.on('message', message => { messages.push(message) })
    message(socket, 'news', 1)
    t.same(messages, [])
  }
})

t.test('with one door the extension is on at the 101', async t => {
  const { connection, sockets } = build(t, { getToken: undefined, alive: 25_000 })
  const { handlers, take } = heard()
  connection.subscribe('news', handlers)
  const socket = (await sockets.next()).accept()
  t.same(await taken(socket), [{ type: 'topic:subscribe', topics: [{ topic: 'news' }] }])
  confirm(socket, 'news')
  message(socket, 'news', 1)
  t.same(take(), [['subscribed', 0, undefined], 1])
  socket.end()
  t.same(await taken((await sockets.next()).accept()), [{ type: 'topic:subscribe', topics: [{ topic: 'news', since: at(1) }] }])
})

t.test('listens to no socket but the newest', async t => {
  const { connection, sockets } = build(t, { timeout: 20 })
  connection.subscribe('news')
  const slow = (await sockets.next()).accept()
  const socket = await sockets.next()
  slow.say({ type: 'auth_ok', user: { id: 'alice' }, expiresAt: 1e15, topics: { max: 3 } })
  t.same(frames(slow), [])
  socket.accept()
  slow.say({ type: 'auth_ok', user: { id: 'alice' }, expiresAt: 1e15, topics: { max: 3 } })
  t.same(frames(slow), [])
  socket.say({ type: 'auth_error', code: 4403, reason: '', retry: false })
  t.equal((await connection.closed).code, 4403)
})

t.test('ends with the connection', async t => {
  const closed = await open(t)
  const { handlers, take } = heard()
  const subscription = closed.connection.subscribe('news', handlers)
  closed.connection.close()
  t.match(subscription, { status: 'closed', error: null })
  t.same(take(), [])
  const late = closed.connection.subscribe('news', handlers)
  await tick()
  t.match(late, { status: 'closed', error: null })
  await t.rejects(closed.connection.publish('news', 1), { code: 'WSA_CLIENT_ERR_CLOSED', topic: 'news' })

  const { connection, socket, errors } = await open(t)
  const lost = connection.subscribe('news', handlers)
  socket.end(4403)
  t.match(lost.error, { code: 'WSA_CLIENT_ERR_CLOSED', cause: { code: 'WSA_CLIENT_ERR_FORBIDDEN' } })
  t.same(take(), [['end', 'WSA_CLIENT_ERR_CLOSED', undefined]])
  t.match(errors, [{ code: 'WSA_CLIENT_ERR_FORBIDDEN', final: true }], 'told once')
  t.equal(errors.length, 1)
})

t.test('a listener of errors can be removed', async t => {
  const { connection, socket } = await open(t)
  const errors: unknown[] = []
  const stop = connection.on('error', error => { errors.push(error) })
  stop()
  connection.subscribe('news')
  await taken(socket)
  socket.say({ type: 'topic:refused', topic: 'news', code: 'forbidden' })
  socket.end()
  t.same(errors, [])
})

t.test('takes the options of connect', async t => {
  t.throws(() => connectTopics({ url: 'ftp://x' }), { code: 'WSA_CLIENT_ERR_OPTIONS' })
  t.intercept(globalThis as any, 'WebSocket', { value: undefined, writable: true })
  t.throws(() => connectTopics({ url: 'ws://x' }), { code: 'WSA_CLIENT_ERR_NO_WEBSOCKET' })
  connectInNode({ url: 'ws://x' }).close()
  const { WebSocket } = fakes()
  connectInNode({ url: 'ws://x', WebSocket }).close()
})

t.test('no frame names so many topics that a server could take it for too large', async t => {
  for (const [topics, sizes] of [[{ max: 1_000 }, [100, 100, 50]], [{ max: 120 }, [100, 100, 50]], [{ max: 80 }, [80, 80, 80, 10]], [true, [100, 100, 50]]] as const) {
    const { connection, socket } = await open(t, {}, { topics })
    for (let n = 0; n < 250; n++) connection.subscribe(`${n}`)
    t.same((await taken(socket)).map(frame => frame.topics.length), sizes, JSON.stringify(topics))
  }
})
