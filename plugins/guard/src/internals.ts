import { asksForWebSocket, canUsePrivateParts, isAsKnown, serverOptionsOf, usesPublicWay } from '@fastify-airlock/core'
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from 'fastify'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { Transform } from 'node:stream'
import * as ws from 'ws'

/*
 * Everything that this package reads or calls without it being documented, of ws 8.23, pino 10.4 and Node 20 to 26. Each
 * has a public way beside it, which does the same more slowly.
 */

/** Parses headers of an upgrade as `ws` does after the hooks, so that nothing is used up for an upgrade that then fails. */
export interface HeaderParsers {
  /** @returns the offered subprotocols in the client's order of preference; `null` if the header is malformed */
  parseProtocols (header: string): ReadonlySet<string> | null
  /**
   * Whether `ws` accepts a `Sec-WebSocket-Extensions` header.
   *
   * @param perMessageDeflate the option of the server
   */
  acceptsExtensions (header: string, perMessageDeflate: NonNullable<ws.ServerOptions['perMessageDeflate']>): boolean
}

/** Exported by ws 8.23, but left out of its documentation and its types. */
interface PrivateParsers {
  extension: { parse (header: string): Record<string, object[]> }
  PerMessageDeflate: {
    extensionName: string
    new (options: object): { accept (offers: object[]): object }
  }
  subprotocol: { parse (header: string): Set<string> }
}

const { extension, PerMessageDeflate, subprotocol } = ws as unknown as PrivateParsers

/** The parsers of `ws`. */
export const privateParsers: HeaderParsers = {
  parseProtocols (header) {
    try {
      return subprotocol.parse(header)
    } catch {
      return null
    }
  },

  acceptsExtensions (header, perMessageDeflate) {
    try {
      const offers = extension.parse(header)[PerMessageDeflate.extensionName]
      if (offers !== undefined) new PerMessageDeflate({ ...Object(perMessageDeflate), isServer: true }).accept(offers)
      return true
    } catch {
      return false
    }
  }
}

/** A comma-separated list of tokens (RFC 6455, section 4.1; RFC 9110, sections 5.6.1 and 5.6.2). */
const TOKENS = /^[!#$%&'*+\-.^_`|~\w]+(?:[\t ]*,[\t ]*[!#$%&'*+\-.^_`|~\w]+)*$/

/** A parser of our own, and a trial upgrade of `ws` itself. */
export const publicParsers: HeaderParsers = {
  parseProtocols (header) {
    if (!TOKENS.test(header)) return null
    const protocols = header.split(/[\t ]*,[\t ]*/)
    const offered = new Set(protocols)
    return offered.size === protocols.length ? offered : null
  },

  // Has a server of its own upgrade a connection that leads nowhere.
  acceptsExtensions (header, perMessageDeflate) {
    const server = new ws.WebSocketServer({ noServer: true, clientTracking: false, perMessageDeflate })
    let accepted = true
    server.on('wsClientError', () => { accepted = false })
    const headers = {
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-extensions': header
    }
    const connection = new Transform({ transform (_chunk, _encoding, done) { done() } })
    try {
      server.handleUpgrade({ method: 'GET', headers } as IncomingMessage, connection, Buffer.alloc(0), client => client.terminate())
    } catch {
      // Other runtimes upgrade only connections of their own. There, the upgrade itself finds out.
    }
    connection.destroy()
    return accepted
  }
}

/** Whether the parsers of `ws` exist and do what they did. */
function areKnownParsers (): boolean {
  return subprotocol.parse('a, b').has('b') && extension.parse('a; b=c').a?.length === 1 &&
    new PerMessageDeflate({ isServer: true }).accept(extension.parse('permessage-deflate')['permessage-deflate'] as object[]) !== null
}

/** Chooses the parsers. */
export function headerParsers (log: FastifyBaseLogger): HeaderParsers {
  return canUsePrivateParts('header parsers of ws', areKnownParsers, log) ? privateParsers : publicParsers
}

/** Finds the responses on the sockets of upgrades. */
export interface UpgradeResponses {
  /** The response that `@fastify/websocket` has assigned to the socket of an upgrade. */
  find (socket: Socket): ServerResponse | undefined
  /** Whether the answer to an earlier request on the same connection is not complete. */
  isAnswering (socket: Socket): boolean
  /** Takes a response off its socket, so that something else can be written there; `null` if that is impossible. */
  readonly detach: ((response: ServerResponse, socket: Socket) => void) | null
}

interface WithResponse {
  /** Where Node keeps the response that is being written to a socket. */
  _httpMessage?: ServerResponse | null
}

const privateResponses: UpgradeResponses = {
  find: socket => (socket as WithResponse)._httpMessage ?? undefined,
  isAnswering: socket => (socket as WithResponse)._httpMessage != null,
  detach: (response, socket) => response.detachSocket(socket)
}

const kResponse = Symbol('airlock.response')
const kAnswering = Symbol('airlock.answering')

type Noted = Socket & { [kResponse]?: ServerResponse, [kAnswering]?: number }

/**
 * Finds responses without Node's private member. `@fastify/websocket` passes each upgrade and its response to the
 * documented `fastify.routing()` before any hook runs. If it ever stops doing so, the deadline still closes the sockets.
 */
function publicResponses (fastify: FastifyInstance): UpgradeResponses {
  const { routing } = fastify
  fastify.routing = (request, response) => {
    const { socket } = response as { socket: Noted | null }
    if (socket !== null) socket[kResponse] = response
    routing(request, response)
  }
  fastify.server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    const socket = request.socket as Noted
    socket[kAnswering] = (socket[kAnswering] ?? 0) + 1
    response.once('close', () => { (socket[kAnswering] as number)-- })
  })
  return {
    find: socket => (socket as Noted)[kResponse],
    isAnswering: socket => ((socket as Noted)[kAnswering] ?? 0) > 0,
    detach: null
  }
}

/** Whether Node keeps a response where it did, and lets go of it. */
function areKnownResponses (): boolean {
  const socket = new Socket() as Socket & WithResponse
  const response = new ServerResponse(new IncomingMessage(socket))
  response.assignSocket(socket)
  const assigned = socket._httpMessage === response
  response.detachSocket(socket)
  return assigned && socket._httpMessage === null
}

/** Chooses how responses are found. */
export function upgradeResponses (fastify: FastifyInstance): UpgradeResponses {
  return canUsePrivateParts('responses of node:http', areKnownResponses, fastify.log) ? privateResponses : publicResponses(fastify)
}

/** What pino calls on a value before it writes the value. */
export type Serializer = (value: any) => unknown

/** Serializers by the name of the member that they are for. */
export type Serializers = Record<string, Serializer>

/** The documented member that shows the serializers of a pino logger. */
const kSerializers = Symbol.for('pino.serializers')

const MISSES = 'does not redact what loggers and factories of your own write'

interface WithSerializers extends FastifyBaseLogger {
  [kSerializers]?: Serializers
}

/** The serializers of a logger; `undefined` if it is not of pino. */
export function serializersOf (log: FastifyBaseLogger): Serializers | undefined {
  return (log as WithSerializers)[kSerializers]
}

/** The options of a child logger, as far as they are read here. */
export interface ChildOptions {
  serializers?: Serializers
}

/**
 * Changes the serializers of a pino logger in place, and those that its children are given, at any depth. pino documents
 * that serializers can be read, but not that a change counts. The public way is a logger factory, which does not reach
 * children, routes and factories of the application's own. Their credentials would be in the log, so this is done with
 * `AIRLOCK_PUBLIC=1` and on other runtimes as well.
 *
 * @param change is called with the serializers, and changes them
 * @param changed returns the options of a child, changed
 * @param other serializes members that have no serializer
 * @returns `false` if the logger is of another kind
 */
export function changeSerializers (
  log: FastifyBaseLogger,
  change: (serializers: Serializers) => void,
  changed: <T extends ChildOptions>(options: T) => T,
  other: (member: string) => Serializer
): boolean {
  const serializers = serializersOf(log)
  if (serializers === undefined || !isAsKnown('serializers of pino', () => areKnownSerializers(log), log, MISSES)) return false
  const errorKey = errorKeyOf(log)
  // pino asks for the serializer of each member by its name. A child whose serializers differ has copies, without prototype.
  const fallback = new Proxy({}, {
    get: (_target, member, receiver: Serializers) => member === errorKey && errorKey !== 'err' ? receiver.err : other(String(member))
  })
  const complete = (logger: FastifyBaseLogger): void => { Object.setPrototypeOf(serializersOf(logger), fallback) }
  change(serializers)
  complete(log)
  const { child } = log
  // Children inherit it: pino makes each from its parent.
  log.child = function (this: FastifyBaseLogger, bindings, options) {
    if (options?.serializers == null) return child.call(this, bindings, options)
    const made = child.call(this, {}, changed(options as ChildOptions))
    complete(made)
    // Bindings are serialized when they are set.
    ;(made as WithBindings).setBindings(bindings)
    return made
  }
  return true
}

/**
 * Whether the application answers an unknown path: Fastify binds its handlers, and not the default one. Needed for handlers
 * that were set before anybody watched.
 */
export function hasBoundHandler ({ routeOptions }: FastifyRequest): boolean {
  return routeOptions.handler?.name.startsWith('bound ') === true
}

interface WithBindings extends FastifyBaseLogger {
  setBindings (bindings: object): void
}

/** The member that an error is logged as, which pino serializes as `err` (the option `errorKey`). */
function errorKeyOf (log: FastifyBaseLogger): string {
  for (let at: object = log; at !== null; at = Object.getPrototypeOf(at)) {
    const key = Object.getOwnPropertySymbols(at).find(({ description }) => description === 'pino.errorKey')
    if (key !== undefined) return (log as unknown as Record<symbol, string>)[key] as string
  }
  return 'err'
}

/** Whether children inherit from their parent, and share its serializers if they are given none. */
function areKnownSerializers (log: FastifyBaseLogger): boolean {
  const child = log.child({})
  return Object.getPrototypeOf(child) === log && serializersOf(child) === serializersOf(log)
}

/** Node asks this member for each request with an `Upgrade` header. Documented, from 24.9 on, is the option of that name. */
interface AskedForUpgrades {
  shouldUpgradeCallback?: (request: IncomingMessage) => boolean
}

/** The protocols that HTTP clients offer unasked, and go on without (RFC 7540, section 3.2; RFC 2817, section 3.1). */
const OFFERED_UNASKED = /(?:^|,)\s*(?:h2c|tls\/[\d.]+)\s*(?:,|$)/i

/**
 * Has requests with `Upgrade: h2c` answered over HTTP/1.1, where Node can. Otherwise, and with the public way alone, they
 * arrive as upgrades, and `@fastify/websocket` refuses them.
 */
export function answerOverHttp (server: AskedForUpgrades): void {
  const decide = server.shouldUpgradeCallback
  if (usesPublicWay() || typeof decide !== 'function') return
  server.shouldUpgradeCallback = request => {
    const offersOther = OFFERED_UNASKED.test(request.headers.upgrade ?? '') && !asksForWebSocket(request)
    return !offersOther && decide.call(server, request)
  }
}

/** Whether the application has set `rewriteUrl`, which Fastify keeps to itself. `false` where that cannot be seen. */
export function rewritesUrls (fastify: FastifyInstance): boolean {
  return serverOptionsOf(fastify)?.rewriteUrl != null
}
