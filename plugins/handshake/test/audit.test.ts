// Runs alone: the audit trail is that of the whole process.
import type { AuditEvent } from '@fastify-airlock/core'
import t, { type Test } from 'tap'
import { Recorder, typesOf } from '../../../test/audit.js'
import { build, type Client, clock, deferred, type Setup, until } from './helpers.js'

type Server = Awaited<ReturnType<typeof build>>

interface Case {
  name: string
  setup?: () => Setup
  act (client: Client, server: Server): Promise<unknown>
  /** What follows, besides the close. */
  events: Array<Partial<AuditEvent>>
  close: { code: number, reason: string | null, by: string }
}

const ACCEPTED = { type: 'auth.accepted', subject: 'alice', session: 's1', address: '127.0.0.1', route: '/ws', code: null, reason: null } as const
const server = (code: number, reason: string): Case['close'] => ({ code, reason, by: 'server' })

const enter = async (client: Client, { sign }: Server): Promise<void> => { await client.auth(sign({ sid: 's1' })) }
const refresh = async (client: Client, token: string): Promise<unknown> => await client.auth(token, 'refresh')

const table: Case[] = [
  {
    name: 'a first frame that is none',
    act: async client => { await client.opened(); client.json('hello') },
    events: [{ type: 'auth.refused', code: 4400, reason: 'auth message expected', subject: null, address: '127.0.0.1', route: '/ws' }],
    close: server(4400, 'auth message expected')
  },
  {
    name: 'a wrong token',
    act: async client => await client.auth('x.y.z'),
    events: [{ type: 'auth.refused', code: 4401, reason: 'token invalid' }],
    close: server(4401, 'token invalid')
  },
  {
    name: 'a token of somebody else',
    setup: () => ({ guard: () => ({ subject: 'bob', claims: { sid: 's2' }, expiresAt: null }) }),
    act: async (client, { sign }) => await client.auth(sign()),
    events: [{ type: 'auth.refused', code: 4403, reason: 'subject mismatch', subject: 'bob', session: 's2' }],
    close: server(4403, 'subject mismatch')
  },
  {
    name: 'silence',
    setup: () => ({ options: { authTimeout: 20 } }),
    act: async client => await client.opened(),
    events: [{ type: 'auth.refused', code: 4408, reason: 'authentication timeout' }],
    close: server(4408, 'authentication timeout')
  },
  {
    name: 'a hook that fails',
    setup: () => ({ options: { authorize: () => { throw new Error('secret words') } } }),
    act: async (client, { sign }) => await client.auth(sign()),
    events: [{ type: 'auth.refused', code: 4500, reason: 'internal error' }],
    close: server(4500, 'internal error')
  },
  {
    name: 'a disconnect on the way in',
    setup: () => ({ options: { authorize: async () => await new Promise(resolve => setTimeout(resolve, 5, true)) } }),
    act: async (client, { sign, app }) => {
      await client.opened()
      client.json({ type: 'auth', token: sign() })
      app.wsHandshake.refuse({ subject: 'alice' })
    },
    events: [{ type: 'auth.refused', code: 4403, reason: 'disconnected' }],
    close: server(4403, 'disconnected')
  },
  {
    name: 'a client that leaves',
    act: async (client, server) => { await enter(client, server); client.socket.close(4999, 'a client writes this') },
    events: [ACCEPTED],
    close: { code: 4999, reason: null, by: 'client' }
  },
  {
    name: 'two tokens',
    act: async (client, server) => { await enter(client, server); await enter(client, server) },
    events: [ACCEPTED, { type: 'auth.refused', code: 4429, reason: 'already authenticated', subject: 'alice' }],
    close: server(4429, 'already authenticated')
  },
  {
    name: 'a refresh, and a wrong one',
    act: async (client, server) => {
      await enter(client, server)
      await refresh(client, server.sign({ sid: 's9' }))
      await refresh(client, 'x.y.z')
    },
    events: [ACCEPTED, { type: 'refresh.accepted', subject: 'alice', session: 's9', route: '/ws', code: null, reason: null }, { type: 'refresh.refused', code: 4401, reason: 'token invalid' }],
    close: server(4401, 'token invalid')
  },
  {
    name: 'a refresh while another is pending',
    setup: () => {
      let count = 0
      return { options: { isRevoked: async () => count++ > 0 && await new Promise<never>(() => {}) } }
    },
    act: async (client, server) => {
      await enter(client, server)
      for (let time = 0; time < 2; time++) client.json({ type: 'refresh', token: server.sign() })
    },
    events: [ACCEPTED, { type: 'refresh.refused', code: 4429, reason: 'refresh pending' }],
    close: server(4429, 'refresh pending')
  },
  {
    name: 'a handler that fails',
    setup: () => ({ handler: () => { throw new Error('secret words') } }),
    act: enter,
    events: [ACCEPTED],
    close: server(4500, 'internal error')
  },
  {
    name: 'a handler that fails later',
    setup: () => ({ handler: async () => { throw new Error('secret words') } }),
    act: enter,
    events: [ACCEPTED],
    close: server(4500, 'internal error')
  },
  {
    name: 'a message that may not be sent',
    setup: () => ({ options: { authorizeMessage: () => false } }),
    act: async (client, server) => { await enter(client, server); client.json('hello') },
    events: [ACCEPTED],
    close: server(4403, 'not authorized')
  },
  {
    name: 'a check of messages that fails',
    setup: () => ({ options: { authorizeMessage: () => { throw new Error('secret words') } } }),
    act: async (client, server) => { await enter(client, server); client.json('hello') },
    events: [ACCEPTED],
    close: server(4500, 'internal error')
  },
  {
    name: 'too much before the handler listens',
    setup: () => ({ handler: async () => await deferred().promise, options: { maxEarlyFrames: 1 } }),
    act: async (client, server) => { await enter(client, server); client.json('one'); client.json('two') },
    events: [ACCEPTED],
    close: server(4413, 'early frame queue full')
  },
  {
    name: 'the application',
    setup: () => ({ handler: socket => socket.close(4000, 'of the application') }),
    act: enter,
    events: [ACCEPTED],
    close: server(4000, 'of the application')
  }
]

async function trail (t: Test, { setup, act }: Case): Promise<AuditEvent[]> {
  const recorder = new Recorder(t)
  const server = await build(t, setup?.())
  const client = server.connect()
  await act(client, server)
  const events: AuditEvent[] = []
  while (!events.some(({ type }) => type === 'close')) events.push(...await recorder.take(1))
  return events
}

for (const one of table) {
  t.test(one.name, async t => {
    const events = await trail(t, one)
    const close = events.pop()
    t.same(typesOf(events), one.events.map(({ type }) => type))
    t.match(events, one.events)
    t.match(close, one.close)
    t.equal(new Set([...events, close].map(event => event?.id)).size, 1, 'one id')
    t.notMatch(JSON.stringify(events), /secret words|a client writes this|eyJ/)
  })
}

t.test('a token that expires', async t => {
  const time = clock(t)
  const recorder = new Recorder(t)
  const server = await build(t, { options: { expiryGrace: 0 } })
  const client = server.connect()
  await enter(client, server)
  t.match(await recorder.take(1), [ACCEPTED])
  time.ahead += 120_000
  t.match(await recorder.take(1), [{ type: 'close', code: 4401, reason: 'token expired', by: 'server', subject: 'alice' }])
})

t.test('a refresh that is late', async t => {
  const time = clock(t)
  const recorder = new Recorder(t)
  let asked = 0
  const server = await build(t, { options: { isRevoked: async () => asked++ > 0 && await new Promise<never>(() => {}) } })
  const client = server.connect()
  await enter(client, server)
  client.json({ type: 'refresh', token: server.sign() })
  await until(() => asked === 2)
  time.ahead += 30_000
  t.match(await recorder.take(3), [ACCEPTED, { type: 'refresh.refused', code: 4408, reason: 'authentication timeout' }, { type: 'close', code: 4408, by: 'server' }])
})

t.test('a connection from before the first subscriber', async t => {
  const server = await build(t)
  const client = server.connect()
  await enter(client, server)
  const recorder = new Recorder(t)
  await refresh(client, server.sign({ sid: 's1' }))
  client.socket.terminate()
  t.match(await recorder.take(2), [
    { type: 'refresh.accepted', subject: 'alice', session: 's1', address: null, route: null, id: /^[\w-]{16}$/ },
    { type: 'close', by: 'network', subject: 'alice' }
  ])
})
