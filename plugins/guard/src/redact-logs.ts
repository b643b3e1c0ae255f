import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { changeSerializers, type ChildOptions, hasBoundHandler, type Serializer, type Serializers, serializersOf } from './internals.js'
import { logSerializers, notFoundHandler, SECRET_PARAMETERS } from './logging.js'
import { redactMember, redactValue } from './redact-value.js'

/** Options of {@link redactLogs}. */
export interface RedactLogsOptions {
  /**
   * Names of query parameters and of other members whose values are secrets, in lower case.
   * @default SECRET_PARAMETERS
   */
  parameters?: readonly string[] | undefined
  /**
   * Whether requests to unknown routes are answered by {@link notFoundHandler} where the application has not set a handler
   * of its own. Fastify's own one writes the whole URL into the log and into the body.
   * @default true
   */
  notFoundHandler?: boolean
}

/**
 * Members that may have a credential, besides those that have a serializer already and those of the secret parameters: for
 * loggers that do not ask for the serializer of each member. The last two are pino's message: errors of Fastify have the URL
 * in theirs.
 */
const MEMBERS = [
  'path', 'url', 'originalUrl', 'headers', 'rawHeaders', 'query', 'cookies', 'authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'msg', 'message'
]

/**
 * Keeps credentials out of the log of an application that has its logger already: in every member of a line, in what every
 * serializer returns, also that of a route, of a child logger, or of a child logger factory of the application's own, and in
 * messages. Call it at the root, before you add routes.
 *
 * With a logger that is not of pino, it sets a child logger factory, and relies on the logger's `child()` to respect
 * `serializers`: there it knows members by their usual names alone.
 *
 * @example
 * const app = Fastify({ logger: true })
 * redactLogs(app)
 */
export function redactLogs (
  fastify: FastifyInstance,
  { parameters = SECRET_PARAMETERS, notFoundHandler = true }: RedactLogsOptions = {}
): void {
  const redaction = new Redaction(parameters)
  // The logger of an application without one is its own child.
  const isSilent = fastify.log.child({}) === fastify.log
  if (!isSilent && !changeSerializers(
    fastify.log, serializers => redaction.apply(serializers), options => redaction.options(options), member => redaction.other(member)
  )) {
    redactChildren(fastify, redaction)
  }
  if (notFoundHandler) redactNotFound(fastify)
}

/** Wraps serializers, each once. */
class Redaction {
  readonly #parameters: readonly string[]
  readonly #members: Serializers = {}
  readonly #wrapped = new WeakMap<Serializer, Serializer>()

  constructor (parameters: readonly string[]) {
    this.#parameters = parameters
    for (const member of [...MEMBERS, ...parameters]) this.#members[member] = this.other(member)
  }

  /** Wraps serializers in place, and adds those of members that have none. */
  apply (serializers: Serializers): Serializers {
    for (const [name, serializer] of Object.entries({ ...this.#members, ...serializers })) {
      serializers[name] = this.#wrap(serializer)
    }
    return serializers
  }

  /** Wraps the serializers of a child; its parent has the others. */
  options<T extends ChildOptions> (options: T): T {
    const serializers: Serializers = {}
    // Those of an outer scope are inherited.
    for (const name in options.serializers) serializers[name] = this.#wrap(options.serializers[name] as Serializer)
    return { ...options, serializers }
  }

  /** Makes the serializer of a member that has none. */
  other (member: string): Serializer {
    const redacting: Serializer = value => redactMember(member, value, this.#parameters)
    this.#wrapped.set(redacting, redacting)
    return redacting
  }

  #wrap (serializer: Serializer): Serializer {
    const known = this.#wrapped.get(serializer)
    if (known !== undefined) return known
    const redacting: Serializer = value => redactValue(serializer(value), this.#parameters)
    this.#wrapped.set(serializer, redacting).set(redacting, redacting)
    return redacting
  }
}

/** Redacts what children of the logger write, in ways that every logger of Fastify has. */
function redactChildren (fastify: FastifyInstance, redaction: Redaction): void {
  const { log, childLoggerFactory } = fastify
  const serializers = redaction.apply({ ...logSerializers(), ...serializersOf(log) })
  // @fastify/websocket logs with it that a route has no handler for WebSockets.
  fastify.log = log.child({}, { serializers })
  fastify.setChildLoggerFactory(function (logger: FastifyBaseLogger, bindings, options, request) {
    const own = redaction.options(options as ChildOptions)
    return childLoggerFactory.call(this, logger, bindings, { ...own, serializers: { ...serializers, ...own.serializers } }, request)
  })
}

/** Answers for Fastify's default handler, whatever the order in which the application sets handlers of its own. */
function redactNotFound (scope: FastifyInstance): void {
  const fastify = rootOf(scope)
  const { setNotFoundHandler } = fastify as { setNotFoundHandler: (this: FastifyInstance, ...given: unknown[]) => FastifyInstance }
  try {
    // Sets the default again, which Fastify refuses where the application has set a handler. Also, the default gets the child
    // logger factory that is set now.
    setNotFoundHandler.call(fastify)
  } catch (error) {
    // Fastify's other errors have a code.
    if ((error as { code?: string }).code !== undefined) throw error
    return
  }
  const handled = new WeakSet<FastifyInstance>()
  fastify.setNotFoundHandler = function (this: FastifyInstance, ...given: unknown[]) {
    if (given.some(argument => typeof argument === 'function')) handled.add(this)
    return setNotFoundHandler.apply(this, given)
  } as typeof fastify.setNotFoundHandler
  const answer = notFoundHandler()
  fastify.addHook('preHandler', function (request, reply, done) {
    // Fastify binds a hook to the instance that the handler was set on.
    if (request.is404 && !handled.has(this) && !hasBoundHandler(request)) answer(request, reply)
    else done()
  })
}

/**
 * The instance outside of all scopes: the only one whose handler can be set a second time. What its default does not answer,
 * the application answers.
 */
function rootOf (scope: FastifyInstance): FastifyInstance {
  const parent = Object.getPrototypeOf(scope) as FastifyInstance
  return 'setNotFoundHandler' in parent ? rootOf(parent) : scope
}
