import auth from '@fastify/auth'
import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import { FastifyOtelInstrumentation } from '@fastify/otel'
import { Authenticator } from '@fastify/passport'
import rateLimit from '@fastify/rate-limit'
import secureSession from '@fastify/secure-session'
import session from '@fastify/session'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import underPressure from '@fastify/under-pressure'
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node'
import type { FastifyInstance, FastifyRequest } from 'fastify'

/** A page of another origin, which the guard lets in. */
export const PAGE = 'https://page.test'

/** Everything that is on the server beside Airlock. */
export type Neighbours = ReadonlySet<string>

interface Neighbour {
  register (app: FastifyInstance, all: Neighbours): Promise<void>
  /** Headers that it adds to each answer of the routes: to those of tickets, and to those that refuse an upgrade. */
  headers?: { tickets?: string[], upgrades?: string[] }
  /** It signs users in, so that `@fastify/jwt` is not needed for tickets. */
  signsIn?: { login (request: FastifyRequest): Promise<void> | void, userOf (request: FastifyRequest): string | undefined }
}

/** Spans that have ended. */
export const spans = new InMemorySpanExporter()
const tracerProvider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] })

/** Makes the context manager that of the process, which a process has one of. */
export function startTracing (): void {
  tracerProvider.register()
}

interface WithSession extends FastifyRequest {
  session: FastifyRequest['session'] & { set (name: 'subject', value: string): void, get (name: 'subject'): string | undefined }
}

const inSession: Neighbour['signsIn'] = {
  login: request => { (request as WithSession).session.set('subject', 'alice') },
  userOf: request => (request as WithSession).session.get('subject')
}

/** The neighbours, in the documented order. */
export const NEIGHBOURS: Record<string, Neighbour> = {
  otel: {
    async register (app) {
      const otel = new FastifyOtelInstrumentation()
      otel.setTracerProvider(tracerProvider)
      await app.register(otel.plugin())
    }
  },
  'under-pressure': {
    async register (app) {
      await app.register(underPressure, { maxRssBytes: 1e15, exposeStatusRoute: true })
    }
  },
  'rate-limit': {
    async register (app) {
      await app.register(rateLimit, { max: 1_000 })
    },
    headers: { upgrades: ['x-ratelimit-limit', 'x-ratelimit-remaining'] }
  },
  cors: {
    async register (app) {
      await app.register(cors, { origin: [PAGE], credentials: true, exposedHeaders: ['retry-after'] })
    },
    headers: { tickets: ['access-control-allow-origin', 'access-control-expose-headers', 'vary'], upgrades: ['vary'] }
  },
  helmet: {
    async register (app) {
      await app.register(helmet)
    },
    headers: {
      tickets: ['content-security-policy', 'x-content-type-options', 'strict-transport-security'],
      upgrades: ['content-security-policy', 'x-content-type-options', 'strict-transport-security']
    }
  },
  session: {
    async register (app) {
      await app.register(session, { secret: 'a secret for tests that is long enough', saveUninitialized: false, cookie: { secure: false } })
    },
    signsIn: inSession
  },
  'secure-session': {
    async register (app, all) {
      // Both kinds of session may be on one server, under different names.
      const sessionName = all.has('session') ? 'sealed' : 'session'
      await app.register(secureSession, { sessionName, key: Buffer.alloc(32, 'key'), cookie: { path: '/' } })
    },
    signsIn: inSession
  },
  passport: {
    async register (app, all) {
      if (!all.has('session') && !all.has('secure-session')) await NEIGHBOURS.session?.register(app, all)
      const passport = new Authenticator()
      passport.registerUserSerializer<{ id: string }, string>(async ({ id }) => id)
      passport.registerUserDeserializer<string, { id: string }>(async id => ({ id }))
      await app.register(passport.initialize())
      await app.register(passport.secureSession())
    },
    signsIn: {
      login: request => request.logIn({ id: 'alice' }),
      userOf: request => request.isAuthenticated() ? (request.user as unknown as { id: string }).id : undefined
    }
  },
  auth: {
    async register (app) {
      await app.register(auth)
    }
  },
  swagger: {
    async register (app) {
      await app.register(swagger, { openapi: { info: { title: 'Neighbours', version: '1.0.0' } } })
    }
  },
  'swagger-ui': {
    async register (app, all) {
      if (!all.has('swagger')) await NEIGHBOURS.swagger?.register(app, all)
      await app.register(swaggerUi)
    }
  }
}

export const NAMES = Object.keys(NEIGHBOURS)

/** The neighbour that signs users in: the last one, since passport stands on a session. */
export function signsIn (all: Neighbours): Neighbour['signsIn'] {
  return NAMES.filter(name => all.has(name)).map(name => NEIGHBOURS[name]?.signsIn).findLast(kind => kind !== undefined)
}
