import t from 'tap'
import type { LoadContext } from '../src/topics/index.js'
import { admit, at, confirm, eventually, heard, message, open, taken, tick } from './topics.js'

/** A loader that the test answers for. */
function loader () {
  const calls: Array<LoadContext & { resolve: (snapshot?: unknown) => void, reject: (error: unknown) => void }> = []
  return {
    calls,
    load: (context: LoadContext) => new Promise<unknown>((resolve, reject) => { calls.push({ ...context, resolve, reject }) })
  }
}

t.test('holds messages back until the snapshot is there', async t => {
  const { connection, socket } = await open(t)
  const { calls, load } = loader()
  const { handlers, take } = heard({ load })
  const plain = heard()
  connection.subscribe('news', handlers)
  connection.subscribe('news', plain.handlers)
  await taken(socket)
  confirm(socket, 'news')
  message(socket, 'news', 1)
  await tick()
  message(socket, 'news', 2)
  t.match(calls, [{ topic: 'news', attempt: 0, signal: { aborted: false } }])
  t.same(take(), [['subscribed', 0, undefined]])
  t.same(plain.take(), [['subscribed', 0, undefined], 1, 2], 'nobody else waits')
  calls[0]!.resolve()
  await tick()
  t.same(take(), [1, 2])
  message(socket, 'news', 3)
  t.same(take(), [3])
})

t.test('leaves out what the snapshot has, where that says how far it goes', async t => {
  const { connection, socket } = await open(t)
  for (const [topic, snapshot, left] of [
    ['a', { position: at(2) }, [3, 'unkept']], ['b', { position: at(9, 'other') }, [1, 2, 3, 'unkept']],
    ['c', null, [1, 2, 3, 'unkept']], ['d', 'x', [1, 2, 3, 'unkept']]
  ] as const) {
    const { calls, load } = loader()
    const { handlers, all } = heard({ load, onSubscribed: undefined })
    const subscription = connection.subscribe(topic, handlers)
    await taken(socket)
    confirm(socket, topic)
    for (const offset of [1, 2, 3]) message(socket, topic, offset)
    socket.say({ type: 'topic:message', topic, data: 'unkept' })
    await tick()
    calls[0]!.resolve(snapshot)
    await tick()
    t.same(all, left, topic)
    subscription.unsubscribe()
  }
})

t.test('loads again after each gap, and not after a reconnection without one', async t => {
  const { connection, socket, sockets, errors } = await open(t)
  const { calls, load } = loader()
  const { handlers, take } = heard({ load })
  connection.subscribe('news', { ...handlers, since: at(3) })
  await taken(socket)
  confirm(socket, 'news', { position: at(4), recovered: true, messages: [{ position: at(4), data: 4 }] })
  await tick()
  t.equal(calls.length, 0)
  socket.say({ type: 'topic:gap', topic: 'news', position: at(6) })
  message(socket, 'news', 7)
  await tick()
  t.equal(calls.length, 1)
  socket.say({ type: 'topic:gap', topic: 'news', position: at(9) })
  message(socket, 'news', 10)
  await tick()
  t.match(calls, [{ signal: { aborted: true } }, { signal: { aborted: false } }])
  calls[0]!.resolve()
  await tick()
  t.same(take(), [['subscribed', 4, true], 4, ['subscribed', 6, false], ['subscribed', 9, false]], 'the first snapshot is too old')
  socket.end()
  const next = admit(await sockets.next())
  await taken(next)
  confirm(next, 'news', { position: at(11), recovered: true, messages: [{ position: at(11), data: 11 }] })
  await tick()
  t.equal(calls.length, 2)
  t.same(take(), [['subscribed', 11, true]])
  calls[1]!.resolve()
  await tick()
  t.same(take(), [10, 11])
  t.same(errors.filter(({ topic }) => topic), [])
})

t.test('tells of a loader that fails, and asks it again', async t => {
  const { connection, socket, errors } = await open(t)
  const { calls, load } = loader()
  const { handlers, take } = heard({ load })
  connection.subscribe('news', handlers)
  await taken(socket)
  confirm(socket, 'news')
  message(socket, 'news', 1)
  await tick()
  const failure = new Error('no network')
  calls[0]!.reject(failure)
  await eventually(() => calls.length === 2)
  calls[1]!.reject({ status: 503 })
  await eventually(() => calls.length === 3)
  t.same(calls.map(({ attempt }) => attempt), [0, 1, 2])
  t.match(errors, [{ code: 'WSA_CLIENT_ERR_UNREACHABLE', cause: failure }, { code: 'WSA_CLIENT_ERR_UNREACHABLE', status: 503 }])
  message(socket, 'news', 2)
  calls[2]!.resolve()
  await tick()
  t.same(take(), [['subscribed', 0, undefined], 1, 2])
})

t.test('a loader that is refused for good ends the subscription', async t => {
  const { connection, socket } = await open(t)
  const { calls, load } = loader()
  const { handlers, take } = heard({ load })
  const subscription = connection.subscribe('news', handlers)
  await taken(socket)
  confirm(socket, 'news')
  await tick()
  calls[0]!.reject({ status: 403 })
  await tick()
  t.same(take(), [['subscribed', 0, undefined], ['end', 'WSA_CLIENT_ERR_FORBIDDEN', undefined]])
  t.equal(subscription.status, 'closed')
  t.same(await taken(socket), [{ type: 'topic:unsubscribe', topics: ['news'] }])
})

t.test('holds no more messages than the limit', async t => {
  const { connection, socket } = await open(t, { iteratorLimit: 2 })
  const { calls, load } = loader()
  const { handlers, take } = heard({ load })
  connection.subscribe('news', handlers)
  await taken(socket)
  confirm(socket, 'news')
  await tick()
  for (const offset of [1, 2, 3, 4]) message(socket, 'news', offset)
  t.same(take(), [['subscribed', 0, undefined], ['end', 'WSA_CLIENT_ERR_OVERFLOW', undefined]])
  t.ok(calls[0]!.signal.aborted)
})

t.test('asks no loader of a subscription that has ended', async t => {
  const { connection, socket } = await open(t)
  const { calls, load } = loader()
  const first = connection.subscribe('news', { load, onSubscribed: () => { first.unsubscribe() } })
  const second = connection.subscribe('news', { load })
  const third = connection.subscribe('news', { load })
  await taken(socket)
  confirm(socket, 'news')
  await tick()
  t.equal(calls.length, 2)
  second.unsubscribe()
  third.unsubscribe()
  calls[0]!.resolve()
  calls[1]!.reject(new Error('aborted'))
  await tick()
  t.ok(calls.every(({ signal }) => signal.aborted))
  const fourth = connection.subscribe('more', { load, onMessage: () => { fourth.unsubscribe() } })
  await taken(socket)
  confirm(socket, 'more')
  message(message(socket, 'more', 1), 'more', 2)
  await tick()
  calls[2]!.resolve()
  await tick()
  t.equal(fourth.status, 'closed', 'it ended with the first message that it got')
})

t.test('iteration', async t => {
  t.test('hands out messages in order, over a reconnection, until it is left', async t => {
    const { connection, socket, sockets } = await open(t)
    const got: unknown[] = []
    const reading = (async () => {
      for await (const { data, position } of connection.subscribe('news')) {
        got.push([data, position?.offset])
        if (data === 'last') break
      }
    })()
    await taken(socket)
    confirm(socket, 'news')
    message(message(socket, 'news', 1), 'news', 2)
    socket.end()
    const next = admit(await sockets.next())
    await taken(next)
    confirm(next, 'news', { position: at(3), recovered: true, messages: [{ position: at(3), data: 3 }] })
    message(message(next, 'news', 4, 'last'), 'news', 5)
    await reading
    t.same(got, [[1, 1], [2, 2], [3, 3], ['last', 4]])
    t.same(await taken(next), [{ type: 'topic:unsubscribe', topics: ['news'] }], 'leaving the loop ends the subscription')
  })
  t.test('throws when it is too slow, after what came before, and ends the subscription', async t => {
    const { connection, socket } = await open(t, { iteratorLimit: 2 })
    const subscription = connection.subscribe('news')
    const messages = subscription[Symbol.asyncIterator]()
    await taken(socket)
    confirm(socket, 'news')
    for (const offset of [1, 2, 3, 4]) message(socket, 'news', offset)
    t.match(await messages.next(), { value: { data: 1 } })
    t.match(await messages.next(), { value: { data: 2 } })
    await t.rejects(messages.next(), { code: 'WSA_CLIENT_ERR_OVERFLOW' })
    t.match(await messages.next().catch(error => error), { code: 'WSA_CLIENT_ERR_OVERFLOW' })
    t.equal(subscription.status, 'closed')
    t.same(await taken(socket), [{ type: 'topic:unsubscribe', topics: ['news'] }])
  })
  t.test('throws what has ended the subscription, and ends without an error after unsubscribe() and close()', async t => {
    const { connection, socket } = await open(t)
    const [evicted, left, closed] = ['a', 'b', 'c'].map(topic => connection.subscribe(topic))
    const reading = [evicted, left, closed].map(async subscription => {
      const all: unknown[] = []
      for await (const { data } of subscription!) all.push(data)
      return all
    })
    await taken(socket)
    for (const topic of ['a', 'b', 'c']) message(confirm(socket, topic), topic, 1)
    await tick()
    socket.say({ type: 'topic:left', topic: 'a', reason: 'evicted' })
    await t.rejects(reading[0]!, { code: 'WSA_CLIENT_ERR_TOPIC_LEFT', reason: 'evicted' })
    left!.unsubscribe()
    t.same(await reading[1], [1])
    connection.close()
    t.same(await reading[2], [1])
    for await (const message of closed!) t.fail(String(message))
  })
})
