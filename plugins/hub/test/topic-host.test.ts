import t, { type Test } from 'tap'
import { once } from 'node:events'
import { type TopicFrame, type TopicGuest, topicHostOf, type TopicHost, type TopicPlace } from '@fastify-airlock/core'
import Fastify from 'fastify'
import mqemitter from 'mqemitter'
import { readMessage } from '../src/bus-message.js'
import wsHub from '../src/index.js'
import { build, settle, twoNodes, until } from './helpers.js'

/** A plugin that notes what it is told. */
function attach (host: TopicHost) {
  const told: unknown[] = []
  const frames: TopicFrame[] = []
  const guest: TopicGuest = {
    left: ({ subject }, topic, reason) => { told.push(['left', subject, topic, reason]) },
    rights: ({ subject, topic, wildcard }) => { told.push(['rights', subject, topic, wildcard]) },
    receive: (topic: string, frame: TopicFrame, place: TopicPlace | null) => {
      told.push(['receive', topic, place])
      frames.push(frame)
    },
    bus: state => { told.push(['bus', state]) }
  }
  const isFirst = host.attach(guest)
  return { told, frames, isFirst }
}

const one = async (t: Test, hub: object = {}) => {
  const node = await build(t, { hub: { authorizeTopic: () => true, ...hub } })
  const host = topicHostOf(node.app) as TopicHost
  return { ...node, host, ...attach(host) }
}

t.test('a plugin for topics has members join, and is told when they leave', async t => {
  const { hub, host, told, pair } = await one(t, { authorizeTopic: (_: unknown, topic: string) => topic !== 'secret', maxTopicsPerConnection: 2 })
  t.same([host.hasBus, host.busIsUp, host.maxTopics, host.maxFrameBytes, await host.ready()], [false, true, 2, 1024 * 1024, true])
  const { socket, client } = await pair()
  const member = host.member(socket) as NonNullable<ReturnType<TopicHost['member']>>
  t.equal(member.socket, socket)
  t.equal(host.member({} as never), undefined)
  t.same(await Promise.all(['a', 'secret', 'b', 'c'].map(topic => host.request(member, topic))), ['joined', 'denied', 'joined', 'too many topics'])
  host.relinquish(member, 'a')
  host.relinquish(member, 'never')
  hub.join(socket, 'own')
  host.relinquish(member, 'own')
  t.same(hub.topicsOf(socket).sort(), ['b', 'own'], 'what the application has joined stays')
  hub.evict({ subject: 'alice', topic: 'b' })
  await hub.reauthorize({ topic: 'x/#', wildcard: true })
  t.equal(await host.request(member, 'd'), 'joined')
  const left = once(socket, 'close')
  client.close()
  await left
  t.same(told, [
    ['left', 'alice', 'a', undefined], ['rights', 'alice', 'b', false], ['left', 'alice', 'b', 'evicted'], ['rights', undefined, 'x/#', true],
    ['left', 'alice', 'own', undefined], ['left', 'alice', 'd', undefined]
  ])
  t.equal(await host.request(member, 'e'), 'closed')
})

t.test('it may answer for authorizeTopic', async t => {
  let asked = 0
  const { host, hub, pair } = await one(t, { authorizeTopic: () => { asked++; return false } })
  host.grantBy((identity, topic) => identity.subject === 'alice' && topic === 'a')
  const { socket } = await pair()
  const member = host.member(socket) as NonNullable<ReturnType<TopicHost['member']>>
  t.same([await host.request(member, 'a'), asked], ['joined', 0])
  t.same([await host.request(member, 'b'), asked], ['denied', 1])
  t.same([await hub.requestJoin(socket, 'a', { wildcard: true }), asked], [false, 2], 'not for patterns')
  hub.evict({ subject: 'alice', topic: 'c' })
  t.same([hub.topicsOf(socket), asked], [['a'], 2], 'what an order does not concern stays')
})

t.test('one frame goes to members in their order with all else; of what is in doubt it waits', async t => {
  const waiting: Array<(yes: boolean) => void> = []
  let late = false
  const { host, hub, pair } = await one(t, { maxBufferedBytes: 1_000, authorizeTopic: () => late ? new Promise<boolean>(resolve => { waiting.push(resolve) }) : true })
  const [a, b] = [await pair('/ws?subject=alice'), await pair('/ws?subject=bob')]
  const members = [a, b].map(({ socket }) => host.member(socket) as NonNullable<ReturnType<TopicHost['member']>>)
  for (const member of members) await host.request(member, 'news')
  const frame = host.frame('{"n":1}')
  t.doesNotThrow(() => host.checkSize(frame, 900))
  t.throws(() => host.checkSize(frame, 1_000), { code: 'WSA_HUB_ERR_DATA_SIZE' })
  hub.publish('news', 'before')
  t.equal(host.deliver('news', members, frame), 2)
  late = true
  const done = hub.reauthorize({ subject: 'alice' })
  await until(() => waiting.length === 1)
  t.equal(host.deliver('news', members, host.frame('held')), 1)
  t.equal(host.deliver('other', members, host.frame('other')), 2)
  await settle(a.client, b.client)
  t.same(a.messages, ['before', '{"n":1}', 'other'])
  waiting[0]?.(true)
  await done
  await settle(a.client)
  t.same(a.messages.slice(3), ['held'])
  t.same(b.messages, ['before', '{"n":1}', 'held', 'other'])
})

t.test('none of its messages is left out: who has no room for one ends, whatever slowConsumer says', async t => {
  for (const slowConsumer of ['terminate', 'drop', () => 'drop']) {
    for (const inDoubt of [false, true]) {
      let late = false
      const { host, hub, pair } = await one(t, { maxBufferedBytes: 1_000, slowConsumer, authorizeTopic: () => late ? new Promise<boolean>(() => {}) : true })
      const { client, socket } = await pair()
      const closed = once(client, 'close')
      const member = host.member(socket) as NonNullable<ReturnType<TopicHost['member']>>
      await host.request(member, 'news')
      late = inDoubt
      hub.reauthorize({ topic: 'news' })
      t.equal(host.deliver('news', [member], host.frame('x'.repeat(999))), 0)
      const [code] = await closed
      t.same([code, hub.stats.drops.slow], [1006, 1], `${String(slowConsumer)} ${inDoubt ? 'in doubt' : ''}`)
    }
  }
})

t.test('there is one, which learns of the rights that changed before it came', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(wsHub)
  app.wsHub.evict({ subject: 'alice', topic: 'a' })
  await app.wsHub.reauthorize({ topic: 'b/#', wildcard: true })
  const host = topicHostOf(app) as TopicHost
  const { told, isFirst } = attach(host)
  t.same(told, [['rights', 'alice', 'a', false], ['rights', undefined, 'b/#', true]])
  app.wsHub.evict({ subject: 'bob', topic: 'a' })
  t.same(told.slice(2), [['rights', 'bob', 'a', false]], 'each once')
  const another = attach(host)
  t.same([isFirst, another.isFirst, another.told], [true, false, []])
  const without = Fastify()
  t.teardown(() => without.close())
  await without.register(wsHub)
  without.wsHub.evict({ subject: 'alice', topic: 'a' })
  await without.ready()
  await new Promise(resolve => setImmediate(resolve))
  t.same(attach(topicHostOf(without) as TopicHost).told, [], 'nothing is kept for one that cannot come any more')
})

t.test('it counts messages, and closes', async t => {
  const { host, pair } = await one(t, { messageRate: { perSecond: 0.001, burst: 1 } })
  const [a, b] = [await pair(), await pair()]
  const closes = Promise.all([once(a.client, 'close'), once(b.client, 'close')])
  host.meter(a.socket)
  host.meter(a.socket)
  host.close(b.socket, 4400, 'why')
  host.close(b.socket, 4400, 'why')
  t.same((await closes).map(([code]) => code), [4429, 4400])
})

t.test('it reaches its like on other nodes, and only there', async t => {
  const emitter = mqemitter()
  const [a, b] = await twoNodes(t, () => emitter as never)
  const hosts = [a, b].map(({ app }) => topicHostOf(app) as TopicHost) as [TopicHost, TopicHost]
  const { told, frames } = attach(hosts[1])
  attach(hosts[0])
  t.ok(hosts[0].hasBus && hosts[0].busIsUp)
  const { socket, messages, client } = await b.pair()
  b.hub.join(socket, 'news')
  hosts[1].listen('news')
  t.ok(await hosts[1].ready())
  hosts[0].send('news', hosts[0].frame('{}'), null)
  hosts[0].send('news', hosts[0].frame('{"n":1}'), { epoch: 'e', offset: 3 })
  hosts[0].send('other', hosts[0].frame('{}'), null)
  await until(() => told.length === 2)
  t.same(told, [['receive', 'news', null], ['receive', 'news', { epoch: 'e', offset: 3 }]])
  t.equal((frames[1]?.bytes.toString() ?? '').slice(2), '{"n":1}')
  a.hub.publish('news', 'of the hub')
  await until(() => messages.length === 1)
  await settle(client)
  t.same(messages, ['of the hub'], 'nothing of it is taken for the hub\'s')
  hosts[1].unlisten('news')
})

t.test('what comes from the bus is checked', async t => {
  const payload = Buffer.from('{}')
  const cases: Array<[kind: string, message: object, place: unknown]> = [
    ['log/a', { payload, binary: false }, null],
    ['log/a', { payload, binary: false, epoch: 'e', offset: 1 }, { epoch: 'e', offset: 1 }],
    ['topic/a', { payload, binary: false, epoch: 'e', offset: 1 }, undefined],
    ...[
      { epoch: 'e' }, { offset: 1 }, { epoch: '', offset: 1 }, { epoch: 'x'.repeat(65), offset: 1 }, { epoch: 7, offset: 1 }, { epoch: 'e', offset: 0 }, { epoch: 'e', offset: 1.5 },
      { epoch: 'e', offset: '1' }, { binary: true }, { payload: 'text' }, { payload: Buffer.of(0xff) }
    ].map((members): [string, object, unknown] => ['log/a', { payload, binary: false, ...members }, 'malformed']),
    ['log/', { payload, binary: false }, 'malformed'], ['logs/a', { payload, binary: false }, 'malformed'], [`log/${'x'.repeat(257)}`, { payload, binary: false }, 'malformed']
  ]
  for (const [kind, message, place] of cases) {
    const read = readMessage(kind, message)
    t.same(read === null ? 'malformed' : (read as { place?: unknown }).place, place, `${kind.slice(0, 8)} ${JSON.stringify(message)}`)
  }
})

t.test('it is told when the bus is up', async t => {
  const emitter = mqemitter()
  const held: Array<() => void> = []
  const emit = emitter.emit.bind(emitter)
  let isOpen = false
  emitter.emit = (message: any, done?: any) => {
    if (isOpen) emit(message, done)
    else held.push(() => emit(message, done))
  }
  const { told, host } = await one(t, { bus: emitter as never })
  t.equal(host.busIsUp, false)
  isOpen = true
  for (const send of held) send()
  await until(() => told.length > 0)
  t.same(told, [['bus', 'up']])
})
