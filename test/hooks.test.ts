import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard, { jwt } from '@fastify-airlock/guard'
import wsHandshake, { type WsHandshakeOptions } from '@fastify-airlock/handshake'
import wsHub, { type WsHubOptions } from '@fastify-airlock/hub'
import wsIntrospect from '@fastify-airlock/introspect'
import wsPresence from '@fastify-airlock/presence'
import wsProxy from '@fastify-airlock/proxy'
import wsTickets, { type TicketRouteOptions } from '@fastify-airlock/ticket'
import Fastify, { type FastifyInstance } from 'fastify'
import { EventEmitter, on, once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { unreadable } from '../packages/core/test/unreadable.js'
import { clock } from './helpers.js'

/*
 * Every function of an application that decides about a client, in every plugin, with every answer that it may give by
 * mistake. One answer lets in; all others refuse, and none of them ends the process.
 */

/** A server with the hook in its place. `isIn` tries once as a client, and tells whether it was let in. */
interface Case {
  isIn: () => Promise<boolean>
}

interface Start {
  app: FastifyInstance
  hook: (...given: unknown[]) => never
  /** The deadline of the hook, in milliseconds; its default where it does not matter. */
  timeout: number | undefined
}

interface Row {
  /** The name in the log. */
  name: string
  /** The one answer that lets in, and the answers that are no mistake. */
  right: unknown
  legal: unknown[]
  /** The option that names the deadline; `null` for a hook that has to answer at once. */
  deadline: string | null
  /** Answers of the table that happen to be right here. */
  skip?: unknown[]
  start: (t: Test, start: Start) => Promise<Case>
}

/** A deadline that nobody reaches on any machine, unless the clock is put forward. */
const DEADLINE = 600_000

const secret = 'a secret for tests that is long enough'

async function listen (app: FastifyInstance): Promise<string> {
  await app.listen({ port: 0, host: '127.0.0.1' })
  return `127.0.0.1:${(app.server.address() as AddressInfo).port}`
}

const sign = (app: FastifyInstance): string => app.jwt.sign({ sub: 'alice' }, { expiresIn: 86_400 })

/** Tries an upgrade. */
async function opens (t: Test, url: string, headers: Record<string, string> = {}): Promise<boolean> {
  const { 'sec-websocket-protocol': protocols = '', ...rest } = headers
  const client = new WebSocket(`ws://${url}/ws`, protocols === '' ? [] : protocols.split(', '), { headers: rest })
  t.teardown(() => client.terminate())
  return await new Promise(resolve => {
    client.on('open', () => resolve(true)).on('error', () => resolve(false))
  }).finally(() => client.terminate()) as boolean
}

/** Opens, shows a token, and maybe does something else; tells whether the last answer is `expected`. */
async function talks (t: Test, url: string, expected: string, first: string, second?: string): Promise<boolean> {
  const client = new WebSocket(`ws://${url}/ws`)
  t.teardown(() => client.terminate())
  const messages = on(client, 'message', { close: ['close'] })
  await once(client, 'open')
  client.send(first)
  let { value, done } = await messages.next()
  if (second !== undefined && done !== true) {
    client.send(second)
    ;({ value, done } = await messages.next())
  }
  client.terminate()
  return done !== true && String(value[0]).includes(expected)
}

const auth = (token: string, type = 'auth'): string => JSON.stringify({ type, token })

async function guarded (t: Test, { app, timeout }: Start, options: (app: FastifyInstance) => Parameters<FastifyInstance['wsGuard']>[0], headers: (app: FastifyInstance) => Record<string, string> = () => ({})): Promise<Case> {
  await app.register(wsGuard, timeout === undefined ? {} : { upgradeTimeout: timeout })
  app.get('/ws', { websocket: true, preValidation: app.wsGuard(options(app)) }, () => {})
  const url = await listen(app)
  return { isIn: async () => await opens(t, url, headers(app)) }
}

const bearer = (app: FastifyInstance) => ({ authorization: `Bearer ${sign(app)}` })

async function handshaken (t: Test, { app, timeout }: Start, options: WsHandshakeOptions, at: 'auth' | 'refresh' | 'message'): Promise<Case> {
  await app.register(wsHandshake, timeout === undefined ? {} : { authTimeout: timeout })
  app.get('/ws', { websocket: true }, app.wsHandshake(socket => {
    socket.on('message', () => socket.send('heard'))
  }, options))
  const url = await listen(app)
  const token = sign(app)
  return {
    isIn: async () => at === 'auth'
      ? await talks(t, url, 'auth_ok', auth(token))
      : await talks(t, url, at === 'refresh' ? 'refresh_ok' : 'heard', auth(token), at === 'refresh' ? auth(token, 'refresh') : 'hello')
  }
}

/** Lets the first call pass, with `first`; the hook answers every other one. */
const later = <T>(first: T, hook: (...given: unknown[]) => T) => {
  let calls = 0
  return (...given: unknown[]): T => calls++ % 2 === 0 ? first : hook(...given)
}

async function ticketed (t: Test, { app, timeout }: Start, route: TicketRouteOptions): Promise<Case> {
  await app.register(wsTickets, { route: { rateLimit: false, ...(timeout !== undefined && { hookTimeout: timeout }), ...route } })
  await listen(app)
  return {
    isIn: async () => {
      const { statusCode } = await app.inject({ method: 'POST', url: '/ws/ticket', headers: bearer(app) })
      return statusCode === 201
    }
  }
}

async function hubbed (t: Test, { app }: Start, options: WsHubOptions, isIn: (socket: WebSocket, client: WebSocket) => Promise<boolean>, more = async (): Promise<void> => {}): Promise<Case> {
  await app.register(wsHub, options)
  await more()
  const sockets = new EventEmitter()
  const arrived = on(sockets, 'arrived')
  app.get('/ws', { websocket: true }, socket => {
    app.wsHub.add(socket, { subject: 'alice' })
    sockets.emit('arrived', socket)
  })
  const url = await listen(app)
  return {
    isIn: async () => {
      const client = new WebSocket(`ws://${url}/ws`)
      t.teardown(() => client.terminate())
      const { value: [socket] } = await arrived.next()
      if (client.readyState !== WebSocket.OPEN) await once(client, 'open')
      return await isIn(socket, client).finally(() => client.terminate())
    }
  }
}

const rows: Record<string, Row> = {
  'guard: a function': {
    name: 'authenticate',
    right: { subject: 'alice' },
    legal: [null],
    deadline: 'upgradeTimeout',
    start: (t, start) => guarded(t, start, () => ({ authenticate: start.hook }))
  },
  'guard: a check': {
    name: 'authenticate',
    right: { subject: 'alice' },
    legal: [null],
    deadline: 'upgradeTimeout',
    start: (t, start) => guarded(t, start, () => ({ authenticate: { carriers: { header: true }, authenticate: start.hook } }), bearer)
  },
  'guard: another plugin\'s wsTickets': {
    name: 'authenticate',
    right: { subject: 'alice', claims: {} },
    legal: [null],
    deadline: 'upgradeTimeout',
    start: (t, start) => {
      start.app.decorate('wsTickets', { redeem: start.hook } as never)
      return guarded(t, start, () => ({}), () => ({ 'sec-websocket-protocol': `airlock.v1, ticket.${'A'.repeat(43)}` }))
    }
  },
  'guard: allowedOrigins': {
    name: 'allowedOrigins',
    right: true,
    legal: [false],
    deadline: 'upgradeTimeout',
    start: (t, start) => guarded(
      t, start, () => ({ allowedOrigins: [start.hook], authenticate: () => ({ subject: 'alice' }) }), () => ({ origin: 'https://app.example.com' })
    )
  },
  'guard: isRevoked of jwt()': {
    name: 'isRevoked',
    right: false,
    legal: [true],
    deadline: 'upgradeTimeout',
    start: (t, start) => guarded(t, start, () => ({ authenticate: jwt({ isRevoked: start.hook }) }), bearer)
  },
  'guard: jwt.verify': {
    name: 'jwt.verify',
    right: { sub: 'alice', exp: 4e9 },
    legal: [],
    deadline: 'upgradeTimeout',
    skip: ['an object'],
    start: (t, start) => guarded(t, start, () => ({ authenticate: jwt({ verify: start.hook }) }), bearer)
  },
  'handshake: isRevoked': {
    name: 'isRevoked',
    right: false,
    legal: [true],
    deadline: 'authTimeout',
    start: (t, start) => handshaken(t, start, { isRevoked: start.hook }, 'auth')
  },
  'handshake: authorize': {
    name: 'authorize',
    right: true,
    legal: [false],
    deadline: 'authTimeout',
    start: (t, start) => handshaken(t, start, { authorize: start.hook }, 'auth')
  },
  'handshake: jwt.verify': {
    name: 'jwt.verify',
    right: { sub: 'alice', exp: 4e9 },
    legal: [],
    deadline: 'authTimeout',
    skip: ['an object'],
    start: (t, start) => handshaken(t, start, { jwt: { verify: start.hook } }, 'auth')
  },
  'handshake: isRevoked at a refresh': {
    name: 'isRevoked',
    right: false,
    legal: [true],
    deadline: 'authTimeout',
    start: (t, start) => handshaken(t, start, { isRevoked: later(false, start.hook) }, 'refresh')
  },
  'handshake: authorize at a refresh': {
    name: 'authorize',
    right: true,
    legal: [false],
    deadline: 'authTimeout',
    start: (t, start) => handshaken(t, start, { authorize: later(true, start.hook) }, 'refresh')
  },
  'handshake: jwt.verify at a refresh': {
    name: 'jwt.verify',
    right: { sub: 'alice', exp: 4e9 },
    legal: [],
    deadline: 'authTimeout',
    skip: ['an object'],
    start: (t, start) => handshaken(t, start, { jwt: { verify: later({ sub: 'alice', exp: 4e9 }, start.hook) } }, 'refresh')
  },
  'handshake: authorizeMessage': {
    name: 'authorizeMessage',
    right: true,
    legal: [false],
    deadline: null,
    start: (t, start) => handshaken(t, start, { authorizeMessage: start.hook }, 'message')
  },
  'hub: authorizeTopic': {
    name: 'authorizeTopic',
    right: true,
    legal: [false],
    deadline: 'authorizeTimeout',
    start: (t, start) => hubbed(
      t, start, { authorizeTopic: start.hook, ...(start.timeout !== undefined && { authorizeTimeout: start.timeout }) },
      async socket => await start.app.wsHub.requestJoin(socket, 'news')
    )
  },
  'presence: authorizePresence': {
    name: 'authorizePresence',
    right: true,
    legal: [false],
    deadline: 'authorizeTimeout',
    start: (t, start) => hubbed(t, start, {}, async (socket, client) => {
      start.app.wsPresence.accept(socket)
      const answer = once(client, 'message')
      client.send(JSON.stringify({ type: 'presence:watch', topics: ['news'] }))
      return JSON.parse(String((await answer)[0])).type === 'presence:list'
    }, async () => {
      await start.app.register(wsPresence, { authorizePresence: start.hook, ...(start.timeout !== undefined && { authorizeTimeout: start.timeout }) })
    })
  },
  'hub: filter': {
    name: 'filter',
    right: true,
    legal: [false],
    deadline: null,
    start: (t, start) => hubbed(t, start, {}, async () => {
      try {
        return start.app.wsHub.broadcast('hello', { filter: start.hook }) === 1
      } catch {
        return false
      }
    })
  },
  'hub: filter, while a topic is asked again': {
    name: 'filter',
    right: true,
    legal: [false],
    deadline: null,
    start: (t, start) => {
      let answer: (yes: boolean) => void
      const authorizeTopic = later<boolean | Promise<boolean>>(true, () => new Promise(resolve => { answer = resolve }))
      return hubbed(t, start, { authorizeTopic }, async (socket, client) => {
        const { wsHub } = start.app
        const heard = once(client, 'message')
        await wsHub.requestJoin(socket, 'news')
        const asked = wsHub.reauthorize({ topic: 'news' })
        try {
          wsHub.publish('news', 'hello', { filter: start.hook })
        } catch {}
        answer(true)
        await asked
        wsHub.publish('news', 'the end')
        return String((await heard)[0]) === 'hello'
      })
    }
  },
  'introspect: lookup': {
    name: 'lookup',
    right: { subject: 'alice' },
    legal: [null],
    deadline: 'timeout',
    start: async (t, { app, hook, timeout }) => {
      await app.register(wsIntrospect, { lookup: hook, cacheTtl: 0, negativeCacheTtl: 0, ...(timeout !== undefined && { timeout }) })
      app.get('/', { preHandler: app.wsIntrospect.authenticate }, async () => 'in')
      // Deadlines keep no process alive; a server that listens does.
      await listen(app)
      return { isIn: async () => (await app.inject({ url: '/', headers: { authorization: 'Bearer some-token' } })).statusCode === 200 }
    }
  },
  'proxy: headers': {
    name: 'headers',
    right: { 'x-api-key': 'key' },
    legal: [],
    deadline: 'dialTimeout',
    skip: ['an object'],
    start: async (t, { app, hook, timeout }) => {
      const far = new WebSocketServer({ port: 0, host: '127.0.0.1' })
      t.teardown(() => {
        for (const client of far.clients) client.terminate()
        far.close()
      })
      await once(far, 'listening')
      await app.register(wsProxy)
      const proxy = app.wsProxy({
        upstream: `ws://127.0.0.1:${(far.address() as AddressInfo).port}`, headers: hook, ...(timeout !== undefined && { dialTimeout: timeout })
      })
      app.get('/ws', { websocket: true, preValidation: proxy.dial }, proxy)
      const url = await listen(app)
      return { isIn: async () => await opens(t, url) }
    }
  },
  'ticket: route.jwt.trusted': {
    name: 'route.jwt.trusted',
    right: true,
    legal: [false],
    deadline: 'route.hookTimeout',
    start: (t, start) => ticketed(t, start, { jwt: { trusted: start.hook } })
  },
  'ticket: route.subject': {
    name: 'route.subject',
    right: 'alice',
    legal: [],
    deadline: null,
    skip: ['\'false\''],
    start: (t, start) => ticketed(t, start, { subject: start.hook })
  }
}

/** A thenable that is no promise. */
const thenable = (value: unknown) => ({ then: (resolve: (value: unknown) => void) => { resolve(value) } })

/** A thenable that rejects. */
const refusing = (thrown: unknown) => ({ then: (_resolve: unknown, reject: (thrown: unknown) => void): void => { reject(thrown) } })

const mistakes: Record<string, () => unknown> = {
  undefined: () => undefined,
  null: () => null,
  0: () => 0,
  '\'\'': () => '',
  'an object': () => ({}),
  'an array': () => [],
  1: () => 1,
  '\'false\'': () => 'false',
  'a function': () => () => true,
  'a promise of undefined': async () => undefined,
  'a thenable of undefined': () => thenable(undefined),
  ...Object.fromEntries([new Error('broken'), undefined, null, false, true, 0, NaN, '', 'text', 1n, Symbol('symbol'), {}, []].flatMap(thrown => {
    const what = typeof thrown === 'object' && thrown !== null ? JSON.stringify(thrown) : String(thrown)
    return [
      [`a throw of ${what}`, () => { throw thrown }],
      [`a rejection with ${what}`, async () => { throw thrown }],
      [`a thenable that rejects with ${what}`, () => refusing(thrown)]
    ] as Array<[string, () => unknown]>
  })),
  // Of all in this table, one of each kind: `test/unreadable.test.ts` has them all.
  ...Object.fromEntries([
    'a getter for message that throws', 'a getter for code that throws, and is seen', 'a getter for statusCode that throws', 'a frozen error', 'a cause that cannot be read', 'a proxy that gives nothing', 'a proxy that was revoked'
  ].flatMap(name => [
    [`a throw of ${name}`, () => { throw unreadable[name]?.() }],
    [`a rejection with ${name}`, async () => { throw unreadable[name]?.() }]
  ] as Array<[string, () => unknown]>))
}

for (const [title, row] of Object.entries(rows)) {
  t.test(title, async t => {
    const { name, right, legal, deadline, skip = [], start } = row
    const lines: Array<{ level: number, hook?: string, msg: string }> = []
    const prepare = async (hook: () => unknown, timeout?: number): Promise<Case> => {
      const app = Fastify({ logger: { level: 'info', stream: { write: (line: string) => { lines.push(JSON.parse(line)) } } } })
      t.teardown(() => app.close())
      await app.register(websocket, websocketOptions())
      await app.register(fastifyJwt, { secret })
      return await start(t, { app, hook: hook as Start['hook'], timeout })
    }
    const misuses = () => lines.filter(({ level, hook }) => level === 40 && hook !== undefined)

    let answer: () => unknown = () => right
    const { isIn } = await prepare(() => answer())
    t.equal(await isIn(), true, 'the right answer')
    if (deadline !== null) {
      for (const later of [async () => right, () => thenable(right)]) {
        answer = later
        t.equal(await isIn(), true, 'the right answer, later')
      }
    } else {
      answer = async () => right
      t.equal(await isIn(), false, 'a promise comes too late')
    }
    for (const no of legal) {
      answer = () => no
      t.equal(await isIn(), false, `${String(no)} refuses`)
    }
    t.equal(misuses().length, deadline === null && name !== 'route.subject' ? 1 : 0, 'which is no mistake')
    for (const [mistake, give] of Object.entries(mistakes)) {
      if (skip.includes(mistake)) continue
      answer = give
      t.equal(await isIn(), false, `${mistake} refuses`)
      t.equal(await isIn(), false, `${mistake} refuses again`)
    }
    answer = () => right
    t.equal(await isIn(), true, 'and the server lives')

    const logged = misuses().map(({ msg }) => msg)
    t.strictSame(logged, [...new Set(logged)], 'each mistake is logged once')
    if (name !== 'route.subject') {
      t.ok(logged.some(line => line.includes(`${name} returned undefined`) && /return /.test(line)), 'with its cure')
    }

    if (deadline === null) return
    const set = clock(t)
    const never = await prepare(() => {
      // Its deadline begins when it has returned.
      setImmediate(() => { set.ahead += DEADLINE })
      return new Promise(() => {})
    }, DEADLINE)
    t.equal(await never.isIn(), false, `a promise that never settles refuses after ${deadline}`)
    if (name !== 'lookup') t.ok(misuses().some(({ msg }) => msg.includes(`within ${deadline}`)), 'which is logged')
  })
}
