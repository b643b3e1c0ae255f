import t from 'tap'
import { recentOrdersOf, websocketOptions } from '@fastify-airlock/core'
import wsGuard from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsHub from '@fastify-airlock/hub'
import wsTickets from '@fastify-airlock/ticket'
import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import { EventEmitter } from 'node:events'

async function build () {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(fastifyJwt, { secret: 'a secret for tests that is long enough' })
  for (const plugin of [wsTickets, wsGuard, wsHandshake]) await app.register(plugin as typeof wsTickets)
  await app.register(wsHub, { authorizeTopic: () => true })
  return app
}

/** An open socket. */
function socket () {
  const made = Object.assign(new EventEmitter(), {
    readyState: 1,
    closed: false,
    terminate () {},
    close () {
      Object.assign(made, { readyState: 3, closed: true })
      made.emit('close')
    }
  })
  return made
}

/** Adds a topic, and leaves the object as odd as it is. */
function withTopic (target: unknown): unknown {
  if (typeof target !== 'object' || target === null || Array.isArray(target) || target instanceof Map) return target
  return Object.create(Object.getPrototypeOf(target), { ...Object.getOwnPropertyDescriptors(target), topic: { value: 'room', enumerable: true } })
}

/** All that takes somebody's rights away. */
const acts: Record<string, (app: FastifyInstance, target: never) => unknown> = {
  'wsHub.disconnect': ({ wsHub }, target) => wsHub.disconnect(target),
  'wsHub.disconnectAll': ({ wsHub }, target) => wsHub.disconnectAll(target),
  'wsHub.evict': ({ wsHub }, target) => wsHub.evict(withTopic(target) as never),
  'wsHub.reauthorize': ({ wsHub }, target) => wsHub.reauthorize(target),
  'wsGuard.refuse': ({ wsGuard }, target) => wsGuard.refuse(target),
  'wsHandshake.refuse': ({ wsHandshake }, target) => wsHandshake.refuse(target),
  'wsTickets.revoke': ({ wsTickets }, target) => wsTickets.revoke(target)
}

class Login {
  subject = 'alice'
  get session () { return 's1' }
}

/** Targets that do not say clearly whom they mean. */
const unclear: unknown[] = [
  undefined, null, {}, [], ['alice'], 7, NaN, true, 10n, Symbol('alice'), () => 'alice', '', Object('alice'), new Map([['subject', 'alice']]), new Date(0),
  new Login(), Promise.resolve({ subject: 'alice' }),
  ...['subject', 'session', 'tokenId', 'where', 'connection'].flatMap(name => [{ [name]: undefined }, { subject: 'alice', [name]: undefined }, { session: 's1', [name]: undefined }]),
  ...['', 7, null, true, ['alice'], {}, Object('alice')].flatMap(value => [{ subject: value }, { session: value }, { tokenId: value }, { subject: 'alice', session: value }]),
  { Subject: 'alice' }, { sub: 'alice' }, { user: 'alice' }, { subject: 'alice', sesion: 's1' }, { subject: 'alice', sid: 's1' },
  { subject: 'alice', jti: 'j1' }, { subject: 'alice', constructor: 's1' }, { subject: 'alice', toString: 's1' },
  JSON.parse('{"subject":"alice","__proto__":"s1"}'),
  { subject: 'alice', [Symbol('session')]: 's1' },
  Object.defineProperty({ subject: 'alice' }, 'session', { value: 's1' }),
  Object.assign(Object.create({ session: 's1' }), { subject: 'alice' }),
  Object.create({ subject: 'alice' }),
  ...[null, {}, [], 'role', 7, ['admin'], { role: ['admin'] }, { role: undefined }, { level: NaN }, { level: Infinity }, { level: 1n }, { at: new Date(0) },
    { role: {} }, new Map([['role', 'admin']]), { role: 'admin', [Symbol('tenant')]: 'a' }, Object.assign(Object.create({ tenant: 'a' }), { role: 'admin' })
  ].flatMap(where => [{ where }, { subject: 'alice', where }]),
  { subject: 'alice', code: '4403' }, { subject: 'alice', reason: 7 }, { subject: 'alice', connection: 7 }, { connection: '' }, { connection: {} }, { connection: null }
]

t.test('a user who is not named clearly is left alone, and the mistake is named', async t => {
  const app = await build()
  const alice = socket()
  app.wsHub.add(alice as never, { subject: 'alice', claims: { sid: 's1', jti: 'j1', role: 'admin' } })
  await app.wsHub.requestJoin(alice as never, 'room')
  const { ticket } = await app.wsTickets.issue('alice', { session: 's1' })
  for (const [name, act] of Object.entries(acts)) {
    const wrong: unknown[] = []
    for (const [index, target] of unclear.entries()) {
      try {
        await act(app, target as never)
        wrong.push([index, target, 'taken'])
      } catch (error) {
        const { code, message } = error as { code?: unknown, message: string }
        if (!/^WSA_(?:HUB|GUARD|HANDSHAKE|TICKET)_ERR_/.test(String(code))) wrong.push([index, target, message])
      }
    }
    t.strictSame(wrong, [], name)
  }
  t.equal(alice.closed, false)
  t.strictSame(app.wsHub.topicsOf(alice as never), ['room'])
  t.equal(recentOrdersOf(app.server).size, 0)
  t.match(await app.wsTickets.redeem(ticket), { subject: 'alice' })
})

t.test('options in the wrong place are not lost', async t => {
  const app = await build()
  const alice = socket()
  app.wsHub.add(alice as never, { subject: 'alice', claims: { sid: 's1' } })
  for (const options of [null, 7, 'logged out', { session: 's2' }, { tokenId: 'j1' }, { where: { role: 'user' } }, { Code: 4000 }, { code: '4000' }, { reason: 7 }]) {
    for (const act of [app.wsHub.disconnect, app.wsHub.disconnectAll]) {
      await t.rejects(async () => await act('alice', options as never), { code: 'WSA_HUB_ERR_INVALID_TARGET' }, JSON.stringify(options))
    }
  }
  for (const wildcard of [1, 'yes', null]) {
    t.throws(() => app.wsHub.evict({ subject: 'alice', topic: 'room', wildcard } as never), { code: 'WSA_HUB_ERR_INVALID_TARGET' })
    await t.rejects(app.wsHub.reauthorize({ topic: 'room', wildcard } as never), { code: 'WSA_HUB_ERR_INVALID_TARGET' })
  }
  t.equal(alice.closed, false)
})

t.test('each of them takes a subject, or an object that names it', async t => {
  for (const [name, act] of Object.entries(acts)) {
    for (const target of ['alice', { subject: 'alice' }]) {
      if (typeof target === 'string' && /evict|reauthorize/.test(name)) continue
      await t.resolves(async () => await act(await build(), target as never), name)
    }
  }
})
