import { testNodes, type Device } from '@fastify-airlock/testing'
import { MemoryStore } from '@fastify-airlock/ticket'
import { MemoryTopicStore } from '@fastify-airlock/topics'
import t, { type Test } from 'tap'
import { createChat } from '../src/app.js'
import { Logins } from '../src/logins.js'
import { MAX_TEXT } from '../src/message.js'
import { Rooms } from '../src/rooms.js'
import { Users } from '../src/users.js'

const ROOM = 'room/7'
const asked = { auth: { topics: true, presence: true, final: [4410] } }

/** Two nodes, and users who have logged in. */
async function build (t: Test) {
  const [users, rooms, logins] = [new Users(), new Rooms(), new Logins()]
  for (const name of ['alice', 'bob', 'admin']) users.add(name, `password of ${name}`, name === 'admin' ? 'admin' : 'user')
  const shared = { secret: 'a secret for tests that is long enough', users, rooms, logins, tickets: new MemoryStore(), topics: new MemoryTopicStore() }
  const lab = await testNodes(2, async ({ bus }) => await createChat(shared, bus), { t })
  const logIn = async (name: string, node = 0): Promise<Device> => {
    const device = lab.nodes[node]!.device(null)
    await device.login('/login', { name, password: `password of ${name}` })
    return device
  }
  const admin = await logIn('admin')
  for (const name of ['alice', 'bob']) await admin.json(`/rooms/7/members/${name}`, { method: 'PUT' })
  return { ...lab, logIn, admin, logins }
}

t.test('who does not know the password, and who is no admin', async t => {
  const { nodes, logIn, admin } = await build(t)
  const nobody = nodes[0]!.device(null)
  for (const body of [{ name: 'alice', password: 'a guess' }, { name: 'nobody', password: 'a guess' }]) {
    await t.rejects(nobody.login('/login', body), { message: /401/ })
  }
  for (const body of [{}, { name: 'alice' }, { name: 'alice', password: { length: 1 } }, []]) await t.rejects(nobody.login('/login', body), { message: /400/ })
  const alice = await logIn('alice')
  await t.rejects(alice.json('/broadcast', { body: { text: 'hello' } }), { message: /403/ })
  await t.rejects(alice.json('/rooms/8/members/alice', { method: 'PUT' }), { message: /403/ })
  for (const room of ['+', '%23', 'a%2Fb']) await t.rejects(admin.json(`/rooms/${room}/members/alice`, { method: 'PUT' }), { message: /400/ })
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
  const say = async (text: string) => await alice.ask({ type: 'topic:publish', id: text, topic: ROOM, data: said(text) }, { type: 'topic:published' })
  await say('one')
  t.match(await bob.next({ type: 'topic:message' }), { data: said('one') })
  await bob.drop()
  await say('two')
  bob = await phone.moveTo(nodes[0]!).open('/ws', asked)
  t.match(await bob.subscribe(ROOM, position), { recovered: true, messages: [{ data: said('one') }, { data: said('two') }] })

  await admin.json('/rooms/7/members/bob', { method: 'DELETE' })
  t.match(await bob.next({ type: 'topic:left' }), { topic: ROOM })
  await say('three')
  await bob.never({ data: said('three') })
})

t.test('only what is a message is one, and nobody speaks for somebody else', async t => {
  const { logIn } = await build(t)
  const alice = await (await logIn('alice')).open('/ws', asked)
  const publish = async (data: unknown, topic = ROOM) => {
    const { type } = await alice.ask({ type: 'topic:publish', id: crypto.randomUUID(), topic, data }, { type: /topic:(published|refused)/ }) as { type: string }
    return type
  }
  t.equal(await publish(said('x'.repeat(MAX_TEXT))), 'topic:published')
  for (const data of [
    null, 'hello', [], {}, { ...said('hello'), from: 'bob' }, { from: 'alice', text: 'hello' }, { ...said('hello'), id: 'x'.repeat(65) },
    said(' '), said('x'.repeat(MAX_TEXT + 1)), { ...said('hello'), text: 1 }, { ...said('hello'), more: true }
  ]) t.equal(await publish(data), 'topic:refused', JSON.stringify(data)?.slice(0, 80))
  for (const topic of ['all', 'inbox/alice', 'room/8']) t.equal(await publish(said('hello'), topic), 'topic:refused', topic)
})

t.test('a page learns its rooms, and where each begins', async t => {
  const { logIn, admin } = await build(t)
  const device = await logIn('alice')
  const alice = await device.open('/ws', asked)
  for (let n = 1; n <= 60; n++) await alice.ask({ type: 'topic:publish', id: `${n}`, topic: ROOM, data: said(`${n}`) }, { type: 'topic:published' })
  await alice.subscribe('inbox/alice')
  await admin.json('/rooms/a/members/alice', { method: 'PUT' })
  t.match(await alice.next({ topic: 'inbox/alice' }), { data: { text: 'You are in the room a now.' } })
  t.match(await device.json('/rooms'), [{ topic: ROOM, since: { offset: 10 } }, { topic: 'room/a', since: { offset: 0 } }])
  await admin.json('/rooms/a/members/alice', { method: 'DELETE' })
  t.match(await alice.next({ topic: 'inbox/alice' }), { data: { text: 'You are not in the room a any more.' } })
  const [{ since }] = await device.json('/rooms') as [{ since: { epoch: string, offset: number } }]
  t.match(await alice.subscribe(ROOM, since), { recovered: true })
})

t.test('log out here, and everywhere', async t => {
  const { logIn, nodes, logins } = await build(t)
  const [phone, laptop] = [await logIn('alice', 0), await logIn('alice', 1)]
  const [here, there] = [await phone.open('/ws', asked), await laptop.open('/ws', asked)]
  const renew = async (device: Device) => (await device.request('/session', { method: 'POST' })).status
  const cookie = phone.cookies.header
  t.equal(await renew(phone), 200)
  const answer = await phone.request('/logout', { method: 'POST' })
  t.equal(answer.status, 204)
  t.match(answer.headers.getSetCookie(), [/^login=; .*Path=\/session/])
  t.match(await here.closed, { code: 4410 })
  await there.never()
  t.equal((await phone.request('/rooms')).status, 401, 'its JWT is worth nothing any more')
  t.equal((await nodes[1]!.device(null).request('/session', { method: 'POST', headers: { cookie } })).status, 401, 'nor is a copy of its cookie')
  t.equal(await renew(laptop), 200)

  await (await logIn('alice', 0)).json('/logout?everywhere', { method: 'POST' })
  t.match(await there.closed, { code: 4410 })
  t.equal(await renew(laptop), 401)
  t.equal((await laptop.request('/rooms')).status, 401)
  const { cookie: ofGhost } = await logins.begin('a user who is deleted')
  for (const cookie of ['', 'login=', 'login=alice', 'login=.alice', 'login=x.nobody', `login=${encodeURIComponent(ofGhost)}`]) {
    t.equal((await nodes[1]!.device(null).request('/session', { method: 'POST', headers: { cookie } })).status, 401, cookie)
  }
})

t.test('the cookie is for one route, and for no script', async t => {
  const { nodes, logIn } = await build(t)
  const answer = await nodes[0]!.device(null).request('/login', { method: 'POST', body: { name: 'alice', password: 'password of alice' } })
  t.match(answer.headers.getSetCookie(), [/^login=[\w-]{43}\.alice; Max-Age=2592000; Path=\/session; HttpOnly; SameSite=Strict$/])
  const cookie = (await logIn('alice')).cookies.header
  for (const path of ['/logout', '/ws/ticket', '/broadcast']) {
    t.equal((await nodes[0]!.device(null).request(path, { method: 'POST', headers: { cookie } })).status, 401, path)
  }
})

t.test('a notice to one, and one to all', async t => {
  const { logIn, admin } = await build(t)
  const [alice, bob] = [await (await logIn('alice', 0)).open('/ws', asked), await (await logIn('bob', 1)).open('/ws', asked)]
  for (const [connection, name] of [[alice, 'alice'], [bob, 'bob']] as const) for (const topic of ['all', `inbox/${name}`]) await connection.subscribe(topic)
  t.match(await alice.subscribe('inbox/bob'), { type: 'topic:refused' })
  await admin.json('/notify/bob', { body: { text: 'for bob' } })
  t.match(await bob.next({ type: 'topic:message' }), { data: { text: 'for bob' } })
  await alice.never()
  await admin.json('/broadcast', { body: { text: 'for all' } })
  for (const connection of [alice, bob]) t.match(await connection.next({ type: 'topic:message' }), { data: { text: 'for all' } })
  t.match(await (await admin.request('/metrics')).text(), /airlock_connections/)
  t.match(await admin.json('/healthz'), { status: 'ok' })
})

/** A message of alice. */
function said (text: string) {
  return { id: text.slice(0, 10), from: 'alice', text }
}
