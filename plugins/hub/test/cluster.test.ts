import t, { type Test } from 'tap'
import mqemitter, { type MQEmitter } from 'mqemitter'
import { Hub } from '../src/hub.js'
import type { HubNode, NodeChange, TellOptions, TellOrigin, WsHubOptions } from '../src/index.js'
import { parseHubOptions } from '../src/options.js'
import { ContractSocket } from '../src/contract/nodes.js'
import { until } from './helpers.js'

const LONG = 60_000

/** Hubs that know each other, what they have logged, and what went over their bus. */
async function open (t: Test, count: number, options: WsHubOptions = {}, bus: MQEmitter | null = mqemitter()) {
  const errors: unknown[] = []
  const sent: Array<Record<string, unknown>> = []
  const log = { info () {}, warn () {}, error (details: unknown) { errors.push(details) } } as never
  bus?.on('#', (message, done) => {
    sent.push(message as never)
    done()
  })
  const add = (): Hub => {
    const hub = new Hub(parseHubOptions({ busBeat: LONG, ...options, ...bus === null ? {} : { bus } }), log)
    t.teardown(() => hub.close())
    return hub
  }
  const hubs = Array.from({ length: count }, add)
  await until(() => hubs.every(hub => hub.health().bus !== 'down'))
  for (const hub of hubs) await until(async () => (await hub.nodes()).length === count)
  return { hubs: hubs as [Hub, Hub, Hub], errors, sent, add, bus: bus as MQEmitter }
}

/** What the listeners of some hubs hear of a name. */
function listen (hubs: Hub[], name = 'chat') {
  const heard = new Map<Hub, Array<[unknown, TellOrigin]>>(hubs.map(hub => [hub, []]))
  for (const hub of hubs) hub.on(name, (data, from) => heard.get(hub)?.push([data, from]))
  return { of: (hub: Hub | undefined) => heard.get(hub as Hub)?.map(([data]) => data), from: (hub: Hub) => heard.get(hub)?.map(([, from]) => from) }
}

/** Waits until everything that was told before has been handed over. */
async function settle (hubs: Hub[]): Promise<void> {
  const [first] = hubs as [Hub]
  let heard = 0
  const ends = hubs.map(hub => hub.on('the end', () => { heard++ }))
  await Promise.all(hubs.map(hub => hub.busReady()))
  for (const hub of hubs) hub.tell('the end', null)
  await until(() => heard === hubs.length ** 2)
  for (const end of ends) end()
  await first.giveOrder('the end', '')
}

t.test('a message reaches who is meant, wherever it is sent', async t => {
  const table: Array<[options: (ids: string[]) => TellOptions | undefined, heard: number[]]> = [
    [() => undefined, [0, 1, 2]],
    [() => ({}), [0, 1, 2]],
    [() => ({ to: 'all' }), [0, 1, 2]],
    [() => ({ to: 'others' }), [1, 2]],
    [ids => ({ to: ids[0] as string }), [0]],
    [ids => ({ to: ids[1] as string }), [1]],
    [ids => ({ to: ids[2] as string }), [2]],
    [() => ({ to: 'nobody' }), []]
  ]
  const { hubs, errors } = await open(t, 3)
  const heard = listen(hubs)
  await settle(hubs)
  const wanted: unknown[][] = [[], [], []]
  for (const [index, [options, who]] of table.entries()) {
    for (const guaranteed of [false, true]) {
      const text = `${index} ${guaranteed}`
      const given = options(hubs.map(({ node }) => node))
      hubs[0].tell('chat', text, given === undefined && !guaranteed ? undefined : { ...given, guaranteed })
      for (const hub of who) wanted[hub]?.push(text)
    }
  }
  await settle(hubs)
  for (const [index, hub] of hubs.entries()) {
    t.strictSame(heard.of(hub)?.map(String).sort(), wanted[index]?.map(String).sort(), `hub ${index}`)
    t.ok(heard.from(hub)?.every(({ node, own }) => node === hubs[0].node && own === (index === 0)))
  }
  t.strictSame(errors, [])
  t.ok(hubs.every(({ stats }) => stats.bus.invalid === 0))
})

t.test('without a bus, all of it works for one node', async t => {
  const { hubs: [hub] } = await open(t, 1, {}, null)
  const heard = listen([hub])
  for (const to of ['all', hub.node, 'others', 'another']) for (const guaranteed of [false, true]) hub.tell('chat', to, { to, guaranteed })
  t.strictSame(heard.of(hub), ['all', 'all', hub.node, hub.node])
  const socket = new ContractSocket(hub, 'alice')
  hub.join(socket.asWebSocket, 'news')
  t.strictSame(await hub.nodes(), [{ id: hub.node, own: true, connections: 1, draining: false }])
  t.equal(await hub.countAll(), 1)
  t.equal(await hub.countAll('news'), 1)
  t.equal(await hub.countAll('other'), 0)
  hub.onNodes(() => t.fail('there is no other node'))()
})

t.test('data arrives as JSON makes it, each listener has its own, and the sender may change it', async t => {
  const { hubs } = await open(t, 2)
  const [a, b] = hubs
  const values: Array<[given: unknown, got: unknown]> = [
    [null, null], [0, 0], [-1.5, -1.5], [true, true], ['', ''], ['grüße 🌍', 'grüße 🌍'], [[], []], [{}, {}], [{ a: [1, { b: null }] }, { a: [1, { b: null }] }],
    [{ gone: undefined, date: new Date(0), not: NaN }, { date: '1970-01-01T00:00:00.000Z', not: null }], ['\ud800', '\ud800'], ['x'.repeat(100_000), 'x'.repeat(100_000)]
  ]
  for (const hub of [a, b]) hub.on('chat', data => { if (typeof data === 'object' && data !== null) data.spoilt = true })
  const heard = listen(hubs)
  await settle(hubs)
  for (const [given] of values) a.tell('chat', given)
  const changing = { state: 'before' }
  a.tell('chat', changing)
  changing.state = 'after'
  await settle(hubs)
  const wanted = [...values.map(([, got]) => got), { state: 'before' }]
  t.strictSame(heard.of(a), wanted)
  t.strictSame(heard.of(b), wanted)
})

t.test('what cannot be told is refused, and nothing is sent', async t => {
  const circle: { self?: object } = {}
  circle.self = circle
  const { hubs: [hub, other], sent } = await open(t, 2)
  const heard = listen([hub, other])
  await settle([hub, other])
  const before = sent.length
  const TELL = 'WSA_HUB_ERR_INVALID_TELL'
  const table: Array<[name: unknown, data: unknown, options: unknown, code: string, text?: RegExp]> = [
    ...['', 'x'.repeat(257), 'ä'.repeat(129), '/'.repeat(64), 1, null, undefined, {}, ['chat'], Symbol('x')].map(name => [name, 1, {}, TELL, /name/] as [unknown, unknown, unknown, string, RegExp]),
    ...[undefined, () => {}, Symbol('x'), 1n, circle, { toJSON () { throw new Error('no') } }, { toJSON: () => undefined }].map(data => ['chat', data, {}, 'WSA_HUB_ERR_INVALID_DATA'] as [unknown, unknown, unknown, string]),
    ...['', 'a b', 'x/y', '+', '#', 'ä', '*', 'x'.repeat(65), 1, null, {}].map(to => ['chat', 1, { to }, TELL, /to/] as [unknown, unknown, unknown, string, RegExp]),
    ...[1, 'yes', null].map(guaranteed => ['chat', 1, { guaranteed }, TELL, /guaranteed/] as [unknown, unknown, unknown, string, RegExp]),
    ['chat', 1, { too: 'all' }, TELL, /too/],
    ['chat', 1, null, TELL],
    ['chat', 1, 'all', TELL],
    ['chat', 'x'.repeat(256 * 1024 - 1), {}, TELL, /262145 bytes/],
    ['chat', 'ä'.repeat(128 * 1024), {}, TELL, /262146 bytes/],
    ['chat', 'x'.repeat(16 * 1024), { guaranteed: true }, TELL, /16384/],
    ['chat', '"'.repeat(3_000), { guaranteed: true }, TELL, /16384/]
  ]
  for (const [name, data, options, code, text = /./] of table) {
    t.throws(() => hub.tell(name as string, data, options as TellOptions), { code, message: text }, `${String(name).slice(0, 20)} ${typeof data} ${JSON.stringify(options)}`)
  }
  for (const name of ['', 1, undefined]) t.throws(() => hub.on(name as string, () => {}), { code: TELL })
  for (const listener of [undefined, null, {}, 'x']) {
    t.throws(() => hub.on('chat', listener as never), { code: TELL })
    t.throws(() => hub.onNodes(listener as never), { code: TELL })
  }
  t.equal(sent.length, before)
  hub.tell('chat', 'x'.repeat(256 * 1024 - 2))
  hub.tell('chat', 'x'.repeat(15_000), { guaranteed: true })
  await settle([hub, other])
  for (const one of [hub, other]) t.strictSame(heard.of(one)?.map(data => (data as string).length).sort((a, b) => a - b), [15_000, 256 * 1024 - 2], 'the largest arrives')
})

t.test('a listener that fails is logged, and stops no other', async t => {
  const { hubs, errors } = await open(t, 2)
  const [a, b] = hubs
  b.on('chat', () => { throw new Error('thrown') })
  b.on('chat', async () => { throw new Error('rejected') })
  b.on('chat', () => ({ then: (_: unknown, fail: (error: unknown) => void) => fail(new Error('a thenable')) }))
  b.on('chat', () => ({ get then () { throw new Error('no member') } }))
  const heard = listen(hubs)
  await settle(hubs)
  for (const guaranteed of [false, true]) a.tell('chat', 'on', { guaranteed })
  await settle(hubs)
  await until(() => errors.length === 8)
  t.strictSame(heard.of(a), ['on', 'on'])
  t.strictSame(heard.of(b), ['on', 'on'])
  t.ok(errors.every(error => (error as { tell: string }).tell === 'chat'))
  t.strictSame(errors.map(error => (error as { err: Error }).err.message).sort(), ['a thenable', 'no member', 'rejected', 'thrown'].flatMap(text => [text, text]))
})

t.test('messages of one node arrive in their order, also those that listeners cause', async t => {
  const { hubs } = await open(t, 3)
  for (const to of ['all', 'own', 'one']) {
    const name = `count/${to}`
    // The first listener hears a message, and tells the next, before the second has the first.
    for (const hub of hubs) hub.on(name, (data, { own }) => { if (own && data < 5 && hub === hubs[0]) hub.tell(name, data + 100) })
    const heard = listen(hubs, name)
    await settle(hubs)
    const options = to === 'all' ? {} : { to: (to === 'own' ? hubs[0] : hubs[1]).node }
    for (let number = 0; number < 50; number++) hubs[0].tell(name, number, options)
    await settle(hubs)
    const [own, other] = [heard.of(hubs[0]), heard.of(hubs[1])] as [number[], number[]]
    if (to === 'all') {
      t.strictSame(own.slice(0, 4), [0, 100, 1, 101])
      t.strictSame(other, own, 'the same everywhere')
      t.strictSame(heard.of(hubs[2]), own)
    } else {
      t.strictSame((to === 'own' ? own : other).filter(number => number < 100), Array.from({ length: 50 }, (_, number) => number))
    }
  }
})

t.test('listeners come and go at any moment', async t => {
  const { hubs: [hub] } = await open(t, 1, {}, null)
  const heard: string[] = []
  const listener = (data: string): void => { heard.push(data) }
  const [first, second] = [hub.on('chat', listener), hub.on('chat', listener)]
  hub.tell('chat', 'twice')
  first()
  first()
  hub.tell('chat', 'once')
  second()
  hub.tell('chat', 'nobody')
  t.strictSame(heard.splice(0), ['twice', 'twice', 'once'])
  const later: Array<() => void> = []
  hub.on('chat', () => {
    for (const end of later.splice(0)) end()
    hub.on('chat', () => { heard.push('one more') })
  })
  later.push(hub.on('chat', () => { heard.push('removed') }))
  hub.tell('chat', 1)
  t.strictSame(heard, [], 'a listener may remove one that would be next, and one that is added waits for the next message')
  hub.tell('chat', 2)
  t.strictSame(heard, ['one more'])
  let calls = 0
  const end = hub.on('last', () => {
    calls++
    hub.tell('last', 'nobody is left for it')
    end()
  })
  hub.tell('last', 1)
  t.equal(calls, 1)
})

t.test('what nobody uses costs nothing: nothing is subscribed to or sent', async t => {
  const emitter = mqemitter()
  const topics: string[] = []
  const sent: unknown[] = []
  const bus = {
    on: (topic: string, ...rest: [never, never]) => { topics.push(topic); emitter.on(topic, ...rest) },
    emit: (message: { topic: string }, ...rest: [never]) => { sent.push(message); emitter.emit(message, ...rest) },
    removeListener: emitter.removeListener.bind(emitter)
  }
  const { hubs: [a, b] } = await open(t, 2, { bus }, null)
  await until(() => [a, b].every(hub => hub.health().bus === 'up'))
  const before = topics.length
  t.strictSame([...new Set(topics.map(topic => topic.split('/')[1]))].sort(), ['beat', 'broadcast', 'disconnect', 'node', 'return'])
  t.notOk(JSON.stringify(sent).includes('tell'))
  b.on('chat', () => {})
  t.strictSame(topics.slice(before), ['airlock/tell/chat'], 'one subscription for each name')
  const count = sent.length
  b.on('chat', () => {})
  b.onNodes(() => {})
  t.equal(topics.length, before + 1)
  t.equal(sent.length, count)
  a.tell('chat', 1)
  t.equal(sent.length, count + 1, 'one message for all nodes')
})

t.test('a subscription ends with the last listener of its name', async t => {
  const { hubs } = await open(t, 2)
  const [a, b] = hubs
  const ends = [b.on('chat', () => {}), b.on('chat', () => {})]
  await b.busReady()
  const { received } = b.stats.bus
  a.tell('chat', 1)
  await until(() => b.stats.bus.received === received + 1)
  for (const end of ends) end()
  const counts: number[] = []
  for (const told of [false, true]) {
    await settle(hubs)
    const before = b.stats.bus.received
    if (told) a.tell('chat', 2)
    await settle(hubs)
    counts.push(b.stats.bus.received - before)
  }
  t.equal(counts[1], counts[0], 'it does not even arrive')
  const heard = listen([b])
  await b.busReady()
  a.tell('chat', 3)
  await settle(hubs)
  t.strictSame(heard.of(b), [3])
})

t.test('all nodes say how they are, and how many connections they have', async t => {
  const { hubs: [a, b, c] } = await open(t, 3)
  for (const [hub, users] of [[a, ['alice', 'bob']], [b, ['alice']], [c, []]] as const) {
    for (const user of users) hub.join(new ContractSocket(hub, user).asWebSocket, 'news')
  }
  b.join(new ContractSocket(b, 'carol').asWebSocket, 'news/+', { wildcard: true })
  for (const hub of [a, b, c]) {
    const found = await hub.nodes()
    t.strictSame(found[0]?.own, true, 'the own one first')
    t.strictSame(sorted(found), sorted([a, b, c].map((one, index) => ({ id: one.node, own: one === hub, connections: [2, 2, 0][index] as number, draining: false }))))
    t.equal(await hub.countAll(), 4)
    t.equal(await hub.countAll('news'), 3)
    t.equal(await hub.countAll('news/x'), 1)
    t.equal(await hub.countAll('other'), 0)
  }
  for (const topic of ['', 'x'.repeat(257), 1, null]) await t.rejects(a.countAll(topic as string), { code: 'WSA_HUB_ERR_INVALID_TOPIC' })
  for (const timeout of [0, -1, 1.5, '5', NaN, Infinity, 2 ** 31]) {
    await t.rejects(a.nodes({ timeout: timeout as number }), { code: 'WSA_HUB_ERR_INVALID_TIMEOUT' })
    await t.rejects(a.countAll('x', { timeout: timeout as number }), { code: 'WSA_HUB_ERR_INVALID_TIMEOUT' })
  }
  const drained = c.drain()
  t.match((await a.nodes()).find(({ id }) => id === c.node), { draining: true, connections: 0 })
  await drained
  c.close()
  await until(async () => (await a.nodes()).length === 2)
})

function sorted (nodes: HubNode[]): HubNode[] {
  return [...nodes].sort((a, b) => a.id < b.id ? -1 : 1)
}

t.test('nobody waits for other nodes once the server closes', async t => {
  for (const end of ['drain', 'close'] as const) {
    const { hubs: [a], bus } = await open(t, 1)
    // It beats, and answers nothing.
    bus.emit({ topic: 'airlock/beat', node: 'mute', sequence: 1, kind: 'beat', time: 1, every: LONG, have: '[]' } as never)
    const waiting = Promise.all([a.nodes(), a.countAll()])
    await a[end]()
    t.match(await waiting, [[{ own: true }], 0])
    t.match(await a.nodes(), [{ own: true }], 'from then on as well')
  }
})

t.test('after a drain nothing is told, nor heard', async t => {
  for (const end of ['drain', 'close'] as const) {
    const { hubs, sent, bus } = await open(t, 2)
    const [a, b] = hubs
    const heard = listen(hubs)
    const changes: NodeChange[] = []
    a.onNodes(change => { changes.push(change) })
    t.strictSame(changes.splice(0), [{ id: b.node, state: 'here' }])
    await settle(hubs)
    await a[end]()
    const before = sent.length
    for (const guaranteed of [false, true]) a.tell('chat', 'late', { guaranteed })
    t.equal(sent.length, before, 'nothing is sent')
    for (const guaranteed of [false, true]) b.tell('chat', 'to the end', { guaranteed })
    b.tell('chat', 'to it', { to: a.node })
    bus.emit({ topic: 'airlock/beat', node: 'new', sequence: 1, kind: 'beat', time: 1, every: LONG, have: '[]' } as never)
    await until(() => heard.of(b)?.length === 2)
    await b.giveOrder('the end', '', { timeout: 50 })
    t.strictSame(heard.of(a), [], end)
    a.onNodes(() => t.fail('a node'))()
    t.strictSame(changes, [])
    t.doesNotThrow(() => a.on('chat', () => {}))
  }
})

t.test('a drain that a listener begins is the last thing that is heard', async t => {
  const { hubs: [hub] } = await open(t, 1, {}, null)
  const heard: number[] = []
  hub.on('chat', data => {
    heard.push(data)
    hub.tell('chat', data + 1)
    if (data === 3) hub.close()
  })
  hub.on('chat', data => { heard.push(-data) })
  hub.tell('chat', 1)
  t.strictSame(heard, [1, -1, 2, -2, 3])
})

t.test('while a drain is under way, the clients that are left miss nothing', async t => {
  const { hubs } = await open(t, 2, { drain: { batch: 1, interval: 20, timeout: LONG } })
  const [a, b] = hubs
  // It never answers the close frame, until the test has it.
  const socket = new ContractSocket(a, 'alice')
  socket.close = () => {}
  const heard = listen(hubs)
  await settle(hubs)
  const drained = a.drain()
  b.tell('chat', 'meanwhile')
  a.tell('chat', 'too')
  await until(() => heard.of(a)?.length === 2 && heard.of(b)?.length === 2)
  socket.terminate()
  await drained
  t.same(heard.of(a)?.sort(), ['meanwhile', 'too'])
})

t.test('what comes from the bus is not believed', async t => {
  const { hubs: [hub], bus, errors } = await open(t, 1)
  const heard = listen([hub])
  await hub.busReady()
  let sequence = 0
  const send = (channel: string, members: object): void => bus.emit({ topic: `airlock/${channel}`, node: 'evil', sequence: ++sequence, ...members } as never)
  const order = (detail: string): void => send('disconnect', {
    number: sequence + 1, age: 0, time: 1, order: JSON.stringify({ kind: 'relay', name: 'airlock:tell', detail })
  })
  const good = { name: 'chat', to: 'all', from: 'evil', text: '1' }
  const details = [
    '', '{', 'null', '[]', '1', '{}', ...['name', 'to', 'from', 'text'].flatMap(member => [undefined, 7, null].map(value => JSON.stringify({ ...good, [member]: value }))),
    JSON.stringify({ ...good, name: '' }), JSON.stringify({ ...good, from: 'a/b' }), JSON.stringify({ ...good, text: '{' })
  ]
  for (const detail of details) order(detail)
  await until(() => errors.length === details.length)
  t.ok(errors.every(error => (error as { err: { code: string } }).err.code === 'WSA_HUB_ERR_INVALID_TELL'))
  order(JSON.stringify({ ...good, to: 'nobody' }))
  order(JSON.stringify({ ...good, text: '"__proto__"', name: '__proto__' }))
  // An answer that nobody has asked for, and one of a node that was not asked.
  send(`node/${hub.node}`, { kind: 'answer', id: 1, connections: 1e6, count: 1e6, draining: false })
  send('beat', { kind: 'beat', time: 1, every: LONG, have: '[]' })
  const waiting = hub.countAll()
  const id = hub.stats.bus.sent
  t.ok(id > 0)
  bus.emit({ topic: `airlock/node/${hub.node}`, node: 'another', sequence: 1, kind: 'answer', id: 1, connections: 5, count: 5, draining: false } as never)
  for (let question = 0; question < 20; question++) for (const count of [2, 3]) send(`node/${hub.node}`, { kind: 'answer', id: question, connections: count, count, draining: false })
  t.equal(await waiting, 2, 'each node is heard once')
  // An older message, and the same twice.
  const tell = { topic: 'airlock/tell/chat', node: 'evil', payload: Buffer.from('"once"') }
  for (const number of [1_000, 1_000, 999]) bus.emit({ ...tell, sequence: number } as never)
  await until(() => heard.of(hub)?.length === 1)
  bus.emit({ ...tell, sequence: 1_001, payload: Buffer.from('"last"') } as never)
  await until(() => heard.of(hub)?.includes('last') === true)
  t.strictSame(heard.of(hub), ['once', 'last'])
})

t.test('listeners that throw what cannot be logged stop nothing', async t => {
  const lines: string[] = []
  // As pino does, which marks errors.
  const error = (details: { err?: { seen?: boolean } }, text: string): void => {
    if (details.err !== undefined) details.err.seen = true
    lines.push(text)
  }
  const hub = new Hub(parseHubOptions({}), { info () {}, warn () {}, error } as never)
  t.teardown(() => hub.close())
  const heard: unknown[] = []
  hub.on('chat', () => { throw Object.freeze(new Error('frozen')) })
  hub.on('chat', data => { heard.push(data) })
  hub.tell('chat', 1)
  hub.tell('chat', 2)
  t.strictSame(heard, [1, 2])
  hub.onOrder('work', () => { throw Object.freeze(new Error('frozen')) })
  hub.onOrder('work', () => 'done')
  t.strictSame(await hub.giveOrder('work', ''), { answers: ['done'], nodes: 1 })
  t.strictSame(lines.map(line => /cannot be logged/.test(line)), [true, true, true])
})
