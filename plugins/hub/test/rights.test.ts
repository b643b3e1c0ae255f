import t from 'tap'
import { announceIdentityChange } from '@fastify-airlock/core'
import mqemitter from 'mqemitter'
import { channel } from 'node:diagnostics_channel'
import { createFrame, type Frame } from '../src/frame.js'
import { type Doubt, Grants } from '../src/grants.js'
import { Hub } from '../src/hub.js'
import type { HubBus, HubBusListener, HubIdentity, TopicLeft, WsHubOptions } from '../src/index.js'
import { parseHubOptions } from '../src/options.js'
import { overlap, type Topic, type TopicName } from '../src/topics.js'
import { fakeSocket } from './fakes.js'
import { build, settle, until } from './helpers.js'

type Ask = Required<WsHubOptions>['authorizeTopic']

/** A hub without a network whose clocks a test moves. */
function start (options: WsHubOptions = {}) {
  const clock = { now: 0 }
  const left: TopicLeft[] = []
  const errors: unknown[] = []
  const log = { error: (details: object) => { errors.push(details) }, warn () {}, info () {} }
  const hub = new Hub(
    parseHubOptions({ onTopicLeft: (_socket: unknown, event: TopicLeft) => { left.push(event) }, ...options }), log as never, undefined, undefined,
    { now: () => clock.now, wall: () => 1e12 + clock.now }
  )
  const connect = (subject = 'alice', more: Partial<HubIdentity> = {}) => {
    const fake = fakeSocket()
    const identity: HubIdentity = { subject, ...more }
    hub.add(fake.socket, identity)
    return { ...fake, identity, change: () => announceIdentityChange(identity) }
  }
  const advance = (to: number): void => {
    clock.now = to
    hub.tick()
  }
  return { hub, clock, left, errors, connect, advance }
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

/** An `authorizeTopic` whose first `at once` answers are true, and whose others the test gives. */
function asking (atOnce: number) {
  const waiting: Array<{ topic: string, answer: (yes: unknown) => void, fail: (error: Error) => void }> = []
  let calls = 0
  const authorizeTopic: Ask = (_identity, topic) => calls++ < atOnce
    ? true
    : new Promise<boolean>((resolve, reject) => waiting.push({ topic, answer: resolve as never, fail: reject }))
  return { waiting, authorizeTopic, calls: () => calls }
}

t.test('a topic is asked again when the claims change: who may not stay leaves, and loses nothing else', async t => {
  const told: unknown[] = []
  const listener = (event: unknown): void => { told.push((event as { reason?: string }).reason) }
  channel('airlock:hub:leave').subscribe(listener)
  t.teardown(() => channel('airlock:hub:leave').unsubscribe(listener))
  const { hub, left, connect } = start({
    authorizeTopic: ({ claims }, topic) => (claims as { scope: string }).scope.split(' ').includes(topic)
  })
  const alice = connect('alice', { claims: { scope: 'news secret' } })
  const bob = connect('bob', { claims: { scope: 'secret' } })
  for (const topic of ['news', 'secret']) t.equal(await hub.requestJoin(alice.socket, topic), true)
  await hub.requestJoin(bob.socket, 'secret')
  hub.join(alice.socket, 'alice/private')
  t.strictSame(hub.topicsOf(alice.socket), ['news', 'secret', 'alice/private'])

  alice.identity.claims = { scope: 'news' }
  alice.change()
  t.strictSame(hub.topicsOf(alice.socket), ['news', 'alice/private'], 'what the application has joined is its own affair')
  t.strictSame(left, [{ subject: 'alice', topic: 'secret', wildcard: false, reason: 'denied' }])
  t.equal(hub.publish('secret', 'x'), 1)
  t.equal(hub.publish('news', 'for both'), 1)
  await turn()
  t.strictSame(alice.sent(), ['text for both'])
  t.strictSame(bob.sent(), ['text x'])
  t.equal(alice.socket.readyState, alice.socket.OPEN)
  t.ok(told.includes('denied'))

  hub.leave(alice.socket, 'news')
  alice.identity.claims = { scope: '' }
  alice.change()
  t.equal(left.length, 1, 'nothing is asked any more')
})

t.test('reauthorize by subject, by topic, by both, by pattern', async t => {
  const join = async () => {
    let allowed = true
    const asked: string[] = []
    const made = start({
      authorizeTopic: ({ subject }, topic) => {
        if (!allowed) asked.push(`${subject} ${topic}`)
        return allowed
      }
    })
    for (const subject of ['alice', 'bob']) {
      const { socket } = made.connect(subject)
      for (const topic of ['a', 'b/1']) await made.hub.requestJoin(socket, topic)
      await made.hub.requestJoin(socket, 'b/+', { wildcard: true })
      made.hub.join(socket, 'own')
    }
    allowed = false
    return { ...made, asked }
  }
  for (const [options, expected] of [
    [{ subject: 'alice' }, ['alice a', 'alice b/1', 'alice b/+']],
    [{ topic: 'a' }, ['alice a', 'bob a']],
    [{ topic: 'b/1' }, ['alice b/1', 'bob b/1', 'alice b/+', 'bob b/+']],
    [{ topic: 'b/2' }, ['alice b/+', 'bob b/+']],
    [{ subject: 'bob', topic: 'a' }, ['bob a']],
    [{ subject: 'bob', topic: '#', wildcard: true }, ['bob a', 'bob b/1', 'bob b/+']],
    [{ topic: '+', wildcard: true }, ['alice a', 'bob a']],
    [{ topic: 'own' }, []],
    [{ subject: 'carol' }, []]
  ] as const) {
    const { hub, asked } = await join()
    t.strictSame(await hub.reauthorize(options), { kept: 0, left: expected.length })
    t.strictSame(asked, expected, JSON.stringify(options))
  }
  const { hub } = await join()
  await t.rejects(hub.reauthorize({}), { code: 'WSA_HUB_ERR_NO_SELECTION' })
  for (const options of [undefined, null, 'alice', [], { subject: 'alice', topci: 'a' }, { subject: 'alice', topic: 'a', wildcard: 1 }]) {
    await t.rejects(hub.reauthorize(options as never), { code: 'WSA_HUB_ERR_INVALID_TARGET' })
    t.throws(() => hub.evict(options as never), { code: 'WSA_HUB_ERR_INVALID_TARGET' })
  }
  for (const options of [{ subject: undefined, topic: 'a' }, { subject: 'alice', topic: undefined }, { subject: undefined }]) {
    await t.rejects(hub.reauthorize(options as never), { code: 'WSA_HUB_ERR_INVALID_TARGET' })
    t.throws(() => hub.evict(options as never), { code: /^WSA_HUB_ERR_INVALID_(?:SUBJECT|TOPIC)$/ })
  }
  await t.rejects(hub.reauthorize({ subject: '' }), { code: 'WSA_HUB_ERR_INVALID_SUBJECT' })
  await t.rejects(hub.reauthorize({ topic: '' }), { code: 'WSA_HUB_ERR_INVALID_TOPIC' })
  t.throws(() => hub.evict({ subject: '', topic: 'a' }), { code: 'WSA_HUB_ERR_INVALID_SUBJECT' })
  t.throws(() => hub.evict({ subject: 'alice', topic: 'a#', wildcard: true }), { code: 'WSA_HUB_ERR_INVALID_TOPIC' })
})

t.test('while an answer is awaited the messages of the topic wait, and come or go with it', async t => {
  for (const [give, reason] of [
    [true, null], [false, 'denied'], [undefined, 'denied'], [new Error('no database'), 'failed']
  ] as const) {
    const { waiting, authorizeTopic } = asking(1)
    const { hub, left, connect } = start({ authorizeTopic })
    const { socket, sent, change } = connect()
    await hub.requestJoin(socket, 'news')
    hub.join(socket, 'own')
    change()
    t.equal(hub.publish('news', 'one'), 0, 'nobody has taken it yet')
    hub.publish('news', 'two')
    t.equal(hub.publish('own', 'own'), 1)
    t.equal(hub.count('news'), 1)
    t.strictSame(hub.subjects('news'), ['alice'])
    t.strictSame(hub.topicsOf(socket), ['news', 'own'])
    await turn()
    t.strictSame(sent(), ['text own'])
    if (give instanceof Error) waiting[0]?.fail(give)
    else waiting[0]?.answer(give)
    await turn()
    await turn()
    t.strictSame(sent(), reason === null ? ['text own', 'text one', 'text two'] : ['text own'])
    t.strictSame(left.map(({ reason }) => reason), reason === null ? [] : [reason])
    t.equal(hub.publish('news', 'three'), reason === null ? 1 : 0)
  }
})

t.test('a message that comes through several topics waits once, and not at all where one is beyond doubt', async t => {
  const { waiting, authorizeTopic } = asking(2)
  const { hub, connect } = start({ authorizeTopic })
  const { socket, sent, change } = connect()
  await hub.requestJoin(socket, 'a/b')
  await hub.requestJoin(socket, 'a/+', { wildcard: true })
  change()
  for (const text of ['one', 'two']) hub.publish('a/b', text)
  waiting[0]?.answer(false)
  await turn()
  hub.publish('a/c', 'three')
  waiting[1]?.answer(true)
  await turn()
  await turn()
  t.strictSame(sent(), ['text one', 'text two', 'text three'])

  hub.join(socket, '#', { wildcard: true })
  change()
  t.equal(hub.publish('a/b', 'four'), 1)
  hub.publish('a/b', 'five', { except: socket })
  await turn()
  waiting[2]?.answer(true)
  await turn()
  await turn()
  t.strictSame(sent().slice(3), ['text four'])
})

t.test('what waits counts as unsent', async t => {
  for (const [slowConsumer, closed, got] of [
    ['terminate', true, 0], ['drop', false, 1], [() => 'send', false, 2], [() => { throw new Error('broken') }, true, 0]
  ] as const) {
    const { waiting, authorizeTopic } = asking(1)
    const { hub, connect } = start({ authorizeTopic, maxBufferedBytes: 100, slowConsumer: slowConsumer as 'drop' })
    const { socket, sent, change } = connect()
    await hub.requestJoin(socket, 'news')
    change()
    for (let times = 0; times < 2; times++) hub.publish('news', 'x'.repeat(60))
    hub.publish('news', 'left out', { filter: () => false })
    hub.publish('news', 'left out', { except: socket })
    waiting[0]?.answer(true)
    await turn()
    await turn()
    t.equal(socket.readyState !== socket.OPEN, closed)
    t.equal(sent().length, got)
  }
})

t.test('no answer in time: the connection leaves, and nothing puts that off', async t => {
  const { waiting, authorizeTopic, calls } = asking(1)
  const { hub, left, clock, connect } = start({ authorizeTopic, authorizeTimeout: 1_000 })
  const { socket, change } = connect()
  await hub.requestJoin(socket, 'news')
  change()
  clock.now = 900
  change()
  t.equal(calls(), 3)
  waiting[0]?.answer(true)
  await turn()
  t.equal(hub.publish('news', 'x'), 0, 'the answer to the first question is outdated')
  clock.now = 1_001
  change()
  t.equal(calls(), 3)
  t.strictSame(left.map(({ reason }) => reason), ['late'])
})

t.test('a second change while the first is asked: the last answer counts', async t => {
  const { waiting, authorizeTopic } = asking(1)
  const { hub, connect } = start({ authorizeTopic })
  const { socket, sent } = connect()
  await hub.requestJoin(socket, 'news')
  const first = hub.reauthorize({ subject: 'alice' })
  hub.publish('news', 'one')
  const second = hub.reauthorize({ topic: 'news' })
  waiting[1]?.answer(true)
  t.strictSame(await Promise.all([first, second]), [{ kept: 1, left: 0 }, { kept: 1, left: 0 }])
  waiting[0]?.answer(false)
  await turn()
  t.strictSame(hub.topicsOf(socket), ['news'])
  t.strictSame(sent(), ['text one'])
})

t.test('leave, join, close and evict while an answer is awaited', async t => {
  for (const [name, act, joined, got] of [
    ['leave', (hub: Hub, socket: never) => hub.leave(socket, 'news'), [], []],
    ['leave and join', (hub: Hub, socket: never) => { hub.leave(socket, 'news'); hub.join(socket, 'news') }, ['news'], []],
    ['join', (hub: Hub, socket: never) => hub.join(socket, 'news'), ['news'], ['text one']],
    ['evict', (hub: Hub) => hub.evict({ subject: 'alice', topic: 'news' }), [], []],
    ['close', (_hub: Hub, socket: { emit (event: string): void }) => socket.emit('close'), [], []]
  ] as const) {
    const { waiting, authorizeTopic } = asking(1)
    const { hub, left, connect } = start({ authorizeTopic })
    const { socket, sent, change } = connect()
    await hub.requestJoin(socket, 'news')
    const asked = hub.reauthorize({ topic: 'news' })
    hub.publish('news', 'one')
    act(hub, socket as never)
    waiting[0]?.answer(false)
    t.strictSame(await asked, name === 'join' ? { kept: 1, left: 0 } : { kept: 0, left: 1 }, name)
    await turn()
    t.strictSame(name === 'close' ? [] : hub.topicsOf(socket), joined, name)
    t.strictSame(sent(), got, name)
    t.equal(left.length, name === 'evict' ? 1 : 0)
    change()
    t.equal(waiting.length, 1, 'nothing is asked for it any more')
    t.equal(hub.count('news'), joined.length)
  }
})

t.test('authorizeTopic itself may have the connection leave', async t => {
  let act: (() => void) | undefined
  const { hub, connect } = start({
    authorizeTopic: (_identity, topic) => {
      act?.()
      return topic === 'later' ? Promise.resolve(true) : true
    }
  })
  const { socket } = connect()
  await hub.requestJoin(socket, 'now')
  await hub.requestJoin(socket, 'later')
  for (const topic of ['now', 'later']) {
    act = () => { hub.leave(socket, topic) }
    t.strictSame(await hub.reauthorize({ topic }), { kept: 0, left: 1 })
  }
  t.strictSame(hub.topics(), [])
})

t.test('a request to join that is under way is asked again, or denied, like what has joined', async t => {
  for (const [name, act, again, joined] of [
    ['claims', ({ change }: { change: () => void }) => change(), true, false],
    ['reauthorize by topic', ({ hub }: { hub: Hub }) => { hub.reauthorize({ topic: 'news' }) }, true, false],
    ['reauthorize of another', ({ hub }: { hub: Hub }) => { hub.reauthorize({ subject: 'bob' }) }, false, true],
    ['evict', ({ hub }: { hub: Hub }) => { hub.evict({ subject: 'alice', topic: 'news' }) }, false, false],
    ['evict of another topic', ({ hub }: { hub: Hub }) => { hub.evict({ subject: 'alice', topic: 'other' }) }, false, true]
  ] as const) {
    const { waiting, authorizeTopic } = asking(0)
    const made = start({ authorizeTopic })
    const { socket, change } = made.connect()
    const asked = made.hub.requestJoin(socket, 'news')
    const other = made.hub.requestJoin(socket, 'third')
    act({ ...made, change })
    waiting[0]?.answer(true)
    await turn()
    t.equal(waiting.length, again ? 3 : 2, name)
    if (again) waiting[2]?.answer(false)
    t.equal(await asked, joined, name)
    waiting[1]?.answer(false)
    await turn()
    if (name === 'claims') waiting[3]?.answer(false)
    t.equal(await other, false)
  }
})

t.test('what the application joins meanwhile is the application\'s, and a second request changes nothing', async t => {
  const { waiting, authorizeTopic, calls } = asking(0)
  const { hub, connect } = start({ authorizeTopic })
  const { socket, change } = connect()
  const asked = hub.requestJoin(socket, 'news')
  hub.join(socket, 'news')
  hub.join(socket, 'news')
  waiting[0]?.answer(true)
  t.equal(await asked, true)
  change()
  t.equal(calls(), 1)
})

t.test('the lease: topicLease, or the life of the token', async t => {
  let allowed = true
  const { hub, left, connect, advance } = start({ topicLease: 60_000, authorizeTopic: () => allowed })
  const { socket } = connect()
  await hub.requestJoin(socket, 'news')
  await hub.requestJoin(socket, 'more')
  advance(60_100)
  t.equal(hub.topicsOf(socket).length, 2)
  allowed = false
  advance(119_000)
  t.equal(left.length, 0)
  advance(120_300)
  t.equal(left.length, 2)

  for (const topicLease of [undefined, 60_000]) {
    let calls = 0
    const { hub, connect, advance } = start({ authorizeTopic: () => { calls++; return true }, ...(topicLease && { topicLease }) })
    const { socket, identity, change } = connect('alice', { expiresAt: 1e12 + 30_000 })
    await hub.requestJoin(socket, 'news')
    advance(30_100)
    t.equal(calls, 2, 'when the token expires')
    advance(80_000)
    t.equal(calls, 2)
    identity.expiresAt = 1e12 + 200_000
    change()
    t.equal(calls, 3)
    advance(200_200)
    t.equal(calls, 4)
  }
  let calls = 0
  const other = start({ authorizeTopic: () => { calls++; return true } })
  await other.hub.requestJoin(other.connect('alice', { expiresAt: null }).socket, 'news')
  other.advance(1e9)
  t.equal(calls, 1, 'without either, nobody is asked')
})

t.test('evict takes the topic away, however it was joined', async t => {
  const { hub, left, errors, connect } = start({ authorizeTopic: () => true })
  const one = connect('alice')
  const two = connect('alice')
  const bob = connect('bob')
  hub.join(one.socket, 'secret')
  hub.join(one.socket, 'other')
  hub.join(two.socket, '#', { wildcard: true })
  await hub.requestJoin(two.socket, 'other')
  hub.join(bob.socket, 'secret')
  t.equal(hub.evict({ subject: 'alice', topic: 'secret' }), 2)
  t.equal(hub.publish('secret', 'x'), 1)
  t.strictSame(hub.topicsOf(one.socket), ['other'])
  t.strictSame([hub.topicsOf(two.socket), hub.topicsOf(two.socket, { wildcard: true })], [['other'], []])
  t.strictSame(left.map(({ topic, reason }) => [topic, reason]), [['secret', 'evicted'], ['#', 'evicted']])
  t.equal(hub.evict({ subject: 'alice', topic: 'secret' }), 0)
  t.equal(hub.evict({ subject: 'alice', topic: '+', wildcard: true }), 2)
  t.strictSame(errors, [])
})

t.test('an error of onTopicLeft is logged, and nothing else', async t => {
  for (const onTopicLeft of [() => { throw new Error('broken') }, async () => { throw new Error('broken') }]) {
    const { hub, errors, connect } = start({ onTopicLeft })
    const { socket } = connect()
    hub.join(socket, 'secret')
    t.equal(hub.evict({ subject: 'alice', topic: 'secret' }), 1)
    await turn()
    t.match(errors, [{ err: { message: 'broken' } }])
  }
  const { hub, connect } = start({ onTopicLeft: undefined } as never)
  hub.join(connect().socket, 'secret')
  t.equal(hub.evict({ subject: 'alice', topic: 'secret' }), 1)
})

t.test('which topics and patterns have a message in common', async t => {
  const topic = (name: string): TopicName => ({ name, wildcard: false })
  const pattern = (name: string): TopicName => ({ name, wildcard: true })
  for (const [one, other, expected] of [
    [topic('a'), topic('a'), true], [topic('a'), topic('b'), false], [topic('+'), topic('a'), false], [topic('a/b'), topic('a'), false],
    [pattern('+'), topic('a'), true], [pattern('+'), topic('a/b'), false], [pattern('a/#'), topic('a'), true], [pattern('#'), topic('x/y'), true],
    [pattern('a/+'), topic('a/'), true], [pattern('a/+'), pattern('+/b'), true], [pattern('a/+'), pattern('b/#'), false], [pattern('+'), topic('+'), true],
    [pattern('a/#'), pattern('a/b/c'), true]
  ] as const) {
    t.equal(overlap(one, other), expected, `${one.name} ${other.name}`)
    t.equal(overlap(other, one), expected, `${other.name} ${one.name}`)
  }
})

t.test('10,000 topics are asked again in slices: others have their turns in between', async t => {
  let calls = 0
  // As slow as a slice is long, so that slices end however fast the machine is.
  const spin = (ms: number): void => { for (const end = performance.now() + ms; performance.now() < end;); }
  const { hub, connect } = start({
    authorizeTopic: () => {
      if (++calls > 10_000 && calls % 1_000 === 0) spin(6)
      return true
    }
  })
  for (let n = 0; n < 100; n++) {
    const { socket } = connect(`user-${n}`)
    for (let m = 0; m < 100; m++) await hub.requestJoin(socket, `topic/${m}`)
  }
  let turns = 0
  const count = (): void => {
    turns++
    immediate = setImmediate(count)
  }
  let immediate = setImmediate(count)
  t.strictSame(await hub.reauthorize({ topic: '#', wildcard: true }), { kept: 10_000, left: 0 })
  clearImmediate(immediate)
  t.equal(calls, 20_000)
  t.ok(turns >= 9, `${turns} turns`)
})

t.test('what waits for one topic is not looked at for another: with many topics that would block the server', async t => {
  const grants = new Grants({}, () => {})
  const [one, other] = ['one', 'other'].map(name => ({ name, wildcard: false, members: null, doubted: null })) as [Topic<object>, Topic<object>]
  const [first, second] = [one, other].map(topic => {
    const doubt: Doubt = { question: 0, since: 0, outcome: Promise.resolve(true), resolve () {}, held: [] }
    grants.doubts.set(topic, doubt)
    return doubt
  }) as [Doubt, Doubt]
  const [a, b, both] = ['a', 'b', 'both'].map(createFrame) as [Frame, Frame, Frame]
  grants.hold(a, [one])
  grants.hold(b, [other])
  grants.hold(both, [one, other])
  Object.defineProperty(second.held, Symbol.iterator, { configurable: true, value () { throw new Error('looked at') } })
  t.strictSame(grants.release(first), [a, both])
  t.equal(grants.heldBytes, b.bytes.length)
  Reflect.deleteProperty(second.held, Symbol.iterator)
  t.strictSame(grants.release(second), [b])
  t.equal(grants.heldBytes, 0)
})

t.test('on every node of a bus', async t => {
  const bus = mqemitter()
  t.teardown(() => bus.close(() => {}))
  let allowed = true
  const left: string[] = []
  const nodes = await Promise.all(['one', 'two', 'three'].map(async name => {
    const node = await build(t, {
      hub: { bus, topicLease: 60_000, authorizeTopic: () => allowed, onTopicLeft: (_socket, { topic, reason }) => { left.push(`${name} ${topic} ${reason}`) } }
    })
    await until(() => node.hub.health().bus === 'up')
    const pair = await node.pair()
    for (const topic of ['secret', 'news', 'a', 'b']) await node.hub.requestJoin(pair.socket, topic)
    await node.hub.busReady()
    return { ...node, ...pair }
  }))
  const [first] = nodes
  allowed = false
  t.strictSame(await first?.hub.reauthorize({ topic: 'secret' }), { kept: 0, left: 1 })
  await until(() => left.length === 3)
  t.equal(first?.hub.evict({ subject: 'alice', topic: 'a' }), 1)
  await until(() => left.length === 6)
  first?.hub.publish('secret', 'secret')
  first?.hub.publish('a', 'a')
  allowed = true
  await first?.hub.reauthorize({ subject: 'alice', topic: 'b' })
  first?.hub.publish('news', 'news')
  await until(() => nodes.every(({ messages }) => messages.length > 0))
  await settle(...nodes.map(({ client }) => client))
  for (const { messages } of nodes) t.strictSame(messages, ['news'])
  t.strictSame(left.sort(), ['one', 'three', 'two'].flatMap(name => [`${name} a evicted`, `${name} secret denied`]))
})

t.test('with the bus down, a node asks at the end of its lease', async t => {
  let say: (state: 'lost' | 'back') => void = () => {}
  let sent = 0
  const bus: HubBus = { on () {}, removeListener () {}, emit () { sent++ }, watch (listener) { say = listener } }
  let allowed = true
  const { hub, left, connect, advance } = start({ bus, topicLease: 60_000, authorizeTopic: () => allowed })
  t.teardown(() => hub.close())
  const { socket } = connect()
  await hub.requestJoin(socket, 'secret')
  say('lost')
  allowed = false
  const before = sent
  await hub.reauthorize({ subject: 'bob' })
  t.equal(sent, before, 'kept until the bus is back')
  advance(59_000)
  t.strictSame(hub.topicsOf(socket), ['secret'])
  advance(60_200)
  t.strictSame(left.map(({ topic, reason }) => [topic, reason]), [['secret', 'denied']])
})

t.test('orders about rights are told again to a node that was cut off, and spare who came later', async t => {
  const shared = mqemitter()
  t.teardown(() => shared.close(() => {}))
  let isCut = false
  // The end of one node: while it is cut, nothing arrives and nothing leaves.
  const end: HubBus = {
    on: (topic, listener, done) => shared.on(topic, cutOff(listener), done),
    removeListener: (topic, listener, done) => shared.removeListener(topic, cutOff(listener), done),
    emit: (message, done) => isCut ? done?.() : shared.emit(message, done)
  }
  const wrapped = new WeakMap<object, HubBusListener>()
  function cutOff (listener: HubBusListener): HubBusListener {
    const wrapper = wrapped.get(listener) ?? ((message, done) => isCut ? done() : listener(message, done))
    wrapped.set(listener, wrapper)
    return wrapper
  }
  const open = async (bus: HubBus) => {
    const made = start({ bus, busBeat: 50, authorizeTopic: ({ subject }, topic) => topic === 'slow' ? slow : subject !== 'carol' || allowed })
    t.teardown(() => made.hub.close())
    await until(() => made.hub.health().bus === 'up')
    return made
  }
  let allowed = true
  let answer: (yes: boolean) => void = () => {}
  const slow = new Promise<boolean>(resolve => { answer = resolve })
  const [here, there] = [await open(shared), await open(end)]
  const [alice, carol] = [there.connect('alice'), there.connect('carol')]
  for (const { socket } of [alice, carol]) for (const topic of ['secret', 'news']) await there.hub.requestJoin(socket, topic)
  isCut = true
  allowed = false
  const early = there.hub.requestJoin(alice.socket, 'slow')
  for (const topic of ['secret', 'slow']) here.hub.evict({ subject: 'alice', topic })
  await here.hub.reauthorize({ topic: 'secret' })
  const later = there.connect('alice')
  await there.hub.requestJoin(later.socket, 'secret')
  const late = there.hub.requestJoin(later.socket, 'slow')
  t.strictSame(there.left, [])
  isCut = false
  await until(() => there.left.length === 2)
  t.strictSame(there.left.map(({ subject, topic, reason }) => `${subject} ${topic} ${reason}`), ['alice secret evicted', 'carol secret denied'])
  answer(true)
  t.strictSame(await Promise.all([early, late]), [false, true])
  t.strictSame([alice, carol, later].map(({ socket }) => there.hub.topicsOf(socket)), [['news'], ['news'], ['secret', 'slow']])
  t.strictSame([here.hub.stats.bus.invalid, there.hub.stats.bus.invalid], [0, 0])
})

t.test('who has asked for nothing is asked about nothing, and what waits for another topic waits on', async t => {
  const { waiting, authorizeTopic } = asking(2)
  const { hub, connect } = start({ authorizeTopic })
  const bare = connect()
  hub.join(bare.socket, 'own')
  t.strictSame(await hub.reauthorize({ subject: 'alice' }), { kept: 0, left: 0 })

  const { socket, sent, change } = connect()
  await hub.requestJoin(socket, 'one')
  await hub.requestJoin(socket, 'two')
  change()
  hub.publish('one', '1')
  hub.publish('two', '2')
  hub.publish('one', '3')
  waiting[1]?.answer(true)
  await turn()
  await turn()
  t.strictSame(sent(), ['text 2'])
  waiting[0]?.answer(true)
  await turn()
  await turn()
  t.strictSame(sent(), ['text 2', 'text 1', 'text 3'])

  change()
  hub.publish('one', '4')
  hub.publish('two', '5')
  waiting[3]?.answer(false)
  await turn()
  waiting[2]?.answer(true)
  await turn()
  await turn()
  t.strictSame(sent().slice(3), ['text 4'])
})

t.test('a topic that was left before its slice came is not asked about', async t => {
  const asked: string[] = []
  const hook = { leave: (): void => {} }
  const { hub, connect } = start({
    authorizeTopic: (_identity, topic) => {
      asked.push(topic)
      hook.leave()
      return true
    }
  })
  const { socket } = connect()
  for (const topic of ['one', 'two']) await hub.requestJoin(socket, topic)
  hook.leave = () => { hub.leave(socket, 'two') }
  t.strictSame(await hub.reauthorize({ subject: 'alice' }), { kept: 1, left: 1 })
  t.strictSame(asked, ['one', 'two', 'one'])
})
