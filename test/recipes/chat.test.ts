import { MemoryStore } from '@fastify-airlock/ticket'
import { MemoryTopicStore } from '@fastify-airlock/topics'
import mqemitter from 'mqemitter'
import t, { type Test } from 'tap'
import { until } from '../helpers.js'
import { chat, type Rooms } from './chat.js'
import { enterRoom } from './chat-client.js'
import { device, hasCode, startNode } from './devices.js'

/** Closed by the last node alone. */
class SharedStore extends MemoryTopicStore {
  override close (): void {}
}

/** Two nodes, with what they share. */
async function start (t: Test, members: Record<string, string[]>) {
  const rooms: Rooms & { members: Map<string, Set<string>> } = {
    members: new Map(Object.entries(members).map(([room, users]) => [room, new Set(users)])),
    has (room, user) { return this.members.get(room)?.has(user) === true },
    remove (room, user) { this.members.get(room)?.delete(user) }
  }
  const tickets = Object.assign(new MemoryStore(), { close () {} })
  const shared = { bus: mqemitter(), store: new SharedStore() }
  const nodes = [await startNode(t, async app => await chat(app, rooms, shared), tickets), await startNode(t, async app => await chat(app, rooms, shared), tickets)] as const
  for (const { app } of nodes) await until(() => app.wsHub.health().bus === 'up')
  return nodes
}

async function enter (t: Test, node: Parameters<typeof device>[1], user: string, room: string) {
  const opened = device(t, node, user)
  const response = await opened.request(`/rooms/${room}`)
  const { since } = response.ok ? await response.json() as { since: any } : { since: undefined }
  const seen = { status: response.status, said: [] as string[], typing: [] as string[], gaps: 0, left: 0 }
  const entered = enterRoom(opened.connection, room, since, {
    said: ({ from, text }) => { seen.said.push(`${from}: ${text}`) },
    typing: user => { seen.typing.push(user) },
    gap: () => { seen.gaps++ },
    left: () => { seen.left++ }
  })
  return { ...opened, ...entered, seen }
}

t.test('the document has exactly this code', async t => { await hasCode(t, 'chat', 'chat.ts', 'chat-client.ts') })

t.test('members talk on all nodes, and one who was away misses nothing', async t => {
  const [one, two] = await start(t, { lobby: ['alice', 'bob'] })
  const alice = await enter(t, one, 'alice', 'lobby')
  const bob = await enter(t, two, 'bob', 'lobby')
  await alice.say('alice', 'hello')
  await until(() => bob.seen.said.length === 1)
  await until(async () => {
    await bob.type('bob')
    return alice.seen.typing.includes('bob')
  })

  bob.cut()
  await until(() => bob.connection.status !== 'open')
  const later = bob.say('bob', 'I am in a tunnel')
  for (const n of [1, 2, 3]) await alice.say('alice', `message ${n}`)
  t.same(bob.seen.said, ['alice: hello'])
  bob.mend()
  await later
  const all = ['alice: hello', 'alice: message 1', 'alice: message 2', 'alice: message 3', 'bob: I am in a tunnel']
  await until(() => bob.seen.said.length === 5 && alice.seen.said.length === 5)
  t.same([alice.seen.said, bob.seen.said], [all, all], 'in one order for both, and each once')
  const second = await enter(t, one, 'bob', 'lobby')
  await until(() => second.seen.said.length === 5)
  t.same(second.seen.said, all, 'what was said before')
  t.same([alice.seen.gaps, bob.seen.gaps, second.seen.gaps], [0, 0, 0])
})

t.test('who is removed gets nothing more, there or away', async t => {
  const [one, two] = await start(t, { lobby: ['alice', 'bob', 'carol'] })
  const [alice, bob, phone, carol] = [
    await enter(t, one, 'alice', 'lobby'), await enter(t, two, 'bob', 'lobby'), await enter(t, one, 'bob', 'lobby'), await enter(t, two, 'carol', 'lobby')
  ]
  await alice.say('alice', 'hello')
  await until(() => [alice, bob, phone, carol].every(({ seen }) => seen.said.length === 1))
  phone.cut()
  await until(() => phone.connection.status !== 'open')
  await one.recipe.remove('lobby', 'bob')
  await until(() => bob.seen.left === 1)
  await alice.say('alice', 'now that bob is gone')
  await until(() => carol.seen.said.length === 2)
  phone.mend()
  await until(() => phone.seen.left === 1)
  t.same([bob.seen.said, phone.seen.said], [['alice: hello'], ['alice: hello']])
  t.equal(bob.connection.status, 'open', 'the connection stays')
  await t.rejects(bob.say('bob', 'let me in'), { code: 'WSA_CLIENT_ERR_TOPIC_REFUSED' })
  t.equal((await bob.request('/rooms/lobby')).status, 403)
})

t.test('only members come in, and nobody speaks for somebody else', async t => {
  const [one] = await start(t, { lobby: ['alice', 'bob'], office: ['bob'] })
  const mallory = await enter(t, one, 'mallory', 'lobby')
  await until(() => mallory.seen.left === 1)
  t.equal(mallory.seen.status, 403)
  const alice = await enter(t, one, 'alice', 'lobby')
  await t.rejects(alice.say('bob', 'forged'), { code: 'WSA_CLIENT_ERR_TOPIC_REFUSED' })
  for (const topic of ['room/office', 'room/office/typing', 'room/lobby/other', 'room/+', 'room', 'lobby']) {
    await t.rejects(alice.connection.publish(topic, { from: 'alice', text: '' }), { code: 'WSA_CLIENT_ERR_TOPIC_REFUSED' }, topic)
  }
  for (const data of [null, 1, {}, { from: 7 }, 'alice']) await t.rejects(alice.connection.publish('room/lobby', data), { code: 'WSA_CLIENT_ERR_TOPIC_REFUSED' })
  alice.leave()
  const bob = await enter(t, one, 'bob', 'lobby')
  await bob.say('bob', 'hello')
  t.same([alice.seen.said, alice.seen.left], [[], 0], 'who leaves hears nothing more')
})

t.test('where the history does not reach back, the room says so', async t => {
  const [one] = await start(t, { lobby: ['alice'] })
  const alice = device(t, one, 'alice')
  let gaps = 0
  const view = { said () {}, typing () {}, gap () { gaps++ }, left () {} }
  enterRoom(alice.connection, 'lobby', { epoch: 'of another store', offset: 3 }, view)
  await until(() => gaps === 1)
  t.pass('it was told')
})
