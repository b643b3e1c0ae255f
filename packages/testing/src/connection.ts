import { randomUUID } from 'node:crypto'
import type { WebSocket } from 'ws'
import { WSA_TESTING_ERR_CLOSED, WSA_TESTING_ERR_TIMEOUT, WSA_TESTING_ERR_UNEXPECTED } from './errors.js'
import type { Group } from './group.js'
import { Inbox } from './inbox.js'
import { fits, type Match, type Message, show } from './match.js'
import { inTime, within } from './real-time.js'

/** How a connection has ended. */
export interface Closing {
  /** The close code; 1006 where there was no close frame. */
  code: number
  reason: string
}

/** Options of whatever waits: {@link Connection.next} and others. */
export interface NextOptions {
  /**
   * How long to wait, in milliseconds of real time, whatever clock is in place.
   * @default the option `timeout` of the server
   */
  timeout?: number
}

/** Options of {@link Connection.never}. */
export interface NeverOptions extends NextOptions {
  /**
   * A message that comes after what should not: it is waited for and taken, in place of the round trips. For what happens later than
   * they can prove, such as a handler that awaits something of its own.
   */
  before?: Match
}

/** Options of {@link Connection.publish}. */
export interface PublishOptions extends NextOptions {
  /**
   * The id of the publication; the same one again is taken once.
   * @default a random one
   */
  id?: string
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
  readonly inbox: Message[]
  readonly #name: string
  readonly #group: Group
  readonly #flows: () => boolean
  readonly #box = new Inbox()
  #closing: Closing | null = null
  #pings = 0
  #isOfClient = false

  /** @internal */
  constructor (socket: WebSocket, name: string, group: Group, flows: () => boolean) {
    this.socket = socket
    this.inbox = this.#box.messages
    this.#name = name
    this.#group = group
    this.#flows = flows
    socket.on('message', (data: Buffer, isBinary) => { this.#take(isBinary ? data : parsed(data.toString())) })
    this.closed = new Promise(resolve => {
      socket.on('close', (code, reason) => {
        this.#closing = { code, reason: String(reason) }
        group.connections.delete(this)
        this.#box.end(() => this.#over())
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
    const found = this.#box.find(match)
    if (found !== null) return found[0]
    if (this.#closing !== null) throw this.#over()
    return await new Promise((resolve, reject) => {
      const callOff = inTime(timeout, () => {
        endWait()
        reject(new WSA_TESTING_ERR_TIMEOUT(`What ${this.#name} waits for, ${show(match ?? 'any message')},`, timeout, `What has come: ${show(this.inbox)}`))
      })
      const endWait = this.#box.wait(match, message => {
        callOff()
        resolve(message)
      }, error => {
        callOff()
        reject(error)
      })
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
  async never (match?: Match, { before, timeout = this.#group.timeout }: NeverOptions = {}): Promise<void> {
    this.#assertNone(match)
    if (before === undefined) await this.#group.settle(this, timeout)
    else await this.next(before, { timeout })
    this.#assertNone(match)
    if (this.#closing !== null) throw this.#over()
  }

  /** Sends a message: a string as it is, bytes as a binary one, everything else as its JSON text. */
  send (message: unknown): void {
    const isRaw = typeof message === 'string' || ArrayBuffer.isView(message)
    this.socket.send(isRaw ? message : JSON.stringify(message))
  }

  /** Sends a message, and waits for its answer. Rejects as {@link Connection.next} does. */
  async ask (message: unknown, match?: Match, options?: NextOptions): Promise<Message> {
    this.send(message)
    return await this.next(match, options)
  }

  /**
   * Subscribes to a topic of `@fastify-airlock/topics`; the connection needs `{ auth: { topics: true } }`. Resolves with `topic:subscribed`
   * or `topic:refused`. Rejects as {@link Connection.next} does.
   *
   * @param since the `position` of the last message of before
   */
  async subscribe (topic: string, since?: object, options?: NextOptions): Promise<Message> {
    return await this.ask(
      { type: 'topic:subscribe', topics: [{ topic, ...since !== undefined && { since } }] },
      (message: Message) => /^topic:(subscribed|refused)$/.test(message?.type) && message.topic === topic && message.id === undefined,
      options
    )
  }

  /** Ends a subscription. Resolves when nothing more of the topic comes. Rejects as {@link Connection.roundTrip} does. */
  async unsubscribe (topic: string, options?: NextOptions): Promise<void> {
    this.send({ type: 'topic:unsubscribe', topics: [topic] })
    await this.roundTrip(options)
  }

  /**
   * Publishes to a topic of `@fastify-airlock/topics`. Resolves with `topic:published` or `topic:refused`. Rejects as
   * {@link Connection.next} does.
   */
  async publish (topic: string, data: unknown, { id = randomUUID(), ...options }: PublishOptions = {}): Promise<Message> {
    return await this.ask(
      { type: 'topic:publish', id, topic, data },
      (message: Message) => /^topic:(published|refused)$/.test(message?.type) && message.id === id,
      options
    )
  }

  /**
   * Watches who is there by `@fastify-airlock/presence`; the connection needs `{ auth: { presence: true } }`. Resolves with `presence:list`
   * or `presence:refused`; later changes are messages of type `presence:change`. Rejects as {@link Connection.next} does.
   *
   * @param topic where
   * @default topic '', which is everywhere
   */
  async watch (topic = '', options?: NextOptions): Promise<Message> {
    return await this.ask(
      { type: 'presence:watch', topics: [topic] },
      (message: Message) => /^presence:(list|refused)$/.test(message?.type) && message.topic === topic && message.state !== true,
      options
    )
  }

  /** Ends a watch. Resolves when nothing more of it comes. Rejects as {@link Connection.roundTrip} does. */
  async unwatch (topic = '', options?: NextOptions): Promise<void> {
    this.send({ type: 'presence:unwatch', topics: [topic] })
    await this.roundTrip(options)
  }

  /**
   * Shows others a state of this user, by `@fastify-airlock/presence`. Resolves when the server has it: there is no answer but
   * `presence:refused`, which then is in the inbox. Rejects as {@link Connection.roundTrip} does.
   *
   * @param state any JSON value; `null` for none
   * @param topic where
   * @default topic '', which is everywhere
   */
  async show (state: unknown, topic = '', options?: NextOptions): Promise<void> {
    this.send({ type: 'presence:set', topic, state })
    await this.roundTrip(options)
  }

  /** Shows a new JWT, and waits for `refresh_ok`. Rejects as {@link Connection.next} does. */
  async refresh (token: string, options?: NextOptions): Promise<Message> {
    return await this.ask({ type: 'refresh', token }, { type: 'refresh_ok' }, options)
  }

  /**
   * Waits until everything has arrived that the server had sent when it read the ping of this call.
   *
   * @throws {@link WSA_TESTING_ERR_TIMEOUT} when there is no pong, as through a relay that lets nothing pass
   */
  async roundTrip ({ timeout = this.#group.timeout }: NextOptions = {}): Promise<void> {
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
    await within(timeout, `A pong for ${this.#name}`, pong).finally(() => {
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

  /**
   * Keeps what a client of `@fastify-airlock/client` handles by itself out of the inbox: the answer to its `auth`, and signs of life.
   *
   * @internal
   */
  belongsToClient (): void {
    this.#isOfClient = true
    this.#box.wait(isAnswer, answer => this.welcomed(answer), () => {})
  }

  /** Takes the answer to an `auth`. @internal */
  welcomed (answer: Message): void {
    this.welcome = answer
    this.user = answer.user ?? null
  }

  #take (message: Message): void {
    if (!this.#isOfClient || message?.type !== 'alive') this.#box.put(message)
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

/** Whether a message is the answer to an `auth`. Nothing else may come before. @internal */
export function isAnswer (message: Message): boolean {
  return message?.type === 'auth_ok' || message?.type === 'auth_error'
}

function parsed (text: string): Message {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
