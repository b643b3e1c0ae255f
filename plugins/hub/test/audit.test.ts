// Runs alone: the audit trail is that of the whole process.
import type { AuditEvent } from '@fastify-airlock/core'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import type { WebSocket } from 'ws'
import { Recorder } from '../../../test/audit.js'
import type { WsHub, WsHubOptions } from '../src/index.js'
import { build, CUT_SOON, hold } from './helpers.js'

interface Case {
  name: string
  hub?: WsHubOptions
  act (hub: WsHub, socket: WebSocket, client: WebSocket): Promise<unknown> | unknown
  events: Array<Partial<AuditEvent>>
}

const TOPIC = { topic: 'news', wildcard: false, code: null, subject: 'alice' }
const JOINED = { type: 'topic.joined', ...TOPIC, reason: null } as const
const allow: WsHubOptions = { authorizeTopic: () => true }
const closed = (code: number, reason: string): Partial<AuditEvent> => ({ type: 'close', code, reason, by: 'server', subject: 'alice' })

const table: Case[] = [
  { name: 'join', act: (hub, socket) => hub.join(socket, 'news'), events: [JOINED] },
  { name: 'join twice', act: (hub, socket) => { hub.join(socket, 'news'); hub.join(socket, 'news') }, events: [JOINED] },
  { name: 'join a pattern', act: (hub, socket) => hub.join(socket, 'news/#', { wildcard: true }), events: [{ ...JOINED, topic: 'news/#', wildcard: true }] },
  { name: 'leave by itself', act: (hub, socket) => { hub.join(socket, 'news'); hub.leave(socket, 'news') }, events: [JOINED] },
  { name: 'ask and join', hub: allow, act: async (hub, socket) => await hub.requestJoin(socket, 'news'), events: [JOINED] },
  {
    name: 'ask for what it has',
    hub: allow,
    act: async (hub, socket) => { hub.join(socket, 'news'); await hub.requestJoin(socket, 'news') },
    events: [JOINED]
  },
  { name: 'denied', hub: { authorizeTopic: () => false }, act: async (hub, socket) => await hub.requestJoin(socket, 'news'), events: [{ type: 'topic.refused', ...TOPIC, reason: 'denied' }] },
  {
    name: 'failed',
    hub: { authorizeTopic: async () => { throw new Error('secret words') } },
    act: async (hub, socket) => await hub.requestJoin(socket, 'news'),
    events: [{ type: 'topic.refused', ...TOPIC, reason: 'failed' }]
  },
  {
    name: 'late',
    hub: { authorizeTopic: async () => await new Promise<never>(() => {}), authorizeTimeout: 20 },
    act: async (hub, socket) => await hub.requestJoin(socket, 'news'),
    events: [{ type: 'topic.refused', ...TOPIC, reason: 'late' }]
  },
  {
    name: 'too many topics',
    hub: { ...allow, maxTopicsPerConnection: 1 },
    act: async (hub, socket) => { await hub.requestJoin(socket, 'news'); await hub.requestJoin(socket, 'more') },
    events: [JOINED, { type: 'topic.refused', ...TOPIC, topic: 'more', reason: 'too many topics' }]
  },
  {
    name: 'closed meanwhile',
    hub: { authorizeTopic: async () => await new Promise<never>(() => {}), authorizeTimeout: 600_000 },
    act: async (hub, socket, client) => {
      const joined = hub.requestJoin(socket, 'news')
      client.terminate()
      await joined
    },
    events: [{ type: 'close', by: 'network', reason: null, subject: 'alice' }, { type: 'topic.refused', ...TOPIC, reason: 'closed' }]
  },
  { name: 'no topic', hub: allow, act: async (hub, socket) => await hub.requestJoin(socket, { secret: 'words' }), events: [{ type: 'topic.refused', topic: null, reason: 'invalid', wildcard: false }] },
  { name: 'evicted', act: (hub, socket) => { hub.join(socket, 'news'); hub.evict({ subject: 'alice', topic: 'news' }) }, events: [JOINED, { type: 'topic.evicted', ...TOPIC, reason: 'evicted' }] },
  {
    name: 'denied when asked again',
    hub: { authorizeTopic: (() => { let count = 0; return () => count++ === 0 })() },
    act: async (hub, socket) => { await hub.requestJoin(socket, 'news'); await hub.reauthorize({ subject: 'alice' }) },
    events: [JOINED, { type: 'topic.evicted', ...TOPIC, reason: 'denied' }]
  },
  { name: 'disconnected', act: hub => hub.disconnect('alice'), events: [closed(4403, 'disconnected')] },
  { name: 'disconnected by other words', act: hub => hub.disconnect('alice', { code: 4999, reason: 'so it is' }), events: [closed(4999, 'so it is')] },
  { name: 'drained', act: hub => { hub.drain() }, events: [closed(1012, 'drained')] },
  { name: 'too many messages', hub: { messageRate: { perSecond: 1, burst: 1 } }, act: (_hub, _socket, client) => { client.send('1'); client.send('2') }, events: [closed(4429, 'too many messages')] },
  { name: 'slow', hub: { maxBufferedBytes: 100 }, act: (hub, socket) => { hold(socket); socket.send('x'.repeat(1_000)); hub.broadcast('slow') }, events: [closed(1006, 'slow')] }
]

async function start (t: Test, hub: WsHubOptions = {}) {
  const recorder = new Recorder(t)
  const { pair, hub: decorator } = await build(t, { ...CUT_SOON, hub: { ...CUT_SOON.hub, ...hub } })
  return { recorder, hub: decorator, pair }
}

for (const { name, hub: options, act, events: expected } of table) {
  t.test(name, async t => {
    const { recorder, hub, pair } = await start(t, options)
    const { socket, client } = await pair()
    client.on('error', () => {})
    await act(hub, socket, client)
    const events = await recorder.take(expected.length)
    t.equal(events.length, expected.length)
    t.match(events, expected)
    t.equal(new Set(events.map(({ id }) => id)).size, 1)
    t.notMatch(JSON.stringify(events), /secret|words/)
  })
}

t.test('a connection that the hub does not take in', async t => {
  const { recorder, pair } = await start(t, { maxConnectionsPerSubject: 1, onSubjectLimit: 'refuse' })
  const { client: first } = await pair()
  const { client } = await pair()
  await once(client, 'close')
  first.close(1000)
  t.match(await recorder.take(1), [{ type: 'close', code: 1000, by: 'client' }], 'it has not got in, so it leaves nothing of its own here')
})

t.test('a connection from before the first subscriber', async t => {
  const { hub, pair } = await build(t)
  const { socket, client } = await pair()
  const recorder = new Recorder(t)
  hub.join(socket, 'news')
  client.close(1000)
  t.match(await recorder.take(2), [{ ...JOINED, session: null }, { type: 'close', code: 1000, by: 'client', subject: 'alice' }])
})
