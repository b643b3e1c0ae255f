import t, { type Test } from 'tap'
import type { Misuse, TopicFrame, TopicHost, TopicMember } from '@fastify-airlock/core'
import { parsePresenceOptions, type WsPresenceOptions } from '../src/options.js'
import { Presence } from '../src/presence.js'
import { Reports } from '../src/reports.js'
import type { BusMessage } from '../src/wire.js'

/** Presence with clocks, a hub and a bus that a test moves. */
function build (t: Test, options: WsPresenceOptions = {}, hasBus = true) {
  let now = 0
  const told: Array<[message: BusMessage, to: string]> = []
  const errors: string[] = []
  let takes = true
  let tells = true
  let hear: (data: unknown, from: { node: string, own: boolean }) => unknown = () => {}
  let notice: (change: { id: string, state: 'here' | 'gone' }) => unknown = () => {}
  const removed: string[] = []
  const members = new Map<object, TopicMember & { all: any[] }>()
  const host = {
    hasBus,
    topicLease: Infinity,
    watch: () => true,
    maxFrameBytes: 1024 * 1024,
    member: (socket: object) => members.get(socket),
    meter: () => {},
    frame: (text: string) => ({ bytes: Buffer.from(text) }),
    deliver: (_: string, [member]: [{ all: any[] }], { bytes }: TopicFrame) => {
      if (takes) member.all.push(JSON.parse(bytes.toString()))
      return Number(takes)
    },
    ready: async () => isReady
  } as unknown as TopicHost
  let isReady = true
  const presence = new Presence({
    settings: parsePresenceOptions({ authorizePresence: () => true, ...options }),
    host,
    cluster: {
      node: 'self',
      tell: (_, data, { to }) => {
        if (!tells) throw new Error('too large')
        told.push([JSON.parse(JSON.stringify(data)), to])
      },
      on: (name, listener) => { hear = listener; return () => { removed.push(name) } },
      onNodes: listener => { notice = listener; return () => { removed.push('nodes') } }
    },
    misuse: { isGranted: (_: unknown, answer: unknown) => answer === true } as unknown as Misuse,
    log: { error: ((_: unknown, text: string) => { errors.push(text) }) as never },
    clock: { now: () => now, wall: () => 1_000 + now }
  })
  t.teardown(() => presence.close())
  /** A connection comes, and joins topics. */
  const come = (subject: string, ...topics: string[]) => {
    const socket = { readyState: 1, OPEN: 1, bufferedAmount: 0, emit () {} }
    const member = { socket: socket as never, identity: { subject }, subject, since: 0, all: [] as any[] }
    members.set(socket, member)
    presence.came(member)
    presence.came(member)
    for (const topic of topics) presence.joined(member, topic)
    presence.accept(socket as never)
    return { member, socket, all: member.all, send: (message: object) => { (socket as any).emit('message', Buffer.from(JSON.stringify(message)), false) } }
  }
  return {
    presence,
    told: () => told.splice(0),
    errors,
    removed,
    come,
    hear: (data: BusMessage, node = 'other', own = false) => hear(JSON.parse(JSON.stringify(data)), { node, own }),
    notice: (id: string, state: 'here' | 'gone') => notice({ id, state }),
    take: (yes: boolean) => { takes = yes },
    tell: (yes: boolean) => { tells = yes },
    ready: (yes: boolean) => { isReady = yes },
    pass: (ms: number) => { now += ms; presence.tick() }
  }
}

t.test('the first change goes out at once, those after it together', async t => {
  const { come, pass, told, presence } = build(t, { reportInterval: 250, everyone: false })
  const watcher = come('watcher')
  watcher.send({ type: 'presence:watch', topics: ['room'] })
  watcher.all.length = 0
  come('alice', 'room')
  t.same([watcher.all, told()], [[], []])
  pass(25)
  t.equal(watcher.all.length, 1)
  t.match(told(), [[{ kind: 'change', version: 1, users: [['room', [['alice', 1]]]] }, 'others']])
  const members = ['bob', 'carol', 'dave'].map(subject => come(subject, 'room'))
  pass(200)
  t.equal(watcher.all.length, 1)
  pass(75)
  t.match(watcher.all.slice(1), [{ here: [{ subject: 'bob' }, { subject: 'carol' }, { subject: 'dave' }] }])
  t.match(told(), [[{ version: 2, users: [['room', [['bob', 1], ['carol', 1], ['dave', 1]]]] }, 'others']])
  for (const { member } of members) presence.left(member, 'room')
  pass(300)
  t.match(told(), [[{ version: 3, users: [['room', [['bob'], ['carol'], ['dave']]]] }, 'others']])
  t.equal(presence.stats.changes, 3)
})

t.test('without a bus and without watchers nothing is done', async t => {
  const { come, presence, told } = build(t, {}, false)
  const flushed = t.capture(Reports.prototype, 'flush', Reports.prototype.flush)
  come('alice', 'room')
  presence.tick()
  presence.beat()
  presence.bus('up')
  presence.closing()
  await null
  t.equal(flushed().length, 0)
  t.same(told(), [])
  t.equal(presence.of('room').length, 1)
})

t.test('a client that could not take a message is sent everything, at the next report', async t => {
  const { come, pass, take } = build(t)
  const watcher = come('watcher')
  take(false)
  watcher.send({ type: 'presence:watch', topics: ['room'] })
  pass(25)
  t.same(watcher.all, [])
  take(true)
  pass(300)
  t.match(watcher.all, [{ type: 'presence:list', total: 0 }])
  pass(300)
  t.equal(watcher.all.length, 1)
})

t.test('a node is asked when it is here, and again when the bus takes it', async t => {
  const { hear, notice, told, presence, come, pass, ready } = build(t, { everyone: false })
  notice('other', 'here')
  t.match(told(), [[{ kind: 'ask', life: 0 }, 'other']])
  presence.bus('down')
  ready(false)
  presence.bus('up')
  await null
  await null
  t.same(told(), [])
  ready(true)
  presence.bus('up')
  await null
  await null
  t.match(told(), [[{ kind: 'ask', life: 0 }, 'other'], [{ kind: 'version', version: 0 }, 'others']])
  hear({ kind: 'page', life: 5, version: 3, page: 0, pages: 1, users: [['room', [['alice', 1, 5_000_000, 'busy']]]] })
  t.same(presence.of('room'), [{ subject: 'alice', connections: 1, state: 'busy' }])
  hear({ kind: 'change', life: 5, version: 4, users: [['room', [['alice', 9]]]] }, 'other', true)
  t.same(presence.of('room'), [{ subject: 'alice', connections: 1, state: 'busy' }], 'its own messages are none')
  presence.bus('up')
  await null
  await null
  t.match(told(), [[{ kind: 'version' }, 'others']], 'one that is known is not asked again')
  const alice = come('alice', 'room')
  alice.send({ type: 'presence:set', topic: 'room', state: 'here' })
  t.same(presence.of('room'), [{ subject: 'alice', connections: 2, state: 'here' }], 'what is set later counts, whatever the clock of the other says')
  pass(25)
  t.match(told(), [[{ kind: 'change', version: 1, users: [['room', [['alice', 1, 5_000_001, 'here']]]] }, 'others']])
  notice('other', 'gone')
  t.equal(presence.stats.nodes, 0)
})

t.test('a node that asks gets everything, what was not told before as a change to all', async t => {
  const { hear, told, come, presence } = build(t, { everyone: false })
  come('alice', 'room')
  hear({ kind: 'ask', life: 0 })
  const [change, page] = told() as [[Extract<BusMessage, { kind: 'change' }>, string], [BusMessage, string]]
  t.match(change, [{ kind: 'change', version: 1 }, 'others'])
  t.match(page, [{ kind: 'page', life: change[0].life, version: 1, page: 0, pages: 1, users: [['room', [['alice', 1]]]] }, 'other'])
  hear({ kind: 'ask', life: 1e15 })
  t.match(told(), [[{ kind: 'page', life: 1e15 + 1, version: 1, users: [['room', [['alice', 1]]]] }, 'other']], 'one that knows of a later life hears of one later still')
  presence.beat()
  t.match(told(), [[{ kind: 'version', life: 1e15 + 1, version: 1 }, 'others']])
  presence.closing()
  t.match(told(), [[{ kind: 'bye' }, 'others']])
})

t.test('a node that shuts down', async t => {
  const { hear, notice, presence, pass } = build(t, { grace: 1_000 })
  notice('other', 'here')
  hear({ kind: 'page', life: 5, version: 1, page: 0, pages: 1, users: [['room', [['alice', 2]]]] })
  hear({ kind: 'bye', life: 5 })
  notice('other', 'gone')
  t.same(presence.of('room'), [{ subject: 'alice', connections: 1 }])
  pass(1_200)
  t.same(presence.of('room'), [])
})

t.test('what cannot be told is logged, and nothing else fails', async t => {
  const { tell, come, pass, errors, presence } = build(t)
  tell(false)
  come('alice', 'room')
  pass(25)
  t.same(errors, ['the other nodes could not be told who is there'])
  t.equal(presence.of('room').length, 1)
})

t.test('when the server has closed, nothing is left', async t => {
  const { presence, come, removed, pass, told, hear } = build(t)
  const watcher = come('watcher', 'room')
  watcher.send({ type: 'presence:watch', topics: ['room'] })
  pass(25)
  presence.close()
  t.same(removed, ['airlock:presence', 'nodes'])
  t.equal(presence.stats.watches, 0)
  told()
  const late = { socket: {} as never, identity: { subject: 'late' }, subject: 'late', since: 0 }
  presence.came(late)
  presence.joined(late, 'room')
  presence.left(late, 'room')
  presence.went(late, false)
  presence.disconnected(() => true, 'late')
  presence.bus('up')
  await null
  await null
  hear({ kind: 'version', life: 1, version: 0 })
  pass(10_000)
  t.same(told(), [])
})

t.test('the names of very many topics are not kept for ever', async t => {
  const { presence } = build(t, { topics: ['room/+'] })
  for (let n = 0; n < 10_002; n++) presence.keeps(`room/${n}`)
  t.equal(presence.keeps('room/1'), true)
  t.equal(presence.keeps('other'), false)
})

t.test('a client that a hook has disconnected watches nothing more', async t => {
  const built = build(t, {
    authorizePresence: ({ subject }, topic) => {
      if (topic !== 'b') return true
      // The hub is told to, and tells at once.
      Object.assign(alice.socket, { readyState: 2 })
      built.presence.went(alice.member, true)
      return subject === 'alice'
    }
  })
  const alice = built.come('alice', 'a')
  alice.send({ type: 'presence:watch', topics: ['a', 'b', 'c'] })
  t.same(alice.all.map(({ topic }) => topic), ['a'])
  t.equal(built.presence.stats.watches, 0)
  t.equal(built.presence.watching.size, 0)
  t.same(built.presence.of('a'), [])
})
