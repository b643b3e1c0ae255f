import type { FastifyInstance } from 'fastify'
import { isDeepStrictEqual } from 'node:util'
import { serverOptionsOf } from './internals.js'

/** What Fastify's own `register` reads from the options of a plugin, and passes on to the plugin as well. */
export interface FastifyOwnOptions {
  prefix?: unknown
  logLevel?: unknown
  logSerializers?: unknown
}

/** The options of a server. None of our plugins has one of these names. */
const OF_SERVERS = [
  'ignoreTrailingSlash', 'ignoreDuplicateSlashes', 'connectionTimeout', 'keepAliveTimeout', 'maxRequestsPerSocket', 'forceCloseConnections',
  'requestTimeout', 'handlerTimeout', 'pluginTimeout', 'bodyLimit', 'maxParamLength', 'disableRequestLogging', 'logController', 'exposeHeadRoutes',
  'onProtoPoisoning', 'onConstructorPoisoning', 'logger', 'loggerInstance', 'serializerOpts', 'serverFactory', 'caseSensitive', 'allowUnsafeRegex',
  'requestIdHeader', 'requestIdLogLabel', 'useSemicolonDelimiter', 'genReqId', 'trustProxy', 'querystringParser', 'constraints', 'schemaController',
  'return503OnClosing', 'ajv', 'frameworkErrors', 'rewriteUrl', 'schemaErrorFormatter', 'clientErrorHandler', 'childLoggerFactory',
  'allowErrorHandlerOverride', 'routerOptions', 'http', 'https', 'http2', 'http2SessionTimeout'
]

/**
 * Takes out what belongs to Fastify and not to the plugin: `prefix`, `logLevel` and `logSerializers` of `register`, which
 * Fastify passes on with the plugin's options, and which `@fastify/autoload` and `fastify-cli` set unasked. And the options
 * that the server has been made with: with `fastify-cli --options`, they are those of the application's plugin as well, and its
 * template passes them on to every plugin.
 *
 * @param options as a plugin gets them; they stay as they are
 * @param fastify the instance, where options of its server are left out too; one that the server was not made with stays, and
 *   is a mistake
 */
export function withoutFastifyOptions<Options extends object> (options: Options, fastify?: FastifyInstance): Omit<Options, keyof FastifyOwnOptions> {
  const { prefix, logLevel, logSerializers, ...own } = options as Options & FastifyOwnOptions
  const server = fastify === undefined ? undefined : serverOptionsOf(fastify)
  if (server !== undefined) {
    for (const name of OF_SERVERS) {
      if (Object.hasOwn(own, name) && isSame(server[name], (own as Record<string, unknown>)[name])) delete (own as Record<string, unknown>)[name]
    }
  }
  return own
}

/** fastify-cli merges objects with others before it makes the server. */
function isSame (one: unknown, other: unknown): boolean {
  return isDeepStrictEqual(one, other) || (typeof one === 'object' && one !== null && typeof other === 'object' && other !== null)
}
