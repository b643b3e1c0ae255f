import t from 'tap'
import { open } from './helpers.js'

t.test('iteration', async t => {
  t.test('hands out messages from its creation until the application closes', async t => {
    const { connection, socket } = await open(t)
    socket.say(0)
    const messages = connection[Symbol.asyncIterator]()
    socket.say(1).say(2)
    const got: unknown[] = []
    t.same(await messages.next(), { done: false, value: 1 })
    const waiting = [messages.next(), messages.next(), messages.next()]
    socket.say(3).say(4)
    t.same(await Promise.all(waiting), [2, 3, 4].map(value => ({ done: false, value })))
    const last = messages.next()
    connection.close()
    t.same(await last, { done: true, value: undefined })
    for await (const message of connection) got.push(message)
    t.same(got, [], 'a closed connection has no messages')
  })
  t.test('break ends the iteration', async t => {
    const { connection, socket } = await open(t, { iteratorLimit: 1 })
    setImmediate(() => { socket.say(1).say(2) })
    for await (const message of connection) if (message === 1) break
    const messages = connection[Symbol.asyncIterator]()
    const pending = messages.next()
    await messages.return?.()
    t.same(await pending, { done: true, value: undefined })
    socket.say(2).say(3)
    t.same(await messages.next(), { done: true, value: undefined })
  })
  t.test('close() drops waiting messages; an error comes after them', async t => {
    const { connection, socket } = await open(t)
    const messages = connection[Symbol.asyncIterator]()
    socket.say(1).end(4403)
    t.same(await messages.next(), { done: false, value: 1 })
    await t.rejects(messages.next(), { code: 'WSA_CLIENT_ERR_FORBIDDEN' })
    const closed = await open(t)
    const none = closed.connection[Symbol.asyncIterator]()
    closed.socket.say(1)
    closed.connection.close()
    t.same(await none.next(), { done: true, value: undefined })
  })
  t.test('continues after a reconnection', async t => {
    const { connection, socket, sockets } = await open(t)
    const messages = connection[Symbol.asyncIterator]()
    const first = messages.next()
    socket.end()
    ;(await sockets.next()).admit().say('back')
    t.same(await first, { done: false, value: 'back' })
  })
  t.test('holds no more messages than its limit', async t => {
    const { connection, socket } = await open(t, { iteratorLimit: 2 })
    const messages = connection[Symbol.asyncIterator]()
    socket.say(1).say(2).say(3).say(4)
    t.same(await messages.next(), { done: false, value: 1 })
    t.same(await messages.next(), { done: false, value: 2 })
    await t.rejects(messages.next(), { code: 'WSA_CLIENT_ERR_OVERFLOW' })
    t.equal(connection.status, 'open')
  })
})
