import { setTimeout as sleep } from 'node:timers/promises'
import { ContractSocket, openHubs, openThreeHubs } from './nodes.js'
import type { Hub } from '../hub.js'
import type { ContractSettings, ContractTest } from './types.js'
import { until } from './until.js'

/** Two hubs on the bus. */
export function testHubs (t: ContractTest, { create }: ContractSettings): void {
  const open = async (t: ContractTest): Promise<[Hub, Hub]> => await openHubs(t, create({ interrupted: false }))

  t.test('a publication reaches every node, each socket once and in order', async t => {
    const [a, b] = await open(t)
    const here = new ContractSocket(a, 'here')
    const there = new ContractSocket(b, 'there')
    a.join(here.asWebSocket, 'kiosk/hall')
    b.join(there.asWebSocket, 'kiosk/hall')
    b.join(there.asWebSocket, 'kiosk/+', { wildcard: true })
    b.join(there.asWebSocket, '#', { wildcard: true })
    t.equal(await b.busReady(), true, 'confirmed')
    const wanted: string[] = []
    for (let number = 0; number < 100; number++) {
      t.equal(a.publish('kiosk/hall', `message ${number}`), 1, 'those of this node')
      wanted.push(`message ${number}`)
    }
    a.broadcast('the end')
    await until(() => there.texts.length > 100)
    // Topics and broadcasts have no order among each other.
    t.same(there.texts.filter(text => text !== 'the end'), wanted, 'there')
    t.same(here.texts, [...wanted, 'the end'], 'here')
    t.equal(a.stats.bus.sent, 101, 'sent')
    t.equal(a.stats.bus.received, 0, 'nothing comes back')
    t.equal(b.stats.bus.received, 101, 'received')
  })

  t.test('payloads arrive unchanged', async t => {
    const [a, b] = await open(t)
    const socket = new ContractSocket(b, 'alice')
    const payloads = [
      'hello', '', 'grüße, 世界 🌍', Buffer.alloc(0), Buffer.from([0, 255, 128]), 'x'.repeat(70_000), Buffer.alloc(70_000, 1)
    ]
    for (const payload of payloads) a.broadcast(payload)
    await until(() => socket.received.length === payloads.length)
    t.same(socket.received.map(({ base64, binary }) => [base64, binary]),
      payloads.map(payload => [Buffer.from(payload).toString('base64'), typeof payload !== 'string']), 'all of them')
  })

  t.test('characters of topics mean nothing to the bus', async t => {
    const [a, b] = await open(t)
    const socket = new ContractSocket(b, 'alice')
    const topics = ['kiosk/+', '#', 'a*', 'a?', '[ab]', 'a\\', '%002b', 'é 🌍', '$x.y', '>', 'a.b', 'a.*', '/', 'a//b', 'a/']
    for (const topic of topics) b.join(socket.asWebSocket, topic)
    b.join(socket.asWebSocket, '[xy]*/+', { wildcard: true })
    await b.busReady()
    for (const other of ['kiosk/hall', 'ab', 'a', 'b', '+', 'x/1', '//', 'a/b', '/a']) a.publish(other, `wrong: ${other}`)
    for (const topic of topics) a.publish(topic, topic)
    a.publish('[xy]*/1', 'pattern')
    await until(() => socket.texts.length > topics.length)
    t.same(socket.texts.sort(), [...topics, 'pattern'].sort(), 'what was joined, and nothing else')
  })

  t.test('a node receives only what somebody there has joined', async t => {
    const [a, b] = await open(t)
    const socket = new ContractSocket(b, 'alice')
    b.join(socket.asWebSocket, 'news')
    await b.busReady()
    for (let number = 0; number < 10; number++) a.publish('elsewhere', 'lost')
    a.publish('news', 'first')
    await until(() => socket.texts.length === 1)
    b.leave(socket.asWebSocket, 'news')
    b.join(socket.asWebSocket, 'other')
    await b.busReady()
    a.publish('news', 'second')
    a.publish('other', 'third')
    await until(() => socket.texts.length === 2)
    t.same(socket.texts, ['first', 'third'], 'what was joined at that time')
    t.equal(b.stats.bus.received, 2, 'received')
  })

  t.test('leaving and joining at once loses nothing that comes later', async t => {
    const [a, b] = await open(t)
    const socket = new ContractSocket(b, 'alice')
    for (let number = 0; number < 5; number++) {
      b.join(socket.asWebSocket, 'news')
      b.join(socket.asWebSocket, 'news/#', { wildcard: true })
      b.leave(socket.asWebSocket, 'news')
      b.leave(socket.asWebSocket, 'news/#', { wildcard: true })
    }
    b.join(socket.asWebSocket, 'news')
    await b.busReady()
    a.publish('news', 'one')
    a.broadcast('two')
    await until(() => socket.texts.length === 2)
    t.same(socket.texts.sort(), ['one', 'two'], 'both')
  })

  t.test('a user is disconnected everywhere', async t => {
    const [a, b] = await open(t)
    const [alice, bob] = [new ContractSocket(b, 'alice'), new ContractSocket(b, 'bob')]
    t.equal(a.disconnect('alice', { code: 4000, reason: 'out' }), 0, 'none of this node')
    await until(() => alice.closed !== null)
    t.same(alice.closed, [4000, 'out'], 'code and reason')
    a.broadcast('still here')
    await until(() => bob.texts.length === 1)
    await until(async () => (await a.disconnectAll('nobody')).nodes === 2)
    t.same(await a.disconnectAll('bob'), { closed: 1, nodes: 2 }, 'and told what became of it')
    t.same(bob.closed, [4403, 'disconnected'], 'by default')
  })

  t.test('a topic is taken back everywhere', async t => {
    let allowed = true
    const [a, b] = await openHubs(t, create({ interrupted: false }), { authorizeTopic: () => allowed })
    const socket = new ContractSocket(b, 'alice')
    for (const topic of ['evicted', 'denied', 'kept']) await b.requestJoin(socket.asWebSocket, topic)
    t.equal(await b.busReady(), true, 'confirmed')
    allowed = false
    t.equal(a.evict({ subject: 'alice', topic: 'evicted' }), 0, 'none of this node')
    t.same(await a.reauthorize({ topic: 'denied' }), { kept: 0, left: 0 }, 'none of this node')
    await until(() => b.topicsOf(socket.asWebSocket).length === 1)
    for (const topic of ['evicted', 'denied', 'kept']) a.publish(topic, topic)
    await until(() => socket.texts.length > 0)
    a.broadcast('the end')
    await until(() => socket.texts.includes('the end'))
    t.same(socket.texts, ['kept', 'the end'], 'nothing else')
    t.equal(socket.closed, null, 'the connection stays')
  })

  t.test('what a node tells reaches the nodes that it means, in order', async t => {
    const hubs = await openThreeHubs(t, create({ interrupted: false }))
    const [a, b, c] = hubs
    const heard: unknown[][] = hubs.map(() => [])
    for (const [index, hub] of hubs.entries()) hub.on('count/+ é', (data, { node, own }) => heard[index]?.push([data, node === a.node, own]))
    for (const hub of hubs) t.equal(await hub.busReady(), true, 'confirmed')
    const large = 'ä'.repeat(100_000)
    for (let number = 0; number < 50; number++) a.tell('count/+ é', number)
    a.tell('count/+ é', { large }, { to: 'others' })
    for (let number = 0; number < 50; number++) a.tell('count/+ é', `to one ${number}`, { to: c.node })
    a.tell('elsewhere', 'lost')
    const numbers = Array.from({ length: 50 }, (_, number) => number)
    await until(() => heard[1]?.length === 51 && heard[2]?.length === 101)
    t.same(heard[0], numbers.map(number => [number, true, true]), 'its own')
    t.same(heard[1], [...numbers, { large }].map(data => [data, true, false]), 'the others')
    // What is for one node and what is for all have no order among each other.
    const isForOne = ([data]: any): boolean => String(data).startsWith('to one')
    t.same(heard[2]?.filter(item => !isForOne(item)), heard[1], 'for all')
    t.same(heard[2]?.filter(isForOne), numbers.map(number => [`to one ${number}`, true, false]), 'for one')
    b.tell('count/+ é', 'surely', { guaranteed: true })
    await until(() => heard.every(items => (items.at(-1) as unknown[])[0] === 'surely'))
  })

  t.test('nodes know each other, and how many connections all have', async t => {
    const hubs = await openThreeHubs(t, create({ interrupted: false }))
    const [a, b, c] = hubs
    const changes: string[] = []
    a.onNodes(({ id, state }) => changes.push(`${['a', 'b', 'c'][hubs.findIndex(({ node }) => node === id)]} ${state}`))
    t.same(changes.splice(0).sort(), ['b here', 'c here'], 'who is there')
    b.join(new ContractSocket(b, 'alice').asWebSocket, 'news')
    for (const user of ['bob', 'carol']) c.join(new ContractSocket(c, user).asWebSocket, 'news')
    a.join(new ContractSocket(a, 'dave').asWebSocket, 'other')
    t.equal(await a.countAll(), 4, 'all')
    t.equal(await a.countAll('news'), 3, 'of a topic')
    t.same((await a.nodes()).map(({ id, connections }) => [id, connections]).sort(), [[a.node, 1], [b.node, 1], [c.node, 2]].sort(), 'nodes')
    c.close()
    await until(() => changes.length > 0)
    t.same(changes, ['c gone'], 'it has said goodbye')
    t.equal(await a.countAll(), 2, 'without it')
  })
}

/** Two hubs on a bus that is lost and comes back. */
export function testInterruption (
  t: ContractTest, { create, beat = 400 }: ContractSettings, { lose, regain }: NonNullable<ContractSettings['interruption']>
): void {
  const connect = create({ interrupted: true })

  t.test('the bus goes and comes back', async t => {
    const hubs = await openHubs(t, connect, { busBeat: beat })
    const [a, b] = hubs
    const here = new ContractSocket(a, 'here')
    const there = new ContractSocket(b, 'there')
    const leaver = new ContractSocket(b, 'leaver')
    for (const [hub, { asWebSocket }] of [[a, here], [b, there]] as const) {
      hub.join(asWebSocket, 'before')
      hub.join(asWebSocket, 'pattern/+', { wildcard: true })
    }
    t.equal(await b.busReady(), true, 'confirmed')

    await lose()
    t.equal(a.publish('before', 'lost'), 1, 'at the moment of the loss')
    await until(() => hubs.every(hub => hub.health().bus === 'down'))
    t.equal(await b.busReady(), false, 'nobody waits for a bus that is down')
    b.join(there.asWebSocket, 'meanwhile')
    t.equal(a.publish('before', 'local'), 1, 'clients of this node are served')
    t.equal(a.disconnect('leaver'), 0, 'none of this node')
    t.same(here.texts, ['lost', 'local'], 'here')
    t.equal(leaver.closed, null, 'the other node cannot know')

    await regain()
    await until(() => hubs.every(hub => hub.health().bus === 'up'))
    t.equal(await b.busReady(), true, 'confirmed again')
    await until(() => leaver.closed !== null)
    const topics = ['before', 'meanwhile', 'pattern/x']
    const numbers = Array.from({ length: 20 }, (_, number) => `${number}`)
    for (const number of numbers) a.publish('before', number)
    for (const topic of topics) a.publish(topic, topic)
    a.broadcast('the end')
    await until(() => ['the end', ...topics].every(text => there.texts.includes(text)))
    // What was sent at the moment of the loss may still come: it was on its way.
    const texts = there.texts.filter(text => text !== 'lost')
    t.same(texts.filter(text => numbers.includes(text)), numbers, 'each once and in order')
    t.same(texts.slice().sort(), [...numbers, ...topics, 'the end'].sort(), 'nothing else')
  })

  t.test('nodes are gone while the bus is, and what is guaranteed arrives when it is back', async t => {
    const hubs = await openHubs(t, connect, { busBeat: beat })
    const [a, b] = hubs
    const changes: string[] = []
    const heard: unknown[] = []
    await until(async () => (await a.nodes()).length === 2)
    a.onNodes(({ id, state }) => changes.push(`${id === b.node} ${state}`))
    b.on('chat', data => { heard.push(data) })
    t.equal(await b.busReady(), true, 'confirmed')
    a.tell('chat', 'before')
    await until(() => heard.length === 1)
    await lose()
    await until(() => hubs.every(hub => hub.health().bus === 'down'))
    a.tell('chat', 'lost')
    a.tell('chat', 'late', { guaranteed: true })
    t.same((await a.nodes()).length, 1, 'nobody is asked')
    await until(() => changes.length === 2)
    await regain()
    await until(() => hubs.every(hub => hub.health().bus === 'up'))
    t.equal(await b.busReady(), true, 'confirmed again')
    await until(() => heard.includes('late') && changes.at(-1) === 'true here')
    a.tell('chat', 'after')
    await until(() => heard.includes('after'))
    t.same([...new Set(heard)], ['before', 'late', 'after'], 'no other message')
    t.same(changes.slice(0, 3), ['true here', 'true gone', 'true here'], 'what was seen of the other')
    await until(async () => (await a.nodes()).length === 2)
  })

  t.test('orders are carried out when the bus is back, each once, and spare who came later', async t => {
    const hubs = await openHubs(t, connect, { busBeat: beat })
    const [a, b] = hubs
    for (let round = 0; round < 2; round++) {
      const users = Array.from({ length: 20 }, (_, number) => `user ${round} ${number}`)
      const before = users.map(user => new ContractSocket(b, user))
      const evicted = new ContractSocket(b, 'guest')
      b.join(evicted.asWebSocket, 'room')
      const give = (some: string[]): void => { for (const user of some) a.disconnect(user, { code: 4001, reason: user }) }
      give(users.slice(0, 5))
      await lose()
      give(users.slice(5, 10))
      await until(() => hubs.every(hub => hub.health().bus === 'down'))
      give(users.slice(10))
      a.evict({ subject: 'guest', topic: 'room' })
      // Between two nodes, times are known as well as the fastest message tells them.
      await sleep(beat)
      const later = [...users.slice(10).map(user => new ContractSocket(b, user)), new ContractSocket(b, 'guest')]
      b.join((later.at(-1) as ContractSocket).asWebSocket, 'room')
      await regain()
      await until(() => before.every(({ closed }) => closed !== null) && b.topicsOf(evicted.asWebSocket).length === 0)
      await until(() => hubs.every(hub => hub.health().bus === 'up'))
      t.same(before.map(({ closed }) => closed), users.map(user => [4001, user]), 'all of them')
      // An order that the other node carries out after all that it was told.
      await until(async () => (await a.disconnectAll('nobody')).nodes === 2)
      t.same(later.filter(({ closed }) => closed !== null).length, 0, 'later logins stay')
      t.same(b.topicsOf((later.at(-1) as ContractSocket).asWebSocket), ['room'], 'and keep their topics')
    }
  })
}
