import type { WebSocket } from 'ws'
import { WSA_TESTING_ERR_CLOSED, WSA_TESTING_ERR_TIMEOUT, WSA_TESTING_ERR_UNEXPECTED } from './errors.js'
import type { Group } from './group.js'
import { fits, type Match, type Message, show } from './match.js'
import { inTime, within } from './real-time.js'

/** How a connection has ended. */
export interface Closing {
  /** The close code; 1006 where there was no close frame. */
  code: number
  reason: string
}

/** Options of {@link Connection.next}. */
export interface NextOptions {
  /**
   * How long to wait, in milliseconds of real time, whatever clock is in place.
   * @default the option `timeout` of the server
   */
  timeout?: number
}

/** Options of {@link Connection.never}. */
export interface NeverOptions {
  /**
   * A message that comes after what should not: it is waited for and taken, in place of the round trips. For what happens later than
   * they can prove, such as a handler that awaits something of its own.
   */
  before?: Match
}

interface Waiting {
  match: Match | undefined
  resolve (message: Message): void
  reject (error: unknown): void
}

/** An open WebSocket of a device, with its inbox. */
export class Connection implements AsyncDisposable {
  /** The socket of `ws`. */
  readonly socket: WebSocket
  /** Who the server takes the device for: `user` of its `auth_ok`. `null` on a route without door two. */
  user: { id: string, [member: string]: unknown } | null = null
  /** The whole `auth_ok`. `null` on a route without door two. */
  welcome: Message = null
  /** Settles when the connection has closed. */
  readonly closed: Promise<Closing>
  /** Messages that have come and that `next` has not taken, oldest first. */
  readonly inbox: Message[] = []
  readonly #name: string
  readonly #group: Group
  readonly #flows: () => boolean
  readonly #waiting = new Set<Waiting>()
  #closing: Closing | null = null
  #pings = 0

  /** @internal */
  constructor (socket: WebSocket, name: string, group: Group, flows: () => boolean) {
    this.socket = socket
    this.#name = name
    this.#group = group
    this.#flows = flows
    socket.on('message', (data: Buffer, isBinary) => { this.#take(isBinary ? data : parsed(data.toString())) })
    this.closed = new Promise(resolve => {
      socket.on('close', (code, reason) => {
        this.#closing = { code, reason: String(reason) }
        group.connections.delete(this)
        for (const { reject } of this.#waiting) reject(this.#over())
        resolve(this.#closing)
      })
    })
  }

  /** Whether it has not closed. */
  get isOpen (): boolean {
    return this.#closing === null
  }

  /** Whether what is sent passes: not through a relay that holds it. @internal */
  get flows (): boolean {
    return this.#flows()
  }

  /** The subprotocol that the server has chosen; empty for none, and with `injectWS`. */
  get protocol (): string {
    return this.socket.protocol
  }

  /**
   * Takes the next message out of the inbox, or waits for it.
   *
   * @param match which one; others stay in the inbox, in their order
   * @default match any
   * @throws {@link WSA_TESTING_ERR_CLOSED} when the connection closes before, or has closed
   * @throws {@link WSA_TESTING_ERR_TIMEOUT} when it does not come; the message tells what has
   */
  async next (match?: Match, { timeout = this.#group.timeout }: NextOptions = {}): Promise<Message> {
    const at = this.inbox.findIndex(message => fits(message, match))
    if (at >= 0) return this.inbox.splice(at, 1)[0]
    if (this.#closing !== null) throw this.#over()
    return await new Promise((resolve, reject) => {
      const callOff = inTime(timeout, () => {
        done()
        reject(new WSA_TESTING_ERR_TIMEOUT(`What ${this.#name} waits for, ${show(match ?? 'any message')},`, timeout, show(this.inbox)))
      })
      const done = (): void => {
        callOff()
        this.#waiting.delete(waiting)
      }
      const waiting: Waiting = {
        match,
        resolve: message => {
          done()
          resolve(message)
        },
        reject: error => {
          done()
          reject(error)
        }
      }
      this.#waiting.add(waiting)
    })
  }

  /**
   * Makes sure that nothing has come and nothing is under way, without waiting for time to pass: a round trip on every open connection
   * of the test shows that the servers have read what was sent to them, the buses of the test have handed over what they had, and
   * then a round trip on this connection shows that what the server has sent has arrived.
   *
   * @param match what should not come
   * @default match any message that was not taken
   * @throws {@link WSA_TESTING_ERR_UNEXPECTED} when it has come
   * @throws {@link WSA_TESTING_ERR_CLOSED} when the connection has closed, so that nothing could come
   * @throws {@link WSA_TESTING_ERR_TIMEOUT} when a round trip, or `before`, does not come
   */
  async never (match?: Match, { before }: NeverOptions = {}): Promise<void> {
    this.#assertNone(match)
    if (before === undefined) await this.#group.settle(this)
    else await this.next(before)
    this.#assertNone(match)
    if (this.#closing !== null) throw this.#over()
  }

  /** Sends a message: a string as it is, bytes as a binary one, everything else as its JSON text. */
  send (message: unknown): void {
    const isRaw = typeof message === 'string' || ArrayBuffer.isView(message)
    this.socket.send(isRaw ? message : JSON.stringify(message))
  }

  /** Sends a message, and waits for its answer. Rejects as {@link Connection.next} does. */
  async ask (message: unknown, match?: Match): Promise<Message> {
    this.send(message)
    return await this.next(match)
  }

  /** Subscribes to a topic of `@fastify-airlock/topics`. Resolves with `topic:subscribed` or `topic:refused`. */
  async subscribe (topic: string, since?: object): Promise<Message> {
    return await this.ask(
      { type: 'topic:subscribe', topics: [{ topic, ...since !== undefined && { since } }] },
      (message: Message) => /^topic:(subscribed|refused)$/.test(message?.type) && message.topic === topic && message.id === undefined
    )
  }

  /** Shows a new JWT, and waits for `refresh_ok`. Rejects as {@link Connection.next} does. */
  async refresh (token: string): Promise<Message> {
    return await this.ask({ type: 'refresh', token }, { type: 'refresh_ok' })
  }

  /**
   * Waits until everything has arrived that the server had sent when it read the ping of this call.
   *
   * @throws {@link WSA_TESTING_ERR_TIMEOUT} when there is no pong, as through a relay that lets nothing pass
   */
  async roundTrip (): Promise<void> {
    if (this.#closing !== null) return
    const { socket } = this
    const number = `${++this.#pings}`
    let done!: () => void
    let onPong!: (data: Buffer) => void
    const pong = new Promise<void>(resolve => {
      done = resolve
      onPong = data => { if (String(data) === number) resolve() }
      socket.on('pong', onPong).on('close', done)
      // One that closes meanwhile takes no ping, and its `'close'` follows.
      socket.ping(number, undefined, () => {})
    })
    await within(this.#group.timeout, `A pong for ${this.#name}`, pong).finally(() => {
      socket.off('pong', onPong)
      socket.off('close', done)
    })
  }

  /** Closes it, and waits for the answer of the server. */
  async close (code?: number, reason?: string): Promise<Closing> {
    this.socket.close(code, reason)
    return await this.closed
  }

  /** Breaks it, without a close frame. */
  async drop (): Promise<Closing> {
    this.socket.terminate()
    return await this.closed
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    await this.drop()
  }

  #take (message: Message): void {
    for (const waiting of this.#waiting) {
      try {
        if (!fits(message, waiting.match)) continue
      } catch (error) {
        waiting.reject(error)
        continue
      }
      return waiting.resolve(message)
    }
    this.inbox.push(message)
  }

  #assertNone (match: Match | undefined): void {
    const found = this.inbox.find(message => fits(message, match))
    if (found !== undefined) throw new WSA_TESTING_ERR_UNEXPECTED(this.#name, found, show(found))
  }

  #over (): Error {
    const { code, reason } = this.#closing as Closing
    return new WSA_TESTING_ERR_CLOSED(this.#name, code, reason)
  }
}

function parsed (text: string): Message {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
