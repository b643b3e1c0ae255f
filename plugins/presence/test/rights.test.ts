import t from 'tap'
import { announceIdentityChange, type Misuse, type TopicMember } from '@fastify-airlock/core'
import { PresenceCheck } from '../src/check.js'
import type { WsPresenceOptions } from '../src/index.js'
import { clock } from '../../../test/time.js'
import { build, until } from './helpers.js'

/** As if the option was not there. */
const HUB_DECIDES = { authorizePresence: undefined } as unknown as WsPresenceOptions

t.test('without authorizePresence, the hub decides: never on everyone', async t => {
  const asked: string[] = []
  const { connect } = await build(t, {
    presence: HUB_DECIDES,
    hub: { authorizeTopic: ({ subject }, topic) => { asked.push(topic); return topic === `of/${subject}` } }
  })
  const client = await connect('alice', 'joined')
  const cases: Array<[topic: string, type: string, code?: string]> = [
    ['of/alice', 'presence:list'], ['of/bob', 'presence:refused', 'forbidden'], ['joined', 'presence:list'], ['', 'presence:refused', 'forbidden']
  ]
  for (const [topic, type, code] of cases) t.match(await client.watch(topic), { type, ...code !== undefined && { code } }, topic)
  t.same(asked, ['of/alice', 'of/bob'], 'what the application has joined is its own')
})

t.test('what the application has joined is seen as long as it is joined, by default', async t => {
  const { connect, hub, sockets } = await build(t, { presence: HUB_DECIDES, hub: { authorizeTopic: () => false } })
  const client = await connect('alice', 'room')
  await client.watch('room')
  hub.leave(sockets[0] as never, 'room')
  t.same(await client.of('presence:left'), { type: 'presence:left', topic: 'room', reason: 'unauthorized' })
})

t.test('anything but true denies, and what is no answer says so', async t => {
  const cases: Array<[name: string, answer: () => unknown, code: string | undefined]> = [
    ['true', () => true, undefined], ['a promise of true', async () => true, undefined],
    ['false', () => false, 'forbidden'], ['a promise of false', async () => false, 'forbidden'], ['undefined', () => {}, 'forbidden'], ['1', () => 1, 'forbidden'],
    ['an error', () => { throw new Error('no') }, 'unavailable'], ['a rejection', async () => { throw new Error('no') }, 'unavailable'],
    ['no answer in time', () => new Promise(() => {}), 'unavailable']
  ]
  for (const [name, answer, code] of cases) {
    const { connect, presence } = await build(t, { presence: { authorizePresence: answer as never, authorizeTimeout: 1 } })
    const client = await connect('alice', 'room')
    t.equal((await client.watch('room')).code, code, name)
    t.equal(presence.stats.watches, code === undefined ? 1 : 0, name)
  }
})

t.test('an answer that comes late changes nothing', async t => {
  let now = 0
  const late: string[] = []
  let answer!: (yes: boolean) => void
  const check = new PresenceCheck({
    authorizePresence: () => new Promise(resolve => { answer = resolve }),
    authorizeTimeout: 1_000,
    host: null as never,
    log: null as never,
    misuse: { late: ({ hook }: { hook: string }) => { late.push(hook) }, isGranted: () => true } as unknown as Misuse,
    now: () => now
  })
  t.teardown(() => check.close())
  const asked = check.ask({} as TopicMember, 'room')
  now = 2_000
  check.tick()
  t.equal(await asked, 'late')
  answer(true)
  t.same(late, ['authorizePresence'])
})

t.test('it is asked again at reauthorize, at a refresh and when the token expires', async t => {
  const time = clock(t)
  const who = new Set(['alice', 'bob'])
  let asked = 0
  const { connect, hub, identities, presence } = await build(t, { presence: { authorizePresence: ({ subject }) => { asked++; return who.has(subject) } } })
  const alice = await connect('alice')
  const bob = await connect('bob')
  const carol = await connect('carol', '', { expiresAt: `${Date.now() + 3_600_000}` })
  who.add('carol')
  for (const client of [alice, bob, carol]) await client.watch('room')
  who.clear()
  t.equal(asked, 3)
  await hub.reauthorize({ subject: 'nobody' })
  await hub.reauthorize({ topic: 'other' })
  t.equal(asked, 3, 'others are not asked about')
  await hub.reauthorize({ subject: 'alice' })
  t.same(await alice.of('presence:left'), { type: 'presence:left', topic: 'room', reason: 'unauthorized' })
  announceIdentityChange(identities[1] as object)
  t.same(await bob.of('presence:left'), { type: 'presence:left', topic: 'room', reason: 'unauthorized' })
  time.ahead = 3_700_000
  t.same(await carol.of('presence:left'), { type: 'presence:left', topic: 'room', reason: 'expired' })
  t.equal(presence.stats.watches, 0)
  announceIdentityChange(identities[1] as object)
  t.equal(asked, 6, 'who watches nothing is not asked about')
})

t.test('patterns of reauthorize and evict, and everyone', async t => {
  const cases: Array<[target: { subject?: string, topic?: string, wildcard?: boolean }, topics: string[]]> = [
    [{ subject: 'alice' }, ['', 'room/1', 'room/2']], [{ topic: 'room/1' }, ['room/1']], [{ topic: 'room/+', wildcard: true }, ['room/1', 'room/2']],
    [{ topic: 'room/+' }, []], [{ topic: '#', wildcard: true, subject: 'alice' }, ['room/1', 'room/2']], [{ topic: 'room/1', subject: 'bob' }, []]
  ]
  for (const [target, topics] of cases) {
    let asked: string[] = []
    const { connect, hub } = await build(t, { presence: { authorizePresence: (_, topic) => { asked.push(topic); return true } } })
    const client = await connect('alice')
    for (const topic of ['', 'room/1', 'room/2']) await client.watch(topic)
    asked = []
    await hub.reauthorize(target)
    t.same(asked.sort(), topics, JSON.stringify(target))
    if (target.topic === undefined) continue
    hub.evict({ subject: 'alice', ...target as { topic: string } })
    await client.settle()
    const gone = target.subject === 'bob' ? [] : topics
    t.same(client.all.filter(({ type, reason }) => type === 'presence:left' && reason === 'evicted').map(({ topic }) => topic).sort(), gone, JSON.stringify(target))
  }
})

t.test('an eviction spares connections that began after it', async t => {
  const { connect, presence } = await build(t)
  const client = await connect('alice')
  await client.watch('room')
  const inside = presence as unknown as { rights (kind: string, rights: object, given: number): void }
  inside.rights('evict', { subject: 'alice', topic: 'room', wildcard: false }, -1)
  await client.settle()
  t.equal(presence.stats.watches, 1)
  inside.rights('evict', { subject: 'alice', topic: 'room', wildcard: false }, performance.now())
  t.match(await client.of('presence:left'), { reason: 'evicted' })
})

t.test('while it is being asked again nothing is shown, and afterwards all of it', async t => {
  let answers: Array<(yes: boolean) => void> = []
  let isSlow = false
  const { connect, hub, presence } = await build(t, {
    presence: { authorizePresence: ({ subject }) => subject !== 'alice' || !isSlow || new Promise<boolean>(resolve => { answers.push(resolve) }) }
  })
  const alice = await connect('alice')
  await alice.watch('room')
  const bob = await connect('bob')
  await bob.watch('room')
  isSlow = true
  hub.reauthorize({ topic: 'room' })
  hub.reauthorize({ topic: 'room' })
  await until(() => answers.length === 2)
  await connect('carol', 'room')
  await bob.sees('room', { carol: 1 })
  await alice.settle()
  t.equal(alice.all.length, 1, 'nothing')
  ;(answers[0] as (yes: boolean) => void)(false)
  ;(answers[1] as (yes: boolean) => void)(true)
  t.match(await alice.of('presence:list'), { total: 1, here: [{ subject: 'carol' }] }, 'the later answer counts')
  answers = []
  hub.reauthorize({ topic: 'room' })
  await until(() => answers.length === 1)
  ;(answers[0] as (yes: boolean) => void)(true)
  await connect('dave', 'room')
  t.match(await alice.of('presence:change'), { here: [{ subject: 'dave' }] }, 'who has missed nothing needs no list')
  answers = []
  alice.send({ type: 'presence:watch', topics: ['new'] })
  await until(() => answers.length === 1)
  hub.evict({ subject: 'alice', topic: 'new' })
  t.match(await alice.of('presence:refused'), { topic: 'new', code: 'forbidden' }, 'one that was never allowed')
  ;(answers[0] as (yes: boolean) => void)(true)
  await alice.settle()
  t.equal(presence.stats.watches, 2)
})

t.test('a watch may end while its own question is asked', async t => {
  const { connect, presence, sockets } = await build(t, { presence: { authorizePresence: () => { sockets[0]?.emit('message', Buffer.from('{"type":"presence:unwatch","topics":["room"]}'), false); return true } } })
  const client = await connect('alice')
  client.send({ type: 'presence:watch', topics: ['room'] })
  await client.settle()
  t.same(client.all, [])
  t.equal(presence.stats.watches, 0)
})

t.test('a lease ends rights as well, and begins anew', async t => {
  const time = clock(t)
  let asked = 0
  const { connect } = await build(t, { hub: { topicLease: 60_000 }, presence: { authorizePresence: () => ++asked < 3 } })
  const client = await connect('alice')
  await client.watch('room')
  time.ahead += 61_000
  await until(() => asked === 2)
  time.ahead += 61_000
  t.match(await client.of('presence:left'), { reason: 'unauthorized' })
})
