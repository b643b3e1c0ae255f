// Takes long: it closes in some thirty ways.
import { hubPlacesOf, pendingPlacesOf, type Places } from '@fastify-airlock/core'
import type { GuardOptions } from '@fastify-airlock/guard'
import type { WsHandshakeOptions } from '@fastify-airlock/handshake'
import { MemoryStore } from '@fastify-airlock/ticket'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import net from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { clock, until } from '../helpers.js'
import { head, start, type StartOptions } from './wire.js'

type Started = Awaited<ReturnType<typeof start>>

/** Answers in a later turn, as the store of a database does. */
class LaterStore extends MemoryStore {
  override take (...given: Parameters<MemoryStore['take']>): ReturnType<MemoryStore['take']> {
    return new Promise(resolve => setImmediate(resolve)).then(() => super.take(...given)) as never
  }
}

/** How an attempt to connect has ended: with a WebSocket, or with a status, and what the refusal says. */
async function attempt (t: Test, url: string, protocols: string[] = []) {
  const client = new WebSocket(url, protocols)
  t.teardown(() => client.terminate())
  client.on('error', () => {})
  const messages: string[] = []
  client.on('message', data => { messages.push(String(data)) })
  const closed = new Promise<number>(resolve => { client.once('close', resolve) })
  return await new Promise<{ status: number, code: string, retryAfter: string | undefined, client: WebSocket, messages: string[], closed: Promise<number> }>(resolve => {
    client.once('open', () => resolve({ status: 101, code: '', retryAfter: undefined, client, messages, closed }))
    client.once('unexpected-response', (_request, response) => {
      let body = ''
      response.on('data', chunk => { body += chunk })
      response.on('end', () => {
        const code = body.startsWith('{') ? JSON.parse(body).code : ''
        resolve({ status: response.statusCode as number, code, retryAfter: response.headers['retry-after'], client, messages, closed })
      })
    })
    client.once('close', () => resolve({ status: 0, code: '', retryAfter: undefined, client, messages, closed }))
  })
}

const HOLD = { websocket: true } as const

/** A server whose routes lead into the hub by the upgrade alone, by both doors, and by the first frame alone. */
const DOORS = (app: FastifyInstance): void => {
  app.get('/one', { ...HOLD, preValidation: app.wsGuard() }, (socket, request) => { app.wsHub.add(socket, request.wsIdentity as never) })
  app.get('/two', { ...HOLD, preValidation: app.wsGuard() }, app.wsHandshake(() => {}))
  app.get('/frame', HOLD, app.wsHandshake(() => {}))
}

const authenticate = async ({ client, messages }: { client: WebSocket, messages: string[] }, token: string): Promise<void> => {
  client.send(JSON.stringify({ type: 'auth', token }))
  await until(() => messages.length > 0)
}

const STORES: Array<[string, () => StartOptions]> = [
  ['a store that answers at once', () => ({})],
  ['a store that answers later', () => ({ tickets: { store: new LaterStore() } })],
  ['refusals before the router', () => ({ guard: { refuseBeforeRouting: true } })]
]

for (const [name, options] of STORES) {
  for (const path of ['/one', '/two']) {
    t.test(`of many upgrades at once for the last place one gets in, and the others keep their tickets: ${path}, ${name}`, async t => {
      const { app, host, ticket, jwt } = await start(t, { ...options(), hub: { maxConnections: 2 }, routes: DOORS })
      const hub = hubPlacesOf(app) as Places
      const first = await attempt(t, `ws://${host}${path}?ticket=${await ticket()}`)
      if (path === '/two') await authenticate(first, jwt())
      await until(() => app.wsHub.count() === 1)

      const tickets = await Promise.all(Array.from({ length: 40 }, ticket))
      const results = await Promise.all(tickets.map(async ticket => await attempt(t, `ws://${host}${path}?ticket=${ticket}`)))
      const opened = results.filter(({ status }) => status === 101)
      t.equal(opened.length, 1)
      for (const { status, code, retryAfter } of results.filter(({ status }) => status !== 101)) {
        t.same({ status, code, retryAfter }, { status: 503, code: 'WSA_GUARD_ERR_FULL', retryAfter: '5' })
      }
      t.equal(app.wsHub.stats.refusals.node, 39, 'the hub counts them')
      const spent = await Promise.all(tickets.map(async ticket => await app.wsTickets.redeem(ticket)))
      t.equal(spent.filter(who => who !== null).length, 39, 'no ticket was spent in vain')
      if (path === '/two') {
        t.equal(hub.taken, 1, 'the place is kept for who has a ticket')
        await authenticate(opened[0] as never, jwt())
      }
      await until(() => app.wsHub.count() === 2)
      t.equal(hub.taken, 0, 'the hub counts it itself')
      t.equal(pendingPlacesOf(app.server).taken, 0)

      first.client.close()
      await until(() => app.wsHub.count() === 1)
      t.equal((await attempt(t, `ws://${host}${path}?ticket=${await ticket()}`)).status, 101, 'a place that is free again is given')
    })
  }
}

t.test('a route with the first frame alone is refused before its 101 as well, and the hub has the last word', async t => {
  const { app, host, jwt, ticket } = await start(t, { hub: { maxConnections: 1 }, routes: DOORS })
  // Nothing is known of it yet, so it takes no place from those with a ticket.
  const early = await attempt(t, `ws://${host}/frame`)
  t.equal(early.status, 101)
  const known = await attempt(t, `ws://${host}/one?ticket=${await ticket()}`)
  t.equal(known.status, 101)
  await until(() => app.wsHub.count() === 1)
  t.match(await attempt(t, `ws://${host}/frame`), { status: 503, code: 'WSA_HANDSHAKE_ERR_FULL', retryAfter: '5' })
  t.equal(app.wsHub.stats.refusals.node, 1)
  early.client.send(JSON.stringify({ type: 'auth', token: jwt() }))
  t.equal(await early.closed, 1013)
  t.equal(app.wsHub.stats.refusals.node, 2)
  t.equal((await fetch(`http://${host}/frame`)).status, 404, 'what is no upgrade is none')
})

const UNAFFECTED: Array<[string, (app: FastifyInstance) => void]> = [
  ['a handshake that does not add to the hub', app => { app.get('/x', { ...HOLD, preValidation: app.wsGuard() }, app.wsHandshake(() => {}, { hub: false })) }],
  ['the same without a guard', app => { app.get('/x', HOLD, app.wsHandshake(() => {}, { hub: false })) }],
  ['a guard that is told so', app => { app.get('/x', { ...HOLD, preValidation: app.wsGuard({ hub: false }) }, () => {}) }],
  ['a route of the application alone', app => { app.get('/x', { ...HOLD, config: { wsPublic: true } }, () => {}) }]
]

for (const [name, route] of UNAFFECTED) {
  t.test(`a full hub refuses nobody who does not want in: ${name}`, async t => {
    const { app, host, ticket } = await start(t, { hub: { maxConnections: 1 }, routes: app => { DOORS(app); route(app) } })
    await attempt(t, `ws://${host}/one?ticket=${await ticket()}`)
    await until(() => app.wsHub.count() === 1)
    t.equal((await attempt(t, `ws://${host}/one?ticket=${await ticket()}`)).status, 503)
    t.equal((await attempt(t, `ws://${host}/x?ticket=${await ticket()}`)).status, 101)
  })
}

const PENDING: Array<[string, StartOptions]> = [
  ['told to the guard', { guard: { pendingTotal: 3 } }],
  ['told to the handshake', { handshake: { pendingTotal: 3 } }],
  ['told to both: the smaller', { guard: { pendingTotal: 3 }, handshake: { pendingTotal: 5 } }],
  ['told to both, the other way', { guard: { pendingTotal: 5 }, handshake: { pendingTotal: 3 } }]
]

for (const [name, options] of PENDING) {
  for (const [path, code] of [['/two', 'WSA_GUARD_ERR_FULL'], ['/frame', 'WSA_HANDSHAKE_ERR_FULL']] as const) {
    t.test(`pendingTotal bounds the sockets between the doors, ${name}: ${path}`, async t => {
      const { app, host, ticket, jwt } = await start(t, { ...options, handshake: { authTimeout: 600_000, ...options.handshake }, routes: DOORS })
      const pending = pendingPlacesOf(app.server)
      const first = []
      for (let i = 0; i < 3; i++) first.push(await attempt(t, `ws://${host}${path}?ticket=${await ticket()}`))
      t.same(first.map(({ status }) => status), [101, 101, 101])
      t.equal(pending.taken, 3)
      const kept = await ticket()
      t.match(await attempt(t, `ws://${host}${path}?ticket=${kept}`), { status: 503, code, retryAfter: '5' })
      t.not(await app.wsTickets.redeem(kept), null, 'the ticket is good')
      const [one] = first as [Awaited<ReturnType<typeof attempt>>]
      await authenticate(one, jwt())
      t.equal(pending.taken, 2, 'who is known is not pending')
      t.equal((await attempt(t, `ws://${host}${path}?ticket=${await ticket()}`)).status, 101)
    })
  }
}

/** One way in which an upgrade fails or a socket ends. */
interface Ending {
  guard?: (app: FastifyInstance) => GuardOptions
  handshake?: WsHandshakeOptions
  /** Declares `/x`. */
  route?: (app: FastifyInstance, guard: GuardOptions) => void
  /** Ends it. `socket` has sent the upgrade. */
  end?: (socket: net.Socket, tools: { jwt: Started['jwt'], app: FastifyInstance, text: () => string, closed: Promise<unknown> }) => Promise<void> | void
  ticket?: string
  /** What the answer has to begin with. */
  answer?: string
}

const two = (app: FastifyInstance, guard: GuardOptions): void => { app.get('/x', { ...HOLD, preValidation: app.wsGuard(guard) }, app.wsHandshake(() => {})) }

/** A text frame of a client, masked with zeros. */
const frame = (text: string | Buffer, first = 0x81): Buffer => Buffer.concat([Buffer.from([first, 0x80 | Buffer.byteLength(text), 0, 0, 0, 0]), Buffer.from(text)])

const long = (text: string): Buffer => Buffer.concat([Buffer.from([0x81, 0xfe, text.length >> 8, text.length & 0xff, 0, 0, 0, 0]), Buffer.from(text)])

const auth = (token: string): Buffer => long(JSON.stringify({ type: 'auth', token }))

/** An authenticator that answers when it is told to, if ever. */
function slow () {
  const waiting: Array<() => void> = []
  let answered = 0
  return {
    authenticate: () => new Promise<null>(resolve => { waiting.push(() => resolve(null)) }),
    /** Waits until it was asked once more. */
    asked: async () => { await until(() => waiting.length > answered); answered = waiting.length },
    answer: () => { waiting.at(-1)?.() }
  }
}

const is101 = (text: () => string) => until(() => text().includes('\r\n\r\n'))

const ENDINGS: Record<string, Ending> = {
  'an unknown ticket': { ticket: 'x'.repeat(43), answer: 'HTTP/1.1 401' },
  'an authenticator that throws': { guard: () => ({ authenticate: () => { throw new Error('database') } }), answer: 'HTTP/1.1 500' },
  'an authenticator that rejects': { guard: () => ({ authenticate: async () => { throw new Error('database') } }), answer: 'HTTP/1.1 500' },
  'an authenticator that knows nobody, later': { guard: () => ({ authenticate: async () => null }), answer: 'HTTP/1.1 401' },
  'an error in place of an answer': { guard: () => ({ refusalErrors: true, missingOrigin: 'allow', unsafe: true }), ticket: 'x'.repeat(43), answer: 'HTTP/1.1 401' },
  'a later hook that refuses': { route: (app, guard) => { app.get('/x', { ...HOLD, preValidation: app.wsGuard(guard), preHandler: async (_request, reply) => await reply.code(403).send({}) }, app.wsHandshake(() => {})) }, answer: 'HTTP/1.1 403' },
  'a later hook that throws': { route: (app, guard) => { app.get('/x', { ...HOLD, preValidation: app.wsGuard(guard), preHandler: async () => { throw new Error('hook') } }, app.wsHandshake(() => {})) }, answer: 'HTTP/1.1 500' },
  'a later hook that hijacks and destroys': { route: (app, guard) => { app.get('/x', { ...HOLD, preValidation: app.wsGuard(guard), preHandler: (request, reply) => { reply.hijack(); request.raw.socket.destroy() } }, app.wsHandshake(() => {})) }, answer: '' },
  'a schema that does not fit': { route: (app, guard) => { app.get('/x', { ...HOLD, preValidation: app.wsGuard(guard), schema: { querystring: { type: 'object', required: ['room'] } } }, app.wsHandshake(() => {})) }, answer: 'HTTP/1.1 400' },
  'a second guard that refuses': { route: (app, guard) => { app.get('/x', { ...HOLD, preValidation: [app.wsGuard(guard), app.wsGuard({ authenticate: () => null })] }, app.wsHandshake(() => {})) }, answer: 'HTTP/1.1 401' },
  'a guard in a hook of the application that refuses': { route: (app, guard) => { app.get('/x', HOLD, app.wsHandshake(() => {})); app.addHook('preValidation', async (request, reply) => { if (request.url.startsWith('/x')) await (app.wsGuard({ ...guard, authenticate: () => null }) as (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>)(request, reply) }) }, answer: 'HTTP/1.1 401' },
  'a reset while the store is asked': (() => {
    const { authenticate, asked } = slow()
    return { guard: () => ({ authenticate }), end: async (socket: net.Socket) => { await asked(); socket.resetAndDestroy() } }
  })(),
  'a FIN while the store is asked, and its late answer': (() => {
    const { authenticate, asked, answer } = slow()
    return { guard: () => ({ authenticate }), end: async (socket: net.Socket) => { await asked(); socket.end(); answer() } }
  })(),
  'a reset, and a late answer': (() => {
    const { authenticate, asked, answer } = slow()
    return { guard: () => ({ authenticate }), end: async (socket: net.Socket, { closed }) => { await asked(); socket.resetAndDestroy(); await closed; answer() } }
  })(),
  'a handler that throws': { route: (app, guard) => { app.get('/x', { ...HOLD, preValidation: app.wsGuard(guard) }, () => { throw new Error('handler') }) } },
  'a handler that does not add to the hub, and stays open': { route: (app, guard) => { app.get('/x', { ...HOLD, preValidation: app.wsGuard(guard) }, () => {}) }, end: async (_socket, { text }) => await is101(text) },
  'a proxy of the application that rejects': { route: (app, guard) => { app.get('/x', { ...HOLD, preValidation: app.wsGuard(guard) }, async () => { throw new Error('upstream') }) } },
  'a first frame that is no auth': { end: async (socket, { text }) => { await is101(text); socket.write(frame('hello')) } },
  'a malformed frame': { end: async (socket, { text }) => { await is101(text); socket.write(frame('x', 0x83)) } },
  'a token that is no token': { end: async (socket, { text }) => { await is101(text); socket.write(auth('x')) } },
  'the token of another user': { end: async (socket, { text, jwt }) => { await is101(text); socket.write(auth(jwt('mallory'))) } },
  'a token that was revoked': { handshake: { isRevoked: () => true }, end: async (socket, { text, jwt }) => { await is101(text); socket.write(auth(jwt())) } },
  'a check that rejects': { handshake: { authorize: async () => { throw new Error('database') } }, end: async (socket, { text, jwt }) => { await is101(text); socket.write(auth(jwt())) } },
  'a user that cannot be described': { handshake: { describeUser: () => { throw new Error('user') } }, end: async (socket, { text, jwt }) => { await is101(text); socket.write(auth(jwt())) } },
  'a handler behind both doors that throws': { route: (app, guard) => { app.get('/x', { ...HOLD, preValidation: app.wsGuard(guard) }, app.wsHandshake(() => { throw new Error('handler') })) }, end: async (socket, { text, jwt }) => { await is101(text); socket.write(auth(jwt())) } },
  'frames before the check is over': { handshake: { maxEarlyFrames: 1, authorize: () => new Promise<boolean>(() => {}) }, end: async (socket, { text, jwt }) => { await is101(text); socket.write(Buffer.concat([auth(jwt()), frame('a'), frame('b')])) } },
  'a reset between the doors': { end: async (socket, { text }) => { await is101(text); socket.resetAndDestroy() } },
  'a FIN between the doors': { end: async (socket, { text }) => { await is101(text); socket.end() } },
  'a close frame between the doors': { end: async (socket, { text }) => { await is101(text); socket.write(frame(Buffer.from([3, 232]), 0x88)) } },
  'a reset while the token is checked': { handshake: { authorize: () => new Promise<boolean>(() => {}) }, end: async (socket, { text, jwt }) => { await is101(text); socket.write(auth(jwt())); await new Promise(resolve => setImmediate(resolve)); socket.resetAndDestroy() } },
  'a logout between the doors': { end: async (socket, { app, text, jwt }) => { await is101(text); await app.wsHub.disconnect('alice'); socket.write(auth(jwt())) } },
  'a login that ends again': { end: async (socket, { app, text, jwt }) => { await is101(text); socket.write(auth(jwt())); await until(() => app.wsHub.count() === 1); socket.resetAndDestroy(); await until(() => app.wsHub.count() === 0) } }
}

for (const [name, { guard, handshake = {}, route = two, end, ticket, answer }] of Object.entries(ENDINGS)) {
  t.test(`nothing is held after ${name}`, async t => {
    const { app, port, host, ...started } = await start(t, {
      hub: { maxConnections: 2, closeTimeout: 100 },
      handshake: { closeTimeout: 100, ...handshake },
      guard: { pendingTotal: 4 },
      routes: app => { DOORS(app); route(app, guard?.(app) ?? {}) }
    })
    const [hub, pending] = [hubPlacesOf(app) as Places, pendingPlacesOf(app.server)]
    // More often than there are places.
    for (let i = 0; i < 5; i++) {
      const socket = net.connect(port, '127.0.0.1')
      t.teardown(() => socket.destroy())
      socket.on('error', () => {})
      let text = ''
      socket.on('data', chunk => { text += chunk.toString('latin1') })
      const closed = new Promise(resolve => { socket.once('close', resolve) })
      socket.write(head({ target: `/x?ticket=${ticket ?? await started.ticket()}` }))
      await end?.(socket, { app, jwt: started.jwt, text: () => text, closed })
      if (answer !== undefined) {
        await closed
        t.ok(text.startsWith(answer) && (answer !== '' || text === ''), text.slice(0, 40))
      }
      await until(() => hub.taken === 0 && pending.taken === 0 && app.wsHub.count() === 0)
    }
    for (let i = 0; i < 2; i++) t.equal((await attempt(t, `ws://${host}/one?ticket=${await started.ticket()}`)).status, 101)
    await until(() => app.wsHub.count() === 2)
    t.equal((await attempt(t, `ws://${host}/one?ticket=${await started.ticket()}`)).status, 503)
  })
}

t.test('nothing is held after a deadline: of the upgrade, and of the first frame', async t => {
  const time = clock(t)
  const { app, host } = await start(t, {
    hub: { maxConnections: 1 },
    routes: app => {
      app.get('/slow', { ...HOLD, preValidation: app.wsGuard({ authenticate: () => new Promise<null>(() => {}) }) }, app.wsHandshake(() => {}))
      app.get('/two', { ...HOLD, preValidation: app.wsGuard({ authenticate: () => ({ subject: 'alice' }) }) }, app.wsHandshake(() => {}))
    }
  })
  const [hub, pending] = [hubPlacesOf(app) as Places, pendingPlacesOf(app.server)]
  const late = attempt(t, `ws://${host}/slow`)
  await until(() => hub.taken === 1 && pending.taken === 1)
  time.ahead += 11_000
  t.match(await late, { status: 503, code: 'WSA_GUARD_ERR_TIMEOUT' })
  await until(() => hub.taken === 0 && pending.taken === 0)
  const mute = await attempt(t, `ws://${host}/two`)
  t.equal(hub.taken, 1)
  time.ahead += 6_000
  t.equal(await mute.closed, 4408)
  await until(() => hub.taken === 0 && pending.taken === 0)
})

t.test('nothing is held after a shutdown', async t => {
  const { authenticate, asked } = slow()
  const { app, host } = await start(t, {
    hub: { maxConnections: 1 },
    routes: app => { app.get('/slow', { ...HOLD, preValidation: app.wsGuard({ authenticate }) }, app.wsHandshake(() => {})) }
  })
  const late = attempt(t, `ws://${host}/slow`)
  await asked()
  t.equal((hubPlacesOf(app) as Places).taken, 1)
  await app.close()
  t.match(await late, { status: 503, code: 'WSA_GUARD_ERR_CLOSING' })
  t.equal((hubPlacesOf(app) as Places).taken, 0)
  t.equal(pendingPlacesOf(app.server).taken, 0)
})
