import { CloseCode, parseServerMessage, type Retry, retryAfterClose, SUBPROTOCOL, TICKET_PROTOCOL_PREFIX } from '@fastify-airlock/protocol'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { request } from './https.js'
import { CERTIFICATE } from './proxy.js'

/** In milliseconds. The protocol says 1 s to 30 s, and steady after 30 s; these tests have less time. */
const BACKOFF = { first: 100, limit: 2_000, steady: 10_000 }

/** A connection of a {@link Client} that got through both doors. */
export interface Connection {
  since: number
  /** The application's messages, in the order in which they came. */
  messages: Array<Record<string, unknown>>
  /** How it ended; `undefined` while it is open. */
  closed?: { code: number, reason: string, at: number }
}

/** How an attempt ended. */
interface Outcome {
  retry: Retry
  /** For a person to read. */
  what: string
  /** Least time until the next attempt, in milliseconds. */
  retryAfter: number
}

/**
 * A client as section 9 of docs/PROTOCOL.md wants it: a new ticket for every attempt, whether to come back by status
 * and close code, back-off with full jitter. It keeps everything that it is sent.
 */
export class Client {
  /** Every connection so far, the current one last. */
  readonly connections: Connection[] = []
  /** Why it gave up. */
  fate: string | undefined
  readonly #origin: string
  readonly #path: string
  readonly #credentials: { username: string, password: string }
  #token: string | undefined
  #socket: WebSocket | undefined
  /** Attempts since the last steady connection. */
  #failures = 0
  /** Whether the last attempt was one made at once, without a back-off. */
  #hasty = false
  #stopped = false

  constructor (origin: string, path: string, username: string, password: string) {
    this.#origin = origin
    this.#path = path
    this.#credentials = { username, password }
    this.#run()
  }

  /** Whether it is through both doors now. */
  get ready (): boolean {
    const current = this.connections.at(-1)
    return current !== undefined && current.closed === undefined
  }

  /** Everything of one type that it was sent, on all connections. */
  received (type: string): Array<Record<string, unknown>> {
    return this.connections.flatMap(({ messages }) => messages.filter(message => message.type === type))
  }

  /** Ends the connection for good. */
  stop (): void {
    this.#stopped = true
    this.#socket?.terminate()
  }

  async #run (): Promise<void> {
    while (!this.#stopped) {
      const { retry, retryAfter, what } = await this.#attempt().catch(lost)
      if (retry === 'never') {
        this.fate = what
        return
      }
      this.#hasty = retry === 'ticket' && !this.#hasty
      if (this.#hasty) continue
      const limit = Math.min(BACKOFF.limit, BACKOFF.first * 2 ** this.#failures++)
      await sleep(Math.max(retryAfter, Math.random() * limit), undefined, { ref: false })
    }
  }

  async #attempt (): Promise<Outcome> {
    if (this.#token === undefined) {
      const login = await request(`${this.#origin}/login`, { method: 'POST', body: this.#credentials })
      if (login.status !== 200) return refused('login', login.status, login.headers['retry-after'])
      this.#token = login.json<{ token: string }>().token
    }
    const issued = await request(`${this.#origin}/ws/ticket`, { method: 'POST', token: this.#token })
    if (issued.status !== 201) return refused('ticket', issued.status, issued.headers['retry-after'])
    return await this.#connect(issued.json<{ ticket: string }>().ticket, this.#token)
  }

  async #connect (ticket: string, token: string): Promise<Outcome> {
    const url = this.#origin.replace('http', 'ws') + this.#path
    const socket = new WebSocket(url, [SUBPROTOCOL, TICKET_PROTOCOL_PREFIX + ticket], { ca: CERTIFICATE, handshakeTimeout: 15_000 })
    this.#socket = socket
    let connection: Connection | undefined
    let refusal: Outcome | undefined
    socket.on('open', () => {
      if (this.#stopped) socket.terminate()
      else socket.send(JSON.stringify({ type: 'auth', token }))
    })
    socket.on('message', (data: Buffer) => {
      const text = data.toString()
      const message = parseServerMessage(text)
      if (message?.type === 'auth_ok') {
        connection = { since: Date.now(), messages: [] }
        this.connections.push(connection)
        this.#hasty = false
      } else if (message === null) {
        connection?.messages.push(JSON.parse(text))
      }
    })
    socket.on('unexpected-response', (_request, { statusCode = 0, headers }) => {
      refusal = statusCode === 401
        ? { retry: 'ticket', what: 'upgrade: HTTP 401', retryAfter: 0 }
        : refused('upgrade', statusCode, headers['retry-after'])
      socket.terminate()
    })
    return await new Promise(resolve => {
      // 'close' follows, with 1006.
      socket.on('error', () => {})
      socket.on('close', (code, bytes) => {
        const reason = bytes.toString()
        if (connection !== undefined) {
          connection.closed = { code, reason, at: Date.now() }
          if (connection.closed.at - connection.since >= BACKOFF.steady) this.#failures = 0
        }
        const retryAfter = code === CloseCode.SERVICE_RESTART ? retryAfterOf(reason) : 0
        resolve(refusal ?? { retry: retryAfterClose(code), what: `${code} ${reason}`, retryAfter })
      })
    })
  }
}

function refused (what: string, status: number, retryAfter = '0'): Outcome {
  return {
    retry: status === 429 || status >= 500 ? 'later' : 'never',
    what: `${what}: HTTP ${status}`,
    retryAfter: Number(retryAfter) * 1000
  }
}

function lost (error: Error): Outcome {
  return { retry: 'later', what: error.message, retryAfter: 0 }
}

/** The `retryAfter` in the close reason of a node that is being restarted, in milliseconds; 0 where there is none. */
export function retryAfterOf (reason: string): number {
  try {
    return Number(JSON.parse(reason).retryAfter)
  } catch {
    return 0
  }
}
