import fastifyJwt from '@fastify/jwt'
import { type GuardOptions, jwt, default as wsGuard } from '@fastify-airlock/guard'
import wsHandshake, { type WsHandshakeOptions } from '@fastify-airlock/handshake'
import wsIntrospect from '@fastify-airlock/introspect'
import wsTickets, { MemoryStore, type WsTicketsOptions } from '@fastify-airlock/ticket'
import type { FastifyInstance } from 'fastify'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { connect } from './helpers.js'

const secret = 'a secret for tests that is long enough'

/** What a place calls in place of its database. */
export type Ask = (...given: unknown[]) => never

/** What a client sees: an HTTP status, or a close code. */
export type Outcome = () => Promise<string>

/** Where a credential is verified or looked up. */
export interface Place {
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
export const LIMIT = 600_000

const claims = { sub: 'alice', exp: 4e9 }

/** `@fastify/jwt` as it looks keys up. */
const byKey = async (app: FastifyInstance, ask: Ask): Promise<void> => { await app.register(fastifyJwt, { secret: async () => ask() }) }
const bySecret = async (app: FastifyInstance): Promise<void> => { await app.register(fastifyJwt, { secret }) }

/** All of them. */
export const places: Record<string, Place> = {
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
