import mqemitter from 'mqemitter'
import t from 'tap'
import { ClaimGrants } from '../src/claim-grants.js'
import { build, HISTORY, nodes, until } from './helpers.js'

const SECOND = 1_000
/** Longer than a message takes on a busy machine, in milliseconds. */
const LATE = 5_000

t.test('patterns grant topics, for reading and writing apart', async t => {
  const grants = new ClaimGrants('topics')
  const cases: Array<[claim: unknown, topic: string, granted: boolean]> = [
    [{ read: ['news'] }, 'news', true], [{ read: ['news'] }, 'news/a', false], [{ read: ['news/+'] }, 'news/a', true], [{ read: ['news/*'] }, 'news/a', true],
    [{ read: ['news/+'] }, 'news/a/b', false], [{ read: ['news/+'] }, 'news', false], [{ read: ['news/#'] }, 'news/a/b', true], [{ read: ['news/#'] }, 'news', true],
    [{ read: ['#'] }, 'anything/at/all', true], [{ read: ['#/a'] }, 'x/a', false], [{ read: ['+/a'] }, 'x/a', true], [{ read: ['a', 'b'] }, 'b', true],
    [{ read: [] }, 'news', false], [{ read: 'news' }, 'news', false], [{ read: [7, null] }, 'news', false], [{ write: ['news'] }, 'news', false],
    [['news'], 'news', false], ['news', 'news', false], [null, 'news', false], [undefined, 'news', false], [Object.create({ read: ['news'] }), 'news', false]
  ]
  for (const [claim, topic, granted] of cases) {
    t.equal(grants.grants({ subject: 'alice', claims: { topics: claim } }, topic, 'read'), granted, `${JSON.stringify(claim)} ${topic}`)
  }
  t.equal(grants.grants({ subject: 'alice', claims: { topics: { write: ['news'] } } }, 'news', 'write'), true)
  t.equal(grants.grants({ subject: 'alice' }, 'news', 'read'), false, 'no claims')
  t.equal(grants.grants({ subject: 'alice', claims: Object.create({ topics: { read: ['news'] } }) }, 'news', 'read'), false, 'none of a prototype')
})

t.test('until the token expires', async t => {
  let now = 1_000_000
  const grants = new ClaimGrants('topics', () => now)
  const identity = { subject: 'alice', claims: { topics: { read: ['#'] } }, expiresAt: now + 1 }
  t.equal(grants.grants(identity, 'news', 'read'), true)
  now++
  t.equal(grants.grants(identity, 'news', 'read'), false)
  t.equal(grants.grants({ ...identity, expiresAt: null }, 'news', 'read'), true)
})

t.test('until an order concerns it that came after the token', async t => {
  const given = performance.now()
  const issued = Math.ceil((performance.timeOrigin + given) / SECOND)
  const token = (subject: string, iat?: unknown) => ({ subject, claims: { topics: { read: ['#'] }, ...(iat !== undefined && { iat }) } })
  const cases: Array<[order: object, identity: ReturnType<typeof token>, topic: string, granted: boolean]> = [
    [{ subject: 'alice' }, token('alice', issued - 10), 'a/b', false],
    [{ subject: 'alice' }, token('alice', issued + 1), 'a/b', true],
    [{ subject: 'alice' }, token('alice'), 'a/b', false],
    [{ subject: 'alice' }, token('alice', 'soon'), 'a/b', false],
    [{ subject: 'alice' }, token('alice', issued * SECOND), 'a/b', false],
    [{ subject: 'bob' }, token('alice', issued * SECOND), 'a/b', true],
    [{ subject: 'alice' }, token('alice', issued + 3_600), 'a/b', false],
    [{ subject: 'alice' }, token('alice', Infinity), 'a/b', false],
    [{ subject: 'alice' }, token('bob', issued - 10), 'a/b', true],
    [{ topic: 'a/b' }, token('bob', issued - 10), 'a/b', false],
    [{ topic: 'a/b' }, token('bob', issued - 10), 'a/c', true],
    [{ topic: 'a/+', wildcard: true }, token('bob'), 'a/c', false],
    [{ topic: 'a/+' }, token('bob'), 'a/c', true],
    [{ topic: 'a/+', wildcard: true }, token('bob'), 'a/c/d', true],
    [{ topic: 'a/+', wildcard: true }, token('bob'), 'a', true],
    [{ topic: 'b/+', wildcard: true }, token('bob'), 'a/c', true],
    [{ topic: 'a/#', wildcard: true }, token('bob'), 'a/c/d', false],
    [{ topic: 'a/*', wildcard: true }, token('bob'), 'a/c', true],
    [{ subject: 'alice', topic: 'a/b' }, token('alice'), 'a/b', false],
    [{ subject: 'alice', topic: 'a/b' }, token('alice'), 'a/c', true]
  ]
  for (const [order, identity, topic, granted] of cases) {
    const grants = new ClaimGrants('topics')
    grants.revise({ wildcard: false, ...order }, given)
    grants.revise({ wildcard: false, ...order }, given)
    t.equal(grants.grants(identity, topic, 'read'), granted, `${JSON.stringify(order)} ${JSON.stringify(identity)} ${topic}`)
  }
})

t.test('of many orders none is forgotten: older tokens count for nothing then', async t => {
  const grants = new ClaimGrants('topics')
  const given = performance.now()
  for (let n = 0; n <= 10_000; n++) grants.revise({ subject: `user ${n}`, wildcard: false }, given)
  const issued = Math.ceil((performance.timeOrigin + given) / SECOND)
  const of = (iat: number | undefined) => ({ subject: 'anybody', claims: { topics: { read: ['#'] }, iat } })
  t.equal(grants.grants(of(issued - 10), 'a', 'read'), false)
  t.equal(grants.grants(of(undefined), 'a', 'read'), false)
  t.equal(grants.grants(of(issued + 1), 'a', 'read'), true)
})

t.test('a storm of 10,000 resubscriptions of five topics each makes no call of authorizeTopic', async t => {
  let calls = 0
  const { connect, topics, app } = await build(t, {
    hub: { messageRate: false, authorizeTopic: () => { calls++; return true } },
    topics: { grants: 'topics', subscribeRate: { perSecond: 1_000_000, burst: 1_000_000 }, topics: { '#': { history: HISTORY } } }
  })
  const names = ['a/1', 'a/2', 'a/3', 'b', 'c']
  const claims = JSON.stringify({ topics: { read: ['a/+', 'b', 'c'] }, iat: Math.floor(Date.now() / 1_000) })
  const clients = await Promise.all(Array.from({ length: 20 }, (_, n) => connect({ subject: `user ${n}`, claims })))
  const positions = await Promise.all(names.map(async topic => (await topics.publish(topic, 1)).position))
  const batch = { type: 'topic:subscribe', topics: names.map((topic, at) => ({ topic, since: positions[at] })) }
  for (let round = 0; round < 500; round++) {
    for (const client of clients) client.send(batch)
    await Promise.all(clients.map(client => client.settle()))
  }
  t.equal(topics.stats.resumed.recovered, 50_000)
  t.equal(calls, 0)
  await app.wsHub.reauthorize({ subject: 'user 0' })
  t.equal(calls, 5, 'until they are asked about')
  clients[0]?.send(batch)
  await clients[0]?.settle()
  t.equal(calls, 10, 'the same token answers no more')
  t.match(await (clients[1] as (typeof clients)[0]).subscribe('secret'), { type: 'topic:subscribed' })
  t.equal(calls, 11, 'nor for what it does not grant')
})

t.test('a grant of writing', async t => {
  let calls = 0
  const { connect, app } = await build(t, { topics: { grants: 'topics', authorizePublish: () => { calls++; return false } } })
  const client = await connect({ claims: JSON.stringify({ topics: { write: ['chat/+'] } }) })
  client.send({ type: 'topic:publish', id: '1', topic: 'chat/a', data: 1 })
  t.match(await client.next(), { type: 'topic:published' })
  t.equal(calls, 0)
  client.send({ type: 'topic:publish', id: '2', topic: 'news', data: 1 })
  t.match(await client.next(), { code: 'forbidden' })
  app.wsHub.evict({ subject: 'alice', topic: 'chat/a' })
  client.send({ type: 'topic:publish', id: '3', topic: 'chat/a', data: 1 })
  t.match(await client.next(), { code: 'forbidden' })
  t.equal(calls, 2)
})

t.test('orders that came before the plugin count', async t => {
  const asked: string[] = []
  const { connect } = await build(t, {
    hub: { authorizeTopic: (_, topic) => { asked.push(topic); return false } },
    topics: { grants: 'topics' },
    between: app => { app.wsHub.evict({ subject: 'alice', topic: 'news' }) }
  })
  const client = await connect({ claims: JSON.stringify({ topics: { read: ['#'] }, iat: Math.floor(Date.now() / SECOND) - 10 }) })
  t.match(await client.subscribe('news'), { code: 'forbidden' })
  t.match(await client.subscribe('other'), { type: 'topic:subscribed' })
  t.same(asked, ['news'])
})

t.test('an order that comes late concerns who has come meanwhile with an older token', async t => {
  const emitter = mqemitter()
  const held: Array<() => void> = []
  const slow = Object.create(emitter)
  slow.emit = (message: any, done?: any) => {
    if (message.topic.endsWith('/disconnect') && message.order !== undefined) held.push(() => emitter.emit(message, done))
    else emitter.emit(message, done)
  }
  const real = performance.now.bind(performance)
  let ahead = 0
  t.intercept(performance, 'now', { value: () => real() + ahead })
  let allowed = false
  const asked: string[] = []
  const options = {
    hub: { busBeat: 2 ** 31 - 1, authorizeTopic: (_: unknown, topic: string) => { asked.push(topic); return allowed } },
    topics: { grants: 'topics' }
  }
  const [a] = await nodes(t, 1, () => slow, options) as [Awaited<ReturnType<typeof build>>]
  const [b] = await nodes(t, 1, () => emitter as never, options) as [Awaited<ReturnType<typeof build>>]
  const iat = Math.floor(Date.now() / SECOND) - 10
  for (const yes of [false, true]) {
    allowed = yes
    a.app.wsHub.evict({ subject: 'alice', topic: `news/${yes}` })
    // How far the clocks of nodes are apart is known as well as messages are fast: a client that comes at once may have been there before.
    ahead += LATE
    const client = await b.connect({ claims: JSON.stringify({ topics: { read: ['#'] }, iat }) })
    for (const topic of [`news/${yes}`, 'other']) t.match(await client.subscribe(topic), { type: 'topic:subscribed' })
    t.same(asked.splice(0), [])
    for (const bring of held.splice(0)) bring()
    await until(() => asked.length > 0)
    if (!yes) t.match(await client.next(), { type: 'topic:left', topic: 'news/false', reason: 'unauthorized' })
    await client.settle()
    // An order that comes so late is obeyed at once, and again when its node has told when it was given.
    t.same([[...new Set(asked.splice(0))], client.all.length], [[`news/${yes}`], yes ? 2 : 3])
  }
})
