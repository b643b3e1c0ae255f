import t from 'tap'
import { once } from 'node:events'
import { type MemberWatcher, topicHostOf, type TopicHost, type TopicMember } from '@fastify-airlock/core'
import mqemitter from 'mqemitter'
import type { DisconnectTarget } from '../src/index.js'
import { build, twoNodes, until } from './helpers.js'

/** One that has closed. */
const MEMBER = { socket: {} as never, identity: { subject: 'alice', claims: { sid: 's1' } }, subject: 'alice', since: 0 }

/** A plugin that notes what it is told. */
function watch (host: TopicHost): unknown[] {
  const told: unknown[] = []
  const watcher: MemberWatcher = {
    came: ({ subject }) => { told.push(['came', subject]) },
    went: ({ subject }, isOver) => { told.push(['went', subject, ...isOver ? ['over'] : []]) },
    disconnected: (isMeant, subject) => { told.push(['disconnected', subject, isMeant(MEMBER)]) },
    joined: ({ subject }, topic) => { told.push(['joined', subject, topic]) },
    left: ({ subject }, topic) => { told.push(['left', subject, topic]) },
    rights: (kind, { subject, topic, wildcard }, given) => { told.push([kind, subject, topic, wildcard, typeof given]) },
    bus: state => { told.push(['bus', state]) },
    closing: () => { told.push(['closing']) }
  }
  if (!host.watch(watcher) || host.watch(watcher)) throw new Error('Expected one watcher')
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

t.test('whom an order ends, and whom it may mean besides', async t => {
  const cases: Array<[name: string, target: string | DisconnectTarget, code: number | undefined, told: unknown[]]> = [
    ['a user', 'alice', undefined, [['went', 'alice', 'over'], ['disconnected', 'alice', true]]],
    ['a session', { session: 's1' }, undefined, [['went', 'alice', 'over'], ['disconnected', undefined, true]]],
    ['a session of a user', { subject: 'alice', session: 's1' }, 4403, [['went', 'alice', 'over'], ['disconnected', undefined, true]]],
    ['another session', { session: 's2' }, undefined, [['disconnected', undefined, false]]],
    ['somebody else', 'bob', undefined, [['disconnected', 'bob', false]]],
    ['some of a user', { subject: 'alice', where: { a: 1 } }, undefined, [['disconnected', undefined, false]]],
    ['a token', { tokenId: 't2' }, undefined, [['disconnected', undefined, false]]],
    ['those who come back', 'alice', 1012, []],
    ['those who come back later', 'alice', 1013, []],
    ['those who are here already', 'alice', 4409, []]
  ]
  for (const [name, target, code, wanted] of cases) {
    const { hub, app, pair } = await build(t)
    const host = topicHostOf(app) as TopicHost
    Object.assign(host.member((await pair()).socket)?.identity as object, { claims: { sid: 's1' } })
    const told = watch(host)
    hub.disconnect(target, { ...code !== undefined && { code } })
    t.same(told, wanted, name)
  }
  const { hub, app, pair } = await build(t)
  const { socket } = await pair()
  const told = watch(topicHostOf(app) as TopicHost)
  hub.disconnect({ connection: socket })
  t.same(told, [['went', 'alice', 'over']], 'one connection')
})
