import t from 'tap'
import { once } from 'node:events'
import { type MemberWatcher, topicHostOf, type TopicHost, type TopicMember } from '@fastify-airlock/core'
import mqemitter from 'mqemitter'
import { build, twoNodes, until } from './helpers.js'

/** A plugin that notes what it is told. */
function watch (host: TopicHost): unknown[] {
  const told: unknown[] = []
  const watcher: MemberWatcher = {
    came: ({ subject }) => { told.push(['came', subject]) },
    went: ({ subject }) => { told.push(['went', subject]) },
    joined: ({ subject }, topic) => { told.push(['joined', subject, topic]) },
    left: ({ subject }, topic) => { told.push(['left', subject, topic]) },
    rights: (kind, { subject, topic, wildcard }, given) => { told.push([kind, subject, topic, wildcard, typeof given]) },
    bus: state => { told.push(['bus', state]) },
    closing: () => { told.push(['closing']) }
  }
  host.watch(watcher)
  return told
}

t.test('a plugin is told who comes, goes, joins and leaves', async t => {
  const { hub, app, pair } = await build(t, { hub: { authorizeTopic: () => true } })
  const told = watch(topicHostOf(app) as TopicHost)
  const { socket, client } = await pair()
  hub.join(socket, 'a')
  hub.join(socket, 'a')
  hub.join(socket, 'a/#', { wildcard: true })
  await hub.requestJoin(socket, 'b')
  hub.leave(socket, 'a')
  hub.leave(socket, 'a/#', { wildcard: true })
  await hub.reauthorize({ topic: 'x' })
  hub.evict({ subject: 'alice', topic: 'b' })
  hub.join(socket, 'c')
  const closed = once(socket, 'close')
  client.close()
  await closed
  await hub.drain()
  await hub.drain()
  t.same(told.filter((one, index) => JSON.stringify(one) !== JSON.stringify(told[index - 1])), [
    ['came', 'alice'], ['joined', 'alice', 'a'], ['joined', 'alice', 'b'], ['left', 'alice', 'a'], ['reauthorize', undefined, 'x', false, 'number'],
    ['left', 'alice', 'b'], ['evict', 'alice', 'b', false, 'number'], ['joined', 'alice', 'c'], ['went', 'alice'], ['left', 'alice', 'c'], ['closing']
  ])
})

t.test('whether a connection may read a topic', async t => {
  const { hub, app, pair } = await build(t, { hub: { authorizeTopic: (_, topic) => topic === 'good' } })
  const host = topicHostOf(app) as TopicHost
  t.equal(host.topicLease, Infinity)
  const { socket } = await pair()
  const member = host.member(socket) as TopicMember
  hub.join(socket, 'own')
  await hub.requestJoin(socket, 'good')
  for (const [topic, answer] of [['own', 'allowed'], ['good', 'allowed'], ['bad', 'denied']] as const) t.equal(await host.mayRead(member, topic), answer, topic)
  hub.leave(socket, 'own')
  t.equal(await host.mayRead(member, 'own'), 'denied')
  const leased = await build(t, { hub: { topicLease: 7 } })
  t.equal((topicHostOf(leased.app) as TopicHost).topicLease, 7)
})

t.test('and how the bus is', async t => {
  const bus = mqemitter()
  const [a] = await twoNodes(t, () => bus)
  const told = watch(topicHostOf(a.app) as TopicHost)
  const { emit } = bus
  bus.emit = ((_: unknown, done?: (error: Error) => void) => { done?.(new Error('away')) }) as never
  await until(() => told.some(one => JSON.stringify(one) === '["bus","down"]'))
  bus.emit = emit
  t.pass('told')
})
