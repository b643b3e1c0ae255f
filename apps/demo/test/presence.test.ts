// Takes long: it starts the whole demo for each case.
import t, { type Test } from 'tap'
import { externalLogin, listenWithSystems } from './external-helpers.js'
import { build, Client, enter, http, listen, login, passwords } from './helpers.js'

/** A socket whose client asks for presence, as the page does. `answer` is the `auth_ok`. */
async function present (t: Test, origin: string, token: string, path = '/ws/demo'): Promise<Client & { answer: any }> {
  const client = await enter(t, origin, token, path)
  client.send({ type: 'auth', token, presence: true })
  return Object.assign(client, { answer: await client.next('auth_ok') })
}

/** What a client is told of everyone, once it matches. */
async function sees (client: Client, expected: (users: Map<string, any>) => boolean): Promise<Map<string, any>> {
  const users = new Map<string, any>()
  client.send({ type: 'presence:watch', topics: [''] })
  for (;;) {
    const message = JSON.parse(await client.nextText())
    if (message.type === 'presence:list') users.clear()
    if (!/^presence:(list|change)$/.test(message.type)) continue
    for (const user of message.here ?? []) users.set(user.subject, user)
    for (const subject of message.gone ?? []) users.delete(subject)
    if (expected(users)) return users
  }
}

const connectionsOf = (subject: string, count: number) => (users: Map<string, any>) => users.get(subject)?.connections === count

t.test('who is connected, by whichever route, each user once, with the state of its own', async t => {
  const { origin } = await listenWithSystems(t)
  const [alice, bob] = [await login(origin, 'alice'), await login(origin, 'bob')]
  const watcher = await present(t, origin, alice)
  t.match(watcher.answer, { presence: { max: 20 } })
  const state = { devices: ['Firefox on Linux'] }
  watcher.send({ type: 'presence:set', topic: '', state })
  for (const path of ['/ws/demo', '/ws/kiosk', '/ws/upstream']) await present(t, origin, bob, path)
  const bearer = new Client(t, origin, '/ws/bearer', [], { headers: { authorization: `Bearer ${bob}` } })
  await bearer.next('tick')
  const external = new Client(t, origin, '/ws/external', [], { headers: { cookie: `ext_token=${await externalLogin(origin, 'bob', 'builder')}`, origin } })
  await external.next('hello')

  const users = await sees(watcher, users => connectionsOf('bob', 4)(users) && users.has('external:bob'))
  t.strictSame([...users.values()].sort((a, b) => a.subject < b.subject ? -1 : 1), [
    { subject: 'alice', connections: 1, state },
    { subject: 'bob', connections: 4 },
    { subject: 'external:bob', connections: 1 }
  ], 'no sessions, no addresses')
  bearer.socket.close()
  await sees(watcher, connectionsOf('bob', 3))
})

t.test('nobody sees anything else, and who does not ask is told nothing', async t => {
  const { origin } = await listen(t)
  const alice = await login(origin, 'alice')
  const client = await present(t, origin, alice)
  for (const topic of ['kiosk', 'kiosk/reset', 'alice']) {
    client.send({ type: 'presence:watch', topics: [topic] })
    t.match(await client.next('presence:refused'), { topic, code: 'invalid' })
  }
  const plain = await enter(t, origin, alice)
  plain.send({ type: 'auth', token: alice })
  t.notOk('presence' in await plain.next('auth_ok'))
  plain.send({ type: 'presence:watch', topics: [''] })
  t.match(await plain.next('error'), { message: 'Unknown message type' }, 'its messages are the application\'s')
})

t.test('a session that is ended leaves at once, and the others stay', async t => {
  const { origin } = await listen(t)
  const [here, there] = [await login(origin, 'alice'), await login(origin, 'alice')]
  const watcher = await present(t, origin, here)
  const other = await present(t, origin, there)
  await sees(watcher, connectionsOf('alice', 2))
  const { body } = await http('GET', `${origin}/sessions`, { token: here })
  const { id } = body.find(({ current }: { current: boolean }) => !current)
  t.equal((await http('POST', `${origin}/sessions/${id}/end`, { token: here })).status, 204)
  t.match(await other.closed, { code: 4403 })
  await sees(watcher, connectionsOf('alice', 1))
})

t.test('the nodes, for users', async t => {
  const { app } = await build(t, { NODE_NAME: 'one' })
  t.equal((await app.inject('/nodes')).statusCode, 401)
  const { token } = (await app.inject({ method: 'POST', url: '/login', payload: { username: 'bob', password: passwords.bob } })).json()
  const answer = await app.inject({ url: '/nodes', headers: { authorization: `Bearer ${token}` } })
  t.strictSame(answer.json(), [{ name: 'one', own: true, connections: 0, draining: false }])
  t.equal(answer.headers['cache-control'], 'no-store')
})

t.test('a node that has a name tells it, one that has none goes by its id', async t => {
  for (const NODE_NAME of ['one', '']) {
    const { app, origin } = await listen(t, { NODE_NAME })
    const token = await login(origin, 'alice')
    const { answer: { user } } = await present(t, origin, token)
    const named = NODE_NAME === '' ? {} : { node: NODE_NAME }
    t.strictSame(user, { id: 'alice', name: 'Alice', role: 'user', ...named })
    t.match((await http('GET', `${origin}/nodes`, { token })).body, [{ name: NODE_NAME === '' ? app.wsHub.node : 'one', connections: 1 }])
    t.equal(app.nameOf('of nobody'), 'of nobody')
  }
})
