import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { limitServer, logSerializers, serverOptions, type ServerOptionsInput } from '@fastify-airlock/guard'
import { stdSerializers } from 'pino'
import type { DemoConfig, DemoOptions } from './config.js'
import { auth } from './plugins/auth.js'
import { bus } from './plugins/bus.js'
import { errorHandler } from './plugins/error-handler.js'
import { externalTokens } from './plugins/external-tokens.js'
import { json } from './plugins/json.js'
import { metricsRoute } from './plugins/metrics-route.js'
import { nodeNames } from './plugins/node-names.js'
import { origin } from './plugins/origin.js'
import { proxy } from './plugins/proxy.js'
import { rateLimit } from './plugins/rate-limit.js'
import { refusalsRoute } from './plugins/refusals-route.js'
import { sessionList } from './plugins/sessions.js'
import { tickets } from './plugins/tickets.js'
import { web, type WebOptions } from './plugins/web.js'
import { websocket } from './plugins/websocket.js'
import { admin } from './routes/admin.js'
import { api } from './routes/api.js'
import { broadcast } from './routes/broadcast.js'
import { external } from './routes/external.js'
import { health } from './routes/health.js'
import { kiosk } from './routes/kiosk.js'
import { nodes } from './routes/nodes.js'
import { session } from './routes/session.js'
import { sessions } from './routes/sessions.js'
import { sockets } from './routes/sockets.js'
import { upstream } from './routes/upstream.js'

export { loadConfig, type DemoConfig } from './config.js'

/** What only tests change. */
export interface BuildOptions {
  /**
   * Where log lines go.
   * @default standard output
   */
  logStream?: { write (line: string): void } | undefined
  /**
   * Folder of the built page.
   * @default the demo's own
   */
  page?: WebOptions['folder']
  /**
   * Time limits of the HTTP server.
   * @default those of serverOptions()
   */
  limits?: Omit<ServerOptionsInput, 'http' | 'https'>
}

/** How long requests in progress may take at shutdown, in milliseconds; slower ones are cut off. */
const ANSWER_MS = 3_000

/** Connections for requests, besides those that are, or are about to be, WebSockets. */
const FOR_REQUESTS = 5_000

/**
 * Builds the whole demo, ready for `listen` or `inject`.
 *
 * @param config as `loadConfig` reads it; without an authority or an upstream, their routes do not exist
 */
export async function buildApp (config: DemoConfig, { logStream, page, limits }: BuildOptions = {}): Promise<FastifyInstance> {
  const app = Fastify({
    // requestTimeout, headersTimeout, connectionTimeout, keepAliveTimeout and handshakeTimeout.
    ...(config.tls === undefined ? serverOptions({ ...limits }) : serverOptions({ ...limits, https: config.tls })),
    trustProxy: config.trustProxy,
    // The same limit as for a WebSocket message.
    bodyLimit: 64 * 1024,
    logger: {
      level: config.logLevel,
      serializers: { ...logSerializers(), err: serializeError },
      ...(logStream !== undefined && { stream: logStream })
    }
  } as FastifyServerOptions)
  // Above what guard and hub take: a node that is full has to be able to say so.
  limitServer(app, { maxConnections: config.maxConnections + config.maxPending + FOR_REQUESTS, shutdownTimeout: ANSWER_MS })
  const options: DemoOptions = { config }

  await app.register(bus, options)
  // Before every plugin that has routes, and awaited: the WebSocket plugin and the guard see only later routes.
  await app.register(websocket, options)

  app.register(errorHandler)
  app.register(json)
  app.register(metricsRoute, options)
  app.register(refusalsRoute)
  app.register(rateLimit)
  app.register(auth, options)
  app.register(tickets, options)
  app.register(sessionList, options)
  app.register(nodeNames, options)
  app.register(web, { folder: page })
  app.register(origin, options)

  app.register(session, options)
  app.register(sessions)
  app.register(sockets, options)
  app.register(broadcast)
  app.register(kiosk)
  app.register(admin)
  app.register(health)
  app.register(nodes)
  if (config.authority !== undefined) {
    app.register(externalTokens, options)
    app.register(external, options)
  }
  if (config.upstream !== undefined) {
    app.register(proxy)
    app.register(upstream, options)
    app.register(api, { ...options, prefix: '/api' })
  }
  return app
}

/** Serializes an error as Fastify does, without the command that ioredis attaches: its arguments may be the password. */
function serializeError (error: Error): object {
  const { command, ...serialized } = stdSerializers.err(error)
  return serialized
}
