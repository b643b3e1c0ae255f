import t from 'tap'
import { clock } from './helpers.js'
import { admit, at, build, eventually, frames, open, taken, tick } from './topics.js'

/** What has become of a promise so far. */
function watch (promise: Promise<unknown>): { outcome: unknown } {
  const seen: { outcome: unknown } = { outcome: 'pending' }
  promise.then(value => { seen.outcome = value }, error => { seen.outcome = error.code })
  return seen
}

t.test('resolves with the acknowledgement', async t => {
  const { connection, socket } = await open(t)
  const data = { text: 'hello' }
  const publishing = watch(connection.publish('chat', data))
  data.text = 'changed'
  const [frame, ...more] = await taken(socket)
  t.match(frame, { type: 'topic:publish', id: /^[\d-]{7,43}\.0$/, topic: 'chat', data: { text: 'hello' } })
  t.same(more, [])
  socket.say({ type: 'topic:published', id: 'of somebody else' })
  t.equal(publishing.outcome, 'pending')
  socket.say({ type: 'topic:published', id: frame.id, position: at(7) })
  socket.say({ type: 'topic:published', id: frame.id, position: at(8) })
  await tick()
  t.same(publishing.outcome, { position: at(7) })
  const nothing = watch(connection.publish('chat', undefined))
  const [empty] = await taken(socket)
  t.equal(empty.data, null)
  t.not(empty.id, frame.id)
  socket.say({ type: 'topic:published', id: empty.id })
  await tick()
  t.same(nothing.outcome, { position: undefined })
  await t.rejects(connection.publish('chat', 1n), TypeError)
})

t.test('sends those of a topic one after the other', async t => {
  const { connection, socket } = await open(t)
  for (const data of [1, 2]) connection.publish('a', data).catch(() => {})
  connection.publish('b', 3).catch(() => {})
  const sent = await taken(socket)
  t.same(sent.map(({ data }) => data), [1, 3])
  socket.say({ type: 'topic:refused', id: sent[0].id, topic: 'a', code: 'unavailable' })
  socket.say({ type: 'topic:published', id: sent[1].id })
  await eventually(() => frames(socket).length)
  const again = await taken(socket)
  t.same(again, [sent[0]], 'one that is put off is not overtaken')
  socket.say({ type: 'topic:published', id: sent[0].id })
  t.same((await taken(socket)).map(({ data }) => data), [2])
})

t.test('sends again what was not acknowledged, in order, with the same id, before later ones', async t => {
  const { connection, sockets } = build(t)
  const first = watch(connection.publish('a', 1))
  const second = watch(connection.publish('a', 2))
  const socket = admit(await sockets.next())
  const [frame] = await taken(socket)
  socket.end()
  const third = watch(connection.publish('a', 3))
  const next = admit(await sockets.next())
  t.same(await taken(next), [frame])
  for (const [offset, wanted] of [[1, 2], [2, 3]] as const) {
    next.say({ type: 'topic:published', id: `${frame.id.split('.')[0]}.${offset - 1}`, position: at(offset) })
    t.same((await taken(next)).map(({ data }) => data), [wanted])
  }
  next.say({ type: 'topic:published', id: `${frame.id.split('.')[0]}.2`, position: at(3) })
  await tick()
  t.same([first, second, third].map(({ outcome }) => outcome), [1, 2, 3].map(offset => ({ position: at(offset) })))
})

t.test('rejects what is refused for good, and asks again for what is put off', async t => {
  const { connection, socket } = await open(t)
  for (const code of ['forbidden', 'invalid', 'conflict', 'too_many']) {
    const publishing = t.rejects(connection.publish('a', code), { code: 'WSA_CLIENT_ERR_TOPIC_REFUSED', reason: code, topic: 'a' })
    const [{ id }] = await taken(socket)
    socket.say({ type: 'topic:refused', id, topic: 'a', code })
    await publishing
  }
  const publishing = watch(connection.publish('a', 1))
  const [{ id }] = await taken(socket)
  socket.say({ type: 'topic:refused', id, topic: 'a', code: 'rate', retryAfter: 3 })
  await eventually(() => frames(socket).length)
  t.equal((await taken(socket))[0].id, id)
  socket.say({ type: 'topic:refused', id, code: 'rate' })
  socket.end()
  await tick()
  t.equal(publishing.outcome, 'pending')
})

t.test('says at the deadline whether it may be published', async t => {
  const { connection, socket, sockets } = await open(t)
  await t.rejects(connection.publish('a', 1, { timeout: 5 }), { code: 'WSA_CLIENT_ERR_UNCERTAIN', topic: 'a' })
  const [{ id }] = await taken(socket)
  socket.say({ type: 'topic:published', id, position: at(1) })

  const refused = watch(connection.publish('a', 2, { timeout: 50 }))
  // No timer fires meanwhile.
  while (!frames(socket).length) await undefined
  socket.say({ type: 'topic:refused', id: frames(socket)[0].id, topic: 'a', code: 'rate', retryAfter: 1e6 })
  await eventually(() => refused.outcome !== 'pending')
  t.equal(refused.outcome, 'WSA_CLIENT_ERR_TIMEOUT', 'the server has put it off, so it is not published')

  const unsure = watch(connection.publish('a', 3))
  await taken(socket)
  socket.end()
  const next = admit(await sockets.next())
  const [three] = await taken(next)
  next.say({ type: 'topic:refused', id: three.id, topic: 'a', code: 'forbidden' })
  await tick()
  t.equal(unsure.outcome, 'WSA_CLIENT_ERR_UNCERTAIN', 'the first socket may have taken it')
  next.end()
  await t.rejects(connection.publish('a', 4, { timeout: 1 }), { code: 'WSA_CLIENT_ERR_TIMEOUT' }, 'no socket has taken it')
})

t.test('holds no more than the queue of the options', async t => {
  const { connection, sockets } = build(t, { queue: { bytes: 300 } })
  const first = watch(connection.publish('a', 'x'.repeat(100)))
  await t.rejects(connection.publish('a', 'x'.repeat(100)), { code: 'WSA_CLIENT_ERR_QUEUE_FULL', topic: 'a' })
  const socket = admit(await sockets.next())
  const [{ id }] = await taken(socket)
  socket.say({ type: 'topic:published', id })
  await tick()
  t.same(first.outcome, { position: undefined })
  watch(connection.publish('a', 'x'.repeat(100)))
  t.equal((await taken(socket)).length, 1, 'what is acknowledged makes room')
})

t.test('ends with the connection', async t => {
  const { connection, socket } = await open(t)
  const sent = watch(connection.publish('a', 1))
  await taken(socket)
  const waits = watch(connection.publish('a', 2))
  connection.close()
  await tick()
  t.same([sent.outcome, waits.outcome], ['WSA_CLIENT_ERR_UNCERTAIN', 'WSA_CLIENT_ERR_CLOSED'])

  const refused = await open(t)
  const lost = refused.connection.publish('a', 1, { timeout: 60_000 })
  await taken(refused.socket)
  const unsent = refused.connection.publish('a', 2)
  refused.socket.end(4403)
  await t.rejects(lost, { code: 'WSA_CLIENT_ERR_UNCERTAIN', cause: { code: 'WSA_CLIENT_ERR_FORBIDDEN' } })
  await t.rejects(unsent, { code: 'WSA_CLIENT_ERR_CLOSED', cause: { code: 'WSA_CLIENT_ERR_FORBIDDEN' } })
})

t.test('goes at the pace of the server', async t => {
  const time = clock(t)
  const { connection, socket } = await open(t, {}, { messageRate: { perSecond: 500, burst: 3 } })
  for (const topic of ['a', 'b', 'c', 'd']) connection.publish(topic, 1).catch(() => {})
  await tick()
  t.equal(frames(socket).length, 2)
  time.ahead = 1_000
  await eventually(() => frames(socket).length === 4)
})
