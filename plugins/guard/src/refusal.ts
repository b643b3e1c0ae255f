import { channel } from 'node:diagnostics_channel'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'

/** What is published on `airlock:guard:refuse`. */
export interface GuardRefuseEvent {
  /** The HTTP status. */
  statusCode: number
  /** The code in the body, `WSA_GUARD_ERR_…`. */
  code: string
}

/** An upgrade is refused: `airlock:guard:refuse`, with a {@link GuardRefuseEvent}. */
const refused = channel('airlock:guard:refuse')

const TYPE = 'application/json; charset=utf-8'

/**
 * One way to be refused, with its answer made ready. It is an answer and no thrown error: an attacker decides how often
 * one is needed, and the way of an error through Fastify is most of what a refusal costs.
 */
export class Refusal implements GuardRefuseEvent {
  readonly statusCode: number
  readonly code: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #body: string
  /** The whole HTTP response, and the second since the epoch that its `Date` names. */
  #bytes = Buffer.alloc(0)
  #second = 0

  constructor (statusCode: number, code: string, message: string, headers: Record<string, string> = {}) {
    this.statusCode = statusCode
    this.code = code
    // The socket is closed after it, whatever the client asked for.
    this.#headers = { connection: 'close', ...headers }
    this.#body = JSON.stringify({ statusCode, code, error: STATUS_CODES[statusCode], message })
  }

  /** Answers through Fastify, with its `onSend` and `onResponse` hooks. */
  reply (request: FastifyRequest, reply: FastifyReply): void {
    this.#report(request.log)
    reply.code(this.statusCode).headers(this.#headers).type(TYPE).send(this.#body)
  }

  /**
   * Answers a request on the socket of its upgrade, past Fastify's serialisation and `onSend` hooks: two thirds of what
   * a refusal costs otherwise. `onResponse` hooks and the line "request completed" come as ever.
   */
  replyOn (socket: Socket, request: FastifyRequest, reply: FastifyReply): void {
    const response = reply.hijack().raw
    response.statusCode = this.statusCode
    response.detachSocket(socket)
    this.answer(socket, request.log, () => response.emit('finish'))
  }

  /** Answers on a socket that Fastify does not answer on. */
  answer (socket: Socket, log: FastifyBaseLogger, done?: () => void): void {
    this.#report(log)
    socket.end(this.#http(), () => {
      done?.()
      socket.destroy()
    })
  }

  #http (): Buffer {
    // RFC 9110, section 6.6.1, wants a Date, which is all that ever changes.
    const second = Math.floor(Date.now() / 1000)
    if (second !== this.#second) {
      this.#second = second
      const headers = {
        'content-type': TYPE, 'content-length': Buffer.byteLength(this.#body), date: new Date(second * 1000).toUTCString(), ...this.#headers
      }
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
      this.#bytes = Buffer.from([`HTTP/1.1 ${this.statusCode} ${STATUS_CODES[this.statusCode]}`, ...lines, '', this.#body].join('\r\n'))
    }
    return this.#bytes
  }

  #report (log: FastifyBaseLogger): void {
    const { statusCode, code } = this
    log.info({ code }, 'websocket upgrade refused')
    if (refused.hasSubscribers) refused.publish({ statusCode, code } satisfies GuardRefuseEvent)
  }
}

const NOT_UPGRADE = 'WSA_GUARD_ERR_NOT_UPGRADE'
const SUBPROTOCOL = 'WSA_GUARD_ERR_SUBPROTOCOL'
const SOON = { 'retry-after': '1' }

/** Every refusal there is. */
export const REFUSALS = {
  METHOD: new Refusal(400, NOT_UPGRADE, 'Not a WebSocket upgrade: the method is not GET'),
  // RFC 9110, section 7.8, and RFC 6455, section 4.4: say what would be accepted.
  UPGRADE: new Refusal(400, NOT_UPGRADE, 'Not a WebSocket upgrade: Upgrade: websocket is missing', { upgrade: 'websocket' }),
  KEY: new Refusal(400, NOT_UPGRADE, 'Not a WebSocket upgrade: Sec-WebSocket-Key is missing or malformed'),
  VERSION: new Refusal(400, NOT_UPGRADE, 'Not a WebSocket upgrade: Sec-WebSocket-Version is not 13', { 'sec-websocket-version': '13' }),
  EXTENSIONS: new Refusal(400, NOT_UPGRADE, 'Not a WebSocket upgrade: Sec-WebSocket-Extensions is malformed or unacceptable'),
  PROTOCOLS_MALFORMED: new Refusal(400, SUBPROTOCOL, 'Sec-WebSocket-Protocol is malformed'),
  PROTOCOLS_UNKNOWN: new Refusal(400, SUBPROTOCOL, 'None of the offered subprotocols is spoken here'),
  MULTIPLE_CREDENTIALS: new Refusal(400, 'WSA_GUARD_ERR_MULTIPLE_CREDENTIALS', 'Send exactly one credential'),
  // RFC 9110, section 11.6.1: a 401 names a challenge.
  NO_CREDENTIAL: new Refusal(401, 'WSA_GUARD_ERR_NO_CREDENTIAL', 'A credential is required', { 'www-authenticate': 'Bearer' }),
  INVALID_CREDENTIAL: new Refusal(401, 'WSA_GUARD_ERR_INVALID_CREDENTIAL', 'The credential is not valid', { 'www-authenticate': 'Bearer error="invalid_token"' }),
  ORIGIN: new Refusal(403, 'WSA_GUARD_ERR_ORIGIN', 'Origin not allowed'),
  TOO_MANY: new Refusal(429, 'WSA_GUARD_ERR_TOO_MANY', 'Too many upgrades under way from this address', SOON),
  TIMEOUT: new Refusal(503, 'WSA_GUARD_ERR_TIMEOUT', 'The upgrade took too long', SOON),
  CLOSING: new Refusal(503, 'WSA_GUARD_ERR_CLOSING', 'The server is shutting down', SOON)
} as const
