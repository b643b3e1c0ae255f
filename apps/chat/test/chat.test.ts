import { testNodes, type Device } from '@fastify-airlock/testing'
import { MemoryStore } from '@fastify-airlock/ticket'
import { MemoryTopicStore } from '@fastify-airlock/topics'
import t, { type Test } from 'tap'
import { createChat } from '../src/app.js'
import { Rooms } from '../src/rooms.js'
import { Users } from '../src/users.js'

const ROOM = 'room/7'
const asked = { auth: { topics: true, presence: true, final: [4410] } }

/** Two nodes, and users who have logged in. */
async function build (t: Test) {
  const [users, rooms] = [new Users(), new Rooms()]
  for (const name of ['alice', 'bob', 'admin']) users.add(name, `password of ${name}`, name === 'admin' ? 'admin' : 'user')
  const shared = { secret: 'a secret for tests that is long enough', users, rooms, tickets: new MemoryStore(), topics: new MemoryTopicStore() }
  const lab = await testNodes(2, async ({ bus }) => await createChat(shared, bus), { t })
  const logIn = async (name: string, node = 0): Promise<Device> => {
    const device = lab.nodes[node]!.device(null)
    await device.login('/login', { name, password: `password of ${name}` })
    return device
  }
  const admin = await logIn('admin')
  for (const name of ['alice', 'bob']) await admin.json(`/rooms/7/members/${name}`, { method: 'PUT' })
  return { ...lab, logIn, admin }
}

t.test('who does not know the password, and who is no admin', async t => {
  const { nodes, logIn } = await build(t)
  const nobody = nodes[0]!.device(null)
  await t.rejects(nobody.login('/login', { name: 'alice', password: 'a guess' }), { message: /401/ })
  await t.rejects(nobody.login('/login', { name: 'nobody', password: 'a guess' }), { message: /401/ })
  await t.rejects((await logIn('alice')).json('/broadcast', { body: { text: 'hello' } }), { message: /403/ })
})

t.test('messages reach the members of a room on both nodes, and none is missed', async t => {
  const { logIn, admin, nodes } = await build(t)
  const phone = await logIn('bob', 1)
  const alice = await (await logIn('alice')).open('/ws', asked)
  let bob = await phone.open('/ws', asked)
  await alice.subscribe(ROOM)
  const { position } = await bob.subscribe(ROOM)
  t.match(await (await admin.open('/ws', asked)).subscribe(ROOM), { type: 'topic:refused' }, 'no member')
  t.match(await alice.subscribe('room/8'), { type: 'topic:refused' }, 'no such room')
  const say = async (id: string) => await alice.ask({ type: 'topic:publish', id, topic: ROOM, data: id }, { type: 'topic:published' })
  await say('one')
  t.match(await bob.next({ type: 'topic:message' }), { data: 'one' })
  await bob.drop()
  await say('two')
  bob = await phone.moveTo(nodes[0]!).open('/ws', asked)
  t.match(await bob.subscribe(ROOM, position), { recovered: true, messages: [{ data: 'one' }, { data: 'two' }] })

  await admin.json('/rooms/7/members/bob', { method: 'DELETE' })
  t.match(await bob.next({ type: 'topic:left' }), { topic: ROOM })
  await say('three')
  await bob.never({ data: 'three' })
})

t.test('log out here, and everywhere', async t => {
  const { logIn } = await build(t)
  const [phone, laptop] = [await logIn('alice', 0), await logIn('alice', 1)]
  const [here, there] = [await phone.open('/ws', asked), await laptop.open('/ws', asked)]
  await phone.json('/logout', { method: 'POST' })
  t.match(await here.closed, { code: 4410 })
  await there.never()
  await (await logIn('alice', 0)).json('/logout?everywhere', { method: 'POST' })
  t.match(await there.closed, { code: 4410 })
})

t.test('a notice to one, and one to all', async t => {
  const { logIn, admin } = await build(t)
  const [alice, bob] = [await (await logIn('alice', 0)).open('/ws', asked), await (await logIn('bob', 1)).open('/ws', asked)]
  for (const [connection, name] of [[alice, 'alice'], [bob, 'bob']] as const) for (const topic of ['all', `inbox/${name}`]) await connection.subscribe(topic)
  await admin.json('/notify/bob', { body: { text: 'for bob' } })
  t.match(await bob.next({ type: 'topic:message' }), { data: { text: 'for bob' } })
  await alice.never()
  await admin.json('/broadcast', { body: { text: 'for all' } })
  for (const connection of [alice, bob]) t.match(await connection.next({ type: 'topic:message' }), { data: { text: 'for all' } })
  t.match(await (await admin.request('/metrics')).text(), /airlock_connections/)
})
