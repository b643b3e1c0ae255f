import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard, { type GuardOptions, jwt } from '@fastify-airlock/guard'
import wsHandshake, { type WsHandshakeOptions } from '@fastify-airlock/handshake'
import wsIntrospect from '@fastify-airlock/introspect'
import wsTickets, { MemoryStore, type WsTicketsOptions } from '@fastify-airlock/ticket'
import Fastify, { type FastifyInstance } from 'fastify'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { connect } from './helpers.js'
import { clock } from './time.js'

/*
 * Every place where a credential is verified or looked up, and every way in which a key server or a database is away. Nobody
 * is told that a token is not valid: a client would send its user to sign in.
 */

const secret = 'a secret for tests that is long enough'

/** What a place calls in place of its database. */
type Ask = (...given: unknown[]) => never

/** What a client sees: an HTTP status, or a close code. */
type Outcome = () => Promise<string>

interface Place {
  /** Whether the application decides here itself, so that a status below 500 which it throws is its word. */
  decides: boolean
  start: (t: Test, app: FastifyInstance, ask: Ask) => Promise<Outcome>
}

async function listen (app: FastifyInstance): Promise<string> {
  await app.listen({ port: 0, host: '127.0.0.1' })
  return `127.0.0.1:${(app.server.address() as AddressInfo).port}`
}

// By nobody's key but the test's: where the secret is a function, `app.jwt.sign` would ask it.
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const { createHmac } = await import('node:crypto')
const body = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: 'alice', iat: Math.floor(Date.now() / 1_000), exp: 4e9 })}`
const token = `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`
const bearer = { authorization: `Bearer ${token}` }

async function guarded (t: Test, app: FastifyInstance, options: GuardOptions, protocols = ['airlock.v1'], origin?: string): Promise<Outcome> {
  await app.register(wsGuard, { upgradeTimeout: LIMIT })
  app.get('/ws', { websocket: true, preValidation: app.wsGuard(options) }, () => {})
  const url = await listen(app)
  return async () => await connect(t, `ws://${url}/ws`, protocols, { headers: bearer, ...origin !== undefined && { origin } }).then(
    ({ socket }) => { socket.terminate(); return '101' }, (error: Error) => error.message.split(' ')[1] as string)
}

async function handshaken (t: Test, app: FastifyInstance, options: WsHandshakeOptions, at: 'auth' | 'refresh' = 'auth'): Promise<Outcome> {
  await app.register(wsHandshake, { authTimeout: LIMIT })
  app.get('/ws', { websocket: true }, app.wsHandshake(() => {}, options))
  const url = await listen(app)
  return async () => {
    const client = await connect(t, `ws://${url}/ws`)
    client.send({ type: 'auth', token })
    if (at === 'refresh') {
      if ((await client.next()).type !== 'auth_ok') throw new Error('the first frame was refused')
      client.send({ type: 'refresh', token })
    }
    const { type } = await client.next()
    if (type !== 'auth_error') {
      client.socket.terminate()
      return type as string
    }
    return (await client.closed).split(' ')[0] as string
  }
}

async function ticketed (app: FastifyInstance, { route = {}, ...options }: WsTicketsOptions): Promise<Outcome> {
  await app.register(wsTickets, { ...options, route: { rateLimit: false, hookTimeout: LIMIT, ...route } })
  await listen(app)
  return async () => String((await app.inject({ method: 'POST', url: '/ws/ticket', headers: bearer })).statusCode)
}

/** The first call of two is answered. */
const second = <T>(first: T, ask: Ask) => {
  let calls = 0
  return (): T => calls++ % 2 === 0 ? first : ask()
}

/** A deadline that nobody reaches on any machine, unless the clock is put forward. */
const LIMIT = 600_000

const claims = { sub: 'alice', exp: 4e9 }

/** `@fastify/jwt` as it looks keys up. */
const byKey = async (app: FastifyInstance, ask: Ask): Promise<void> => { await app.register(fastifyJwt, { secret: async () => ask() }) }
const bySecret = async (app: FastifyInstance): Promise<void> => { await app.register(fastifyJwt, { secret }) }

const places: Record<string, Place> = {
  'guard: authenticate': { decides: true, start: (t, app, ask) => guarded(t, app, { authenticate: ask }) },
  'guard: a check': { decides: true, start: (t, app, ask) => guarded(t, app, { authenticate: { carriers: { header: true }, authenticate: ask } }) },
  'guard: the second of two': { decides: true, start: (t, app, ask) => guarded(t, app, { authenticate: [{ carriers: { header: true }, authenticate: () => null }, ask] }) },
  'guard: tickets of another plugin': {
    decides: true,
    start: (t, app, ask) => {
      app.decorate('wsTickets', { redeem: ask } as never)
      return guarded(t, app, {}, ['airlock.v1', `ticket.${'A'.repeat(43)}`])
    }
  },
  'guard: the ticket store': {
    decides: false,
    start: async (t, app, ask) => {
      await app.register(wsTickets, { store: Object.assign(new MemoryStore(), { take: ask, has: undefined }), route: false, storeTimeout: LIMIT })
      return await guarded(t, app, {}, ['airlock.v1', `ticket.${'A'.repeat(43)}`])
    }
  },
  'guard: allowedOrigins': { decides: true, start: (t, app, ask) => guarded(t, app, { allowedOrigins: ask, authenticate: () => ({ subject: 'alice' }) }, ['airlock.v1'], 'https://elsewhere.test') },
  'guard: the key of @fastify/jwt': {
    decides: false,
    start: async (t, app, ask) => {
      await byKey(app, ask)
      return await guarded(t, app, { authenticate: jwt() })
    }
  },
  'guard: jwt.verify': { decides: false, start: (t, app, ask) => guarded(t, app, { authenticate: jwt({ verify: ask }) }) },
  'guard: jwt.isRevoked': {
    decides: false,
    start: async (t, app, ask) => {
      await bySecret(app)
      return await guarded(t, app, { authenticate: jwt({ isRevoked: ask }) })
    }
  },
  'guard: lookup of introspect': {
    decides: false,
    start: async (t, app, ask) => {
      await app.register(wsIntrospect, { lookup: async () => ask(), cacheTtl: 0, timeout: LIMIT })
      return await guarded(t, app, { authenticate: app.wsIntrospect.authenticator() })
    }
  },
  'introspect: lookup': {
    decides: false,
    start: async (_t, app, ask) => {
      await app.register(wsIntrospect, { lookup: async () => ask(), cacheTtl: 0, timeout: LIMIT })
      app.get('/', { preHandler: app.wsIntrospect.authenticate }, async () => 'in')
      await listen(app)
      return async () => String((await app.inject({ url: '/', headers: bearer })).statusCode)
    }
  },
  ...Object.fromEntries((['auth', 'refresh'] as const).flatMap((at): Array<[string, Place]> => {
    const at2 = <T>(first: T, ask: Ask) => at === 'auth' ? ask : second(first, ask)
    return [
      [`handshake: jwt.verify, ${at}`, { decides: false, start: (t, app, ask) => handshaken(t, app, { jwt: { verify: at2(claims, ask) } }, at) }],
      [`handshake: the key of @fastify/jwt, ${at}`, {
        decides: false,
        start: async (t, app, ask) => {
          await byKey(app, at2(secret, ask) as Ask)
          return await handshaken(t, app, {}, at)
        }
      }],
      [`handshake: isRevoked, ${at}`, {
        decides: false,
        start: async (t, app, ask) => {
          await bySecret(app)
          return await handshaken(t, app, { isRevoked: at2(false, ask) }, at)
        }
      }],
      [`handshake: authorize, ${at}`, {
        decides: false,
        start: async (t, app, ask) => {
          await bySecret(app)
          return await handshaken(t, app, { authorize: at2(true, ask) }, at)
        }
      }]
    ]
  })),
  'ticket: the key of @fastify/jwt': {
    decides: false,
    start: async (_t, app, ask) => {
      await byKey(app, ask)
      return await ticketed(app, {})
    }
  },
  ...Object.fromEntries((['onRequest', 'preValidation', 'preHandler'] as const).map((hook): [string, Place] => [`ticket: authenticate in ${hook}`, {
    decides: true, start: (_t, app, ask) => ticketed(app, { route: { hook, authenticate: async () => ask(), subject: () => 'alice' } })
  }])),
  'ticket: jwt.trusted': {
    decides: true,
    start: async (_t, app, ask) => {
      await bySecret(app)
      return await ticketed(app, { route: { jwt: { trusted: ask } } })
    }
  },
  'ticket: claims': {
    decides: true,
    start: async (_t, app, ask) => {
      await bySecret(app)
      return await ticketed(app, { route: { claims: ask } })
    }
  },
  'ticket: the store': {
    decides: false,
    start: async (_t, app, ask) => {
      await bySecret(app)
      return await ticketed(app, { store: Object.assign(new MemoryStore(), { put: ask }), storeTimeout: LIMIT })
    }
  }
}

const error = (members: object, message = 'away'): Error => Object.assign(new Error(message), members)

/** What drivers and clients throw. None has a status that would be an answer to our client. */
const outages: Record<string, unknown> = {
  'a refused connection': error({ code: 'ECONNREFUSED', syscall: 'connect' }),
  'a name that is not found': error({ code: 'ENOTFOUND' }),
  fetch: Object.assign(new TypeError('fetch failed'), { cause: error({ code: 'UND_ERR_CONNECT_TIMEOUT' }) }),
  'an AbortSignal': AbortSignal.abort().reason,
  'a time limit': new DOMException('The operation was aborted due to timeout', 'TimeoutError'),
  'all addresses': new AggregateError([error({ code: 'ECONNREFUSED' }), error({ code: 'EHOSTUNREACH' })]),
  MongoDB: error({ name: 'MongoServerSelectionError' }),
  PostgreSQL: error({ code: '57P01' }),
  'pg, a lost connection': new Error('Connection terminated unexpectedly'),
  ioredis: error({ name: 'MaxRetriesPerRequestError' }),
  'redis, closed': error({ name: 'ClientClosedError' }),
  Prisma: error({ name: 'PrismaClientInitializationError' }),
  'jose, JWKS': error({ code: 'ERR_JWKS_TIMEOUT' }),
  'jose, no JWKS': error({ code: 'ERR_JOSE_GENERIC', message: 'Expected 200 OK from the JSON Web Key Set HTTP response' }),
  'get-jwks': error({ code: 'JWKS_REQUEST_FAILED' }),
  'a breaker': error({ code: 'EOPENBREAKER' }),
  axios: error({ name: 'AxiosError', code: 'ERR_BAD_RESPONSE', response: { status: 503 } }),
  'a certificate': error({ code: 'CERT_HAS_EXPIRED' }),
  wrapped: new Error('cannot look the key up', { cause: error({ name: 'MongoNetworkError' }) }),
  'wrapped into a refusal': error({ statusCode: 401, cause: error({ code: 'ECONNRESET' }) })
}

/** Errors with a status of their own: what the application's own decision leads to, and what a look-up does. */
const statuses: Array<[unknown, string, string]> = [
  [500, '500', '5xx'], [502, '502', '5xx'], [503, '503', '5xx'], [599, '599', '5xx'],
  [429, '429', '5xx'], [408, '408', '5xx']
]

const ways: Record<string, (thrown: unknown) => unknown> = {
  throws: thrown => { throw thrown },
  rejects: async thrown => { throw thrown }
}

for (const [title, { decides, start }] of Object.entries(places)) {
  t.test(title, async t => {
    const lines: Array<{ level: number, msg: string, err?: object, reason?: string }> = []
    const prepare = async (ask: () => unknown): Promise<Outcome> => {
      const app = Fastify({ logger: { level: 'info', stream: { write: (line: string) => { lines.push(JSON.parse(line)) } } } })
      t.teardown(() => app.close())
      await app.register(websocket, websocketOptions())
      return await start(t, app, ask as Ask)
    }
    let answer: () => unknown = () => {}
    const outcome = await prepare(() => answer())
    const isDoorTwo = title.startsWith('handshake')
    for (const [way, fail] of Object.entries(ways)) {
      for (const [name, thrown] of Object.entries(outages)) {
        lines.length = 0
        answer = () => fail(thrown)
        t.equal(await outcome(), isDoorTwo ? '4500' : '503', `${name}, ${way}`)
        t.ok(lines.some(({ level }) => level >= 40), 'which is logged')
      }
      for (const statusCode of ['503', NaN, 0, 200, 302, 600, -1, null]) {
        answer = () => fail(error({ statusCode }))
        t.match(await outcome(), isDoorTwo ? '4500' : /^50[03]$/, `status ${String(statusCode)}, ${way}`)
      }
      for (const [statusCode, own, lookup] of statuses) {
        answer = () => fail(error({ statusCode }))
        const seen = await outcome()
        if (isDoorTwo) t.equal(seen, '4500', `status ${String(statusCode)}, ${way}`)
        else if (decides) t.equal(seen, own, `status ${String(statusCode)}, ${way}`)
        else t.match(seen, /^5/, `${lookup}: status ${String(statusCode)}, ${way}`)
      }
    }

    const set = clock(t)
    const never = await prepare(() => {
      // Its deadline begins when it has returned.
      setImmediate(() => { set.ahead += LIMIT })
      return new Promise(() => {})
    })
    t.equal(await never(), isDoorTwo ? '4408' : '503', 'no answer in time')
  })
}
