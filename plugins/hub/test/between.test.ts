import t from 'tap'
import { announceIdentityChange } from '@fastify-airlock/core'
import mqemitter from 'mqemitter'
import { Hub } from '../src/hub.js'
import type { HubIdentity, TopicLeft, WsHubOptions } from '../src/index.js'
import { parseHubOptions } from '../src/options.js'
import { fakeSocket } from './fakes.js'

/** Turns of the microtask queue between an answer and what follows from it: more than there are anywhere. */
const DEPTH = 16

const log = { error () {}, warn () {}, info () {} } as never
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

async function microtasks (count: number): Promise<void> {
  for (let index = 0; index < count; index++) await null
}

type Made = ReturnType<typeof make>

/** A hub without a network, whose `authorizeTopic` answers what was true when it was asked, when the test lets it. */
function make (options: WsHubOptions = {}) {
  const clock = { now: 0 }
  const rights = { allowed: true, atOnce: false }
  const waiting: Array<() => void> = []
  const left: TopicLeft[] = []
  const bus = mqemitter()
  const hub = new Hub(parseHubOptions({
    bus,
    topicLease: 60_000,
    onTopicLeft: (_socket: unknown, event: TopicLeft) => { left.push(event) },
    authorizeTopic: () => {
      const { allowed } = rights
      return rights.atOnce ? allowed : new Promise<boolean>(resolve => waiting.push(() => resolve(allowed)))
    },
    ...options
  }), log, undefined, undefined, { now: () => clock.now, wall: () => 1e12 })
  const { socket, sent } = fakeSocket()
  const identity: HubIdentity = { subject: 'alice' }
  hub.add(socket, identity)
  let number = 0
  return {
    hub,
    socket,
    sent,
    rights,
    left,
    waiting,
    change: () => announceIdentityChange(identity),
    /** Nothing may come of it while other tests run. */
    end: () => {
      socket.emit('close')
      hub.close()
    },
    lease: () => {
      clock.now += 60_200
      hub.tick()
    },
    /** An order of another node. */
    told: (order: object) => bus.emit({
      topic: 'airlock/disconnect', node: 'z', sequence: ++number, number, age: 0, time: 70_000, order: JSON.stringify(order)
    })
  }
}

/** What takes the topic away. The application has `authorizeTopic` deny it from then on. */
const acts: Record<string, (made: Made) => unknown> = {
  evict: ({ hub }) => hub.evict({ subject: 'alice', topic: 'room/1' }),
  'evict by pattern': ({ hub }) => hub.evict({ subject: 'alice', topic: '#', wildcard: true }),
  'evict of another node': ({ told }) => told({ kind: 'evict', subject: 'alice', topic: 'room/1', wildcard: false }),
  'reauthorize of another node': ({ told }) => told({ kind: 'reauthorize', topic: 'room/1', wildcard: false }),
  'disconnect of another node': ({ told }) => told({ kind: 'disconnect', subject: 'alice', reason: '' }),
  'reauthorize by subject': ({ hub }) => { hub.reauthorize({ subject: 'alice' }) },
  'reauthorize by topic': ({ hub }) => { hub.reauthorize({ topic: 'room/1' }) },
  'reauthorize by pattern': ({ hub }) => { hub.reauthorize({ topic: 'room/+', wildcard: true }) },
  'change of claims': ({ change }) => change(),
  lease: ({ lease }) => lease(),
  disconnect: ({ hub }) => hub.disconnect('alice'),
  close: ({ socket }) => {
    Object.assign(socket, { _readyState: socket.CLOSED })
    socket.emit('close')
  }
}

/** What leads to a question whose answer is awaited. */
const questions: Record<string, (made: Made) => Promise<unknown>> = {
  'a request': async ({ hub, socket }) => await hub.requestJoin(socket, 'room/1'),
  'a request for a pattern': async ({ hub, socket }) => await hub.requestJoin(socket, 'room/+', { wildcard: true }),
  'a second request': async ({ hub, socket, waiting }) => {
    const first = hub.requestJoin(socket, 'room/1')
    waiting.shift()?.()
    await first
    return await hub.requestJoin(socket, 'room/1')
  },
  ...Object.fromEntries(['change', 'lease', 'reauthorize'].map(kind => [`asked again: ${kind}`, async (made: Made) => {
    const { hub, socket, waiting } = made
    const joined = hub.requestJoin(socket, 'room/1')
    waiting.shift()?.()
    await joined
    if (kind === 'reauthorize') await hub.reauthorize({ subject: 'alice' })
    else made[kind as 'change' | 'lease']()
  }]))
}

t.test('whatever comes between an answer and what follows from it counts', async t => {
  for (const [question, ask] of Object.entries(questions)) {
    for (const [name, act] of Object.entries(acts)) {
      const wrong: string[] = []
      for (let depth = 0; depth < DEPTH; depth++) {
        for (const isOwn of [false, true]) {
          const made = make()
          const { hub, socket, sent, rights, waiting } = made
          const asked = ask(made)
          await turn()
          // A lease does not concern what has not joined yet.
          if (name === 'lease' && question.startsWith('a request')) {
            waiting.shift()?.()
            await asked
            made.change()
          }
          const answers = waiting.length
          if (answers !== 1) wrong.push(`${answers} questions`)
          waiting.shift()?.()
          await microtasks(depth)
          // What the application joins is its own: only `evict`, and the end of the connection, take it away.
          if (isOwn) hub.join(socket, 'room/1')
          rights.allowed = false
          act(made)
          for (let turns = 0; turns < 4; turns++) {
            await turn()
            for (const answer of waiting.splice(0)) answer()
          }
          await asked
          hub.publish('room/1', 'a secret')
          await turn()
          const open = socket.readyState === socket.OPEN
          const stays = isOwn && open && !name.startsWith('evict')
          const topics = hub.topicsOf(socket).filter(topic => topic === 'room/1')
          const found = [hub.count('room/1'), open ? topics.length : 0, sent().filter(frame => frame.startsWith('text')).length]
          if (found.join() !== (stays ? '1,1,1' : '0,0,0') && !(name.startsWith('disconnect') && found[2] === 0)) wrong.push(`${depth} ${isOwn}: ${found}`)
          made.end()
        }
      }
      t.strictSame(wrong, [], `${question}, ${name}`)
    }
  }
})

t.test('a request ends at once when it is denied, or when its connection is gone', async t => {
  for (const act of ['evict', 'close'] as const) {
    const made = make()
    const asked = made.hub.requestJoin(made.socket, 'room/1')
    acts[act]?.(made)
    t.equal(await asked, false, 'the answer is not awaited')
    made.waiting[0]?.()
    await turn()
    t.strictSame(made.hub.topics(), [])
    made.end()
  }
})

t.test('a connection that is closing joins nothing', async t => {
  const { hub, socket, waiting, rights, end } = make()
  const asked = hub.requestJoin(socket, 'room/1')
  hub.disconnect('alice')
  waiting[0]?.()
  t.equal(await asked, false)
  rights.atOnce = true
  t.equal(await hub.requestJoin(socket, 'room/1'), false)
  t.equal(hub.join(socket, 'room/1'), false)
  t.strictSame(hub.topics(), [])
  end()
})

t.test('authorizeTopic itself may take the topic away, or change the claims', async t => {
  for (const isLater of [false, true]) {
    for (const [name, joined] of [['evict', false], ['change of claims', true]] as const) {
      let calls = 0
      const made: Made = make({
        authorizeTopic: () => {
          calls++
          acts[name]?.(made)
          return isLater ? Promise.resolve(true) : true
        }
      })
      t.equal(await made.hub.requestJoin(made.socket, 'room/1'), joined, name)
      t.equal(calls, 1)
      made.end()
    }
  }
})

t.test('changes that come again and again do not put the end of a request off', async t => {
  let calls = 0
  const clock = { now: 0 }
  const identity = { subject: 'alice' }
  const hub = new Hub(parseHubOptions({
    authorizeTimeout: 1_000,
    authorizeTopic: async () => {
      calls++
      await turn()
      clock.now += 300
      announceIdentityChange(identity)
      return true
    }
  }), log, undefined, undefined, { now: () => clock.now })
  const { socket } = fakeSocket()
  hub.add(socket, identity)
  t.equal(await hub.requestJoin(socket, 'room/1'), false)
  t.equal(calls, 4)
  t.strictSame(hub.topics(), [])
  socket.emit('close')
})

t.test('connections that outlive the hub leave and join without it', async t => {
  const made = make()
  made.rights.atOnce = true
  t.equal(await made.hub.requestJoin(made.socket, 'room/1'), true)
  made.hub.close()
  t.equal(made.hub.join(made.socket, 'room/2'), true)
  acts.close?.(made)
  t.strictSame(made.hub.topics(), [])
})
