import createError from '@fastify/error'
import { ofServer, RETRY_FULL_S, serverOf } from '@fastify-airlock/core'
import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import { auditRefusal } from './audit.js'
import { CONNECT_WAIT_MS } from './connect-queue.js'
import { channels, type GuardRefuseEvent } from './events.js'
import type { UpgradeResponses } from './internals.js'

const TYPE = 'application/json; charset=utf-8'

const ORIGIN = 'WSA_GUARD_ERR_ORIGIN'

/** What browsers send. A client that is none may send anything, with credentials in it. */
const WELL_FORMED = /^(?:null|[a-z][a-z\d+.-]*:\/\/[^/?#@\s]*)$/i

/** Characters of a refused Origin that are logged: the client chooses how many it has. */
const LOGGED = 200

/**
 * One kind of refusal, with its answer prepared. It is not thrown as an error: attackers decide how often a server
 * refuses, and Fastify's handling of an error is most of what a refusal costs.
 */
export class Refusal implements Omit<GuardRefuseEvent, 'server'> {
  readonly statusCode: number
  readonly code: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #body: string
  readonly #message: string
  /** The whole HTTP response, and the second since the epoch that its `Date` names. */
  #bytes = Buffer.alloc(0)
  #second = 0

  constructor (statusCode: number, code: string, message: string, headers: Record<string, string> = {}) {
    this.statusCode = statusCode
    this.code = code
    // The socket is always closed after a refusal.
    this.#headers = { connection: 'close', ...headers }
    this.#message = message
    this.#body = JSON.stringify({ statusCode, code, error: STATUS_CODES[statusCode], message })
  }

  /** Answers through Fastify, with its `onSend` and `onResponse` hooks. */
  reply (request: FastifyRequest, reply: FastifyReply): void {
    this.#report(request.log, request.raw, request.server.server)
    const { connection, upgrade, ...headers } = this.#headers
    // RFC 9113, section 8.2.2: HTTP/2 knows neither, and Node throws.
    if (request.raw.httpVersionMajor < 2) Object.assign(headers, { connection, ...(upgrade !== undefined && { upgrade }) })
    reply.code(this.statusCode).headers(headers).type(TYPE).send(this.#body)
  }

  /**
   * Answers a request on the socket of its upgrade. This skips Fastify's serialization and `onSend` hooks, two thirds of
   * the cost of a refusal. `onResponse` hooks and the line "request completed" come as usual.
   */
  replyOn (socket: Socket, request: FastifyRequest, reply: FastifyReply, responses: UpgradeResponses): void {
    const response = reply.hijack().raw
    if (responses.detach === null) {
      this.#report(request.log, request.raw)
      response.writeHead(this.statusCode, this.#allHeaders(new Date())).end(this.#body, () => { socket.destroy() })
      return
    }
    response.statusCode = this.statusCode
    responses.detach(response, socket)
    this.answer(socket, request.log, request.raw, () => response.emit('finish'))
  }

  /** Makes an error, of which Fastify makes the same answer if nothing else admits the client. */
  toError (): Error {
    const RefusalError = createError<[]>(this.code, this.#message, this.statusCode)
    return Object.assign(new RefusalError(), { headers: this.#headers })
  }

  /** Answers on a socket that has no response of Fastify's. */
  answer (socket: Socket, log: FastifyBaseLogger, request: IncomingMessage, done?: () => void): void {
    this.#report(log, request)
    socket.end(this.#http(), () => {
      done?.()
      socket.destroy()
    })
  }

  #http (): Buffer {
    // Only the Date changes, which RFC 9110, section 6.6.1, requires.
    const second = Math.floor(Date.now() / 1000)
    if (second !== this.#second) {
      this.#second = second
      const lines = Object.entries(this.#allHeaders(new Date(second * 1000))).map(([name, value]) => `${name}: ${value}`)
      this.#bytes = Buffer.from([`HTTP/1.1 ${this.statusCode} ${STATUS_CODES[this.statusCode]}`, ...lines, '', this.#body].join('\r\n'))
    }
    return this.#bytes
  }

  #allHeaders (date: Date): Record<string, string | number> {
    return { 'content-type': TYPE, 'content-length': Buffer.byteLength(this.#body), date: date.toUTCString(), ...this.#headers }
  }

  #report (log: FastifyBaseLogger, request: IncomingMessage, server: object | undefined = serverOf(request)): void {
    const { statusCode, code } = this
    const { origin } = request.headers
    log.info(code === ORIGIN ? { code, origin: loggedOrigin(origin) } : { code }, 'websocket upgrade refused')
    if (channels.refuse.hasSubscribers) channels.refuse.publish(ofServer({ statusCode, code }, server) satisfies GuardRefuseEvent)
    auditRefusal(request, statusCode, code, this.#message)
  }
}

function loggedOrigin (origin: string | undefined): string | null {
  if (origin === undefined) return null
  return WELL_FORMED.test(origin) ? origin.slice(0, LOGGED) : 'malformed'
}

const NOT_UPGRADE = 'WSA_GUARD_ERR_NOT_UPGRADE'
const SUBPROTOCOL = 'WSA_GUARD_ERR_SUBPROTOCOL'
const SOON = { 'retry-after': '1' }

/** All refusals. */
export const REFUSALS = {
  METHOD: new Refusal(400, NOT_UPGRADE, 'Not a WebSocket upgrade: the method is not GET'),
  // RFC 9110, section 7.8, and RFC 6455, section 4.4: name what would be accepted.
  UPGRADE: new Refusal(400, NOT_UPGRADE, 'Not a WebSocket upgrade: Upgrade: websocket is missing', { upgrade: 'websocket' }),
  HTTP_VERSION: new Refusal(400, NOT_UPGRADE, 'Not a WebSocket upgrade: the version is not HTTP/1.1'),
  TARGET: new Refusal(400, NOT_UPGRADE, 'Not a WebSocket upgrade: the request target has a fragment or user information'),
  HOST: new Refusal(400, NOT_UPGRADE, 'Not a WebSocket upgrade: Host is missing, repeated or malformed, or is not that of the request target'),
  BODY: new Refusal(400, NOT_UPGRADE, 'Not a WebSocket upgrade: the request has a body'),
  KEY: new Refusal(400, NOT_UPGRADE, 'Not a WebSocket upgrade: Sec-WebSocket-Key is missing or malformed'),
  VERSION: new Refusal(400, NOT_UPGRADE, 'Not a WebSocket upgrade: Sec-WebSocket-Version is not 13', { 'sec-websocket-version': '13' }),
  EXTENSIONS: new Refusal(400, NOT_UPGRADE, 'Not a WebSocket upgrade: Sec-WebSocket-Extensions is malformed or unacceptable'),
  PROTOCOLS_MALFORMED: new Refusal(400, SUBPROTOCOL, 'Sec-WebSocket-Protocol is malformed'),
  PROTOCOLS_UNKNOWN: new Refusal(400, SUBPROTOCOL, 'None of the offered subprotocols is supported'),
  PROTOCOLS_MISSING: new Refusal(400, SUBPROTOCOL, 'A credential is no subprotocol: offer one that the route speaks as well, by default airlock.v1'),
  MULTIPLE_CREDENTIALS: new Refusal(400, 'WSA_GUARD_ERR_MULTIPLE_CREDENTIALS', 'Send exactly one credential'),
  MISPLACED_CREDENTIAL: new Refusal(400, 'WSA_GUARD_ERR_MISPLACED_CREDENTIAL', 'A credential in the query has to come after a question mark'),
  // RFC 9110, section 11.6.1: a 401 names a challenge.
  NO_CREDENTIAL: new Refusal(401, 'WSA_GUARD_ERR_NO_CREDENTIAL', 'A credential is required', { 'www-authenticate': 'Bearer' }),
  INVALID_CREDENTIAL: new Refusal(401, 'WSA_GUARD_ERR_INVALID_CREDENTIAL', 'The credential is not valid', { 'www-authenticate': 'Bearer error="invalid_token"' }),
  ORIGIN: new Refusal(403, ORIGIN, 'Origin not allowed'),
  TOO_MANY: new Refusal(429, 'WSA_GUARD_ERR_TOO_MANY', 'Too many pending upgrades from this address', SOON),
  FULL: new Refusal(503, 'WSA_GUARD_ERR_FULL', 'The server has no place left', { 'retry-after': RETRY_FULL_S }),
  BUSY: new Refusal(503, 'WSA_GUARD_ERR_BUSY', 'Too many clients connect at once', { 'retry-after': String(CONNECT_WAIT_MS / 1_000) }),
  TIMEOUT: new Refusal(503, 'WSA_GUARD_ERR_TIMEOUT', 'The upgrade took too long', SOON),
  CLOSING: new Refusal(503, 'WSA_GUARD_ERR_CLOSING', 'The server is shutting down', SOON)
} as const
