import { isThenable } from '@fastify-airlock/core'
import type { HubBus, HubBusListener, HubBusMessage } from '../bus.js'
import { WSA_HUB_ERR_OPTION } from '../errors.js'

/** The part of a connection of `@nats-io/transport-node`, version 3, that a {@link NatsBus} uses. */
export interface NatsConnection {
  publish (subject: string, payload: Uint8Array): void
  subscribe (subject: string, options: {
    callback: (error: Error | null, message: { subject: string, data: Uint8Array }) => void
  }): { unsubscribe (): void }
  flush (): Promise<void>
  status (): AsyncIterable<{ type: string }>
}

/** What listens to one topic or pattern. All its listeners share one subscription. */
interface Channel {
  topic: string
  listeners: Set<HubBusListener>
  /** Called at the next confirmation, for listeners that are gone by then as well. */
  callbacks: Array<() => void>
  /** At the server. None while the connection is not made. */
  ends: Array<{ unsubscribe (): void }>
}

/** What ends the members of a message, which JSON writes without it, and begins the payload. */
const SEPARATOR = 10

/** All that a level is written with as it is. A dot separates the levels of NATS, `*`, `>` and spaces mean something. */
const ESCAPED = /[^\w%:-]/g

/**
 * Connects hubs by NATS. It does not close the connection: you close the one that you made.
 *
 * @example
 * const connection = connect({ servers: 'nats://127.0.0.1:4222', waitOnFirstConnect: true, maxReconnectAttempts: -1 })
 * await app.register(wsHub, { bus: new NatsBus(connection) })
 */
export class NatsBus implements HubBus {
  readonly #channels = new Map<string, Channel>()
  #connection: NatsConnection | undefined
  #connected = false
  #reason = 'not connected yet'
  #flushing: Promise<boolean> | undefined

  /**
   * @param connection of `@nats-io/transport-node`, or a promise of it where the server starts without NATS
   * @throws {@link WSA_HUB_ERR_OPTION} when it is neither
   */
  constructor (connection: NatsConnection | Promise<NatsConnection>) {
    if (isConnection(connection)) this.#attach(connection)
    else if (!isThenable(connection)) throw new WSA_HUB_ERR_OPTION('bus: Expected a connection to NATS, or a promise of one')
    else connection.then(made => this.#attach(made), (error: unknown) => { this.#reason = messageOf(error) })
  }

  on (topic: string, listener: HubBusListener, callback: () => void = ignore): void {
    let channel = this.#channels.get(topic)
    if (channel === undefined) {
      this.#channels.set(topic, channel = { topic, listeners: new Set(), callbacks: [], ends: [] })
      this.#subscribe(channel)
    }
    channel.listeners.add(listener)
    channel.callbacks.push(callback)
    this.#confirm(channel)
  }

  emit (message: HubBusMessage, callback: (error?: Error | null) => void = ignore): void {
    let failure: Error | undefined
    try {
      // The client would keep it for the time after, and lose it most of the time.
      if (!this.#connected) throw new Error(`NATS is away: ${this.#reason}`)
      this.#connection?.publish(subjectOf(message.topic), encode(message))
    } catch (error) {
      failure = error as Error
    }
    queueMicrotask(() => callback(failure))
  }

  removeListener (topic: string, listener: HubBusListener, callback: () => void = ignore): void {
    const channel = this.#channels.get(topic)
    channel?.listeners.delete(listener)
    // A hub that subscribes again does so at once, and goes on with the subscription that is there: while the server
    // replaced one by another, it would lose messages that it had found the old one for.
    this.#flush().then(() => {
      if (channel?.listeners.size === 0) this.#end(channel)
      callback()
    })
  }

  #attach (connection: NatsConnection): void {
    this.#connection = connection
    this.#connected = true
    this.#watch(connection)
    for (const channel of this.#channels.values()) {
      this.#subscribe(channel)
      this.#confirm(channel)
    }
  }

  async #watch (connection: NatsConnection): Promise<void> {
    for await (const { type } of connection.status()) {
      if (type === 'disconnect') {
        this.#connected = false
        this.#reason = 'the connection is lost'
      } else if (type === 'reconnect') {
        this.#connected = true
        // The client has subscribed again. What was not confirmed before can be confirmed now.
        for (const channel of this.#channels.values()) this.#confirm(channel)
      }
    }
    this.#connected = false
    this.#reason = 'the connection is closed'
  }

  #subscribe (channel: Channel): void {
    try {
      for (const subject of subjectsOf(channel.topic)) {
        const end = this.#connection?.subscribe(subject, {
          callback: (error, message) => {
            // NATS refuses a subscription before it confirms it, as where the user may not subscribe to this.
            if (error !== null) {
              channel.callbacks = []
              return this.#end(channel)
            }
            const decoded = decode(message.subject, message.data)
            for (const listener of channel.listeners) listener(decoded, ignore)
          }
        })
        if (end !== undefined) channel.ends.push(end)
      }
    } catch (error) {
      // It is closed, and stays so: messages say the same.
      this.#reason = messageOf(error)
    }
  }

  #end (channel: Channel): void {
    if (this.#channels.get(channel.topic) === channel) this.#channels.delete(channel.topic)
    for (const end of channel.ends.splice(0)) end.unsubscribe()
  }

  async #confirm (channel: Channel): Promise<void> {
    if (channel.ends.length === 0 || !await this.#flush()) return
    for (const callback of channel.callbacks.splice(0)) callback()
  }

  /**
   * Waits until the server has taken everything that was sent so far. One question does for everybody who asks at once.
   *
   * @returns `false` where the connection was lost before
   */
  #flush (): Promise<boolean> {
    this.#flushing ??= Promise.resolve().then(async () => {
      this.#flushing = undefined
      await this.#connection?.flush()
    }).then(() => true, () => false)
    return this.#flushing
  }
}

function isConnection (value: object): value is NatsConnection {
  const { publish, subscribe, flush, status } = value as Partial<NatsConnection>
  return [publish, subscribe, flush, status].every(method => typeof method === 'function')
}

/** The subjects of a pattern: `>` of NATS needs a level more than `#`. */
function subjectsOf (pattern: string): string[] {
  if (pattern === '#') return ['>']
  if (!pattern.endsWith('/#')) return [subjectOf(pattern, true)]
  const above = subjectOf(pattern.slice(0, -2), true)
  return [above, `${above}.>`]
}

/** Levels become tokens: an empty one, which NATS does not have, is `=`, and so begins what is escaped. */
function subjectOf (topic: string, wildcard = false): string {
  return topic.split('/').map(level => {
    if (level === '') return '='
    if (level === '+' && wildcard) return '*'
    return level.replace(ESCAPED, unit => `=${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
  }).join('.')
}

function topicOf (subject: string): string {
  return subject.split('.').map(token => token === '='
    ? ''
    : token.replace(/=([0-9a-f]{4})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
  ).join('/')
}

/** The subject has the topic: what a user may publish is decided by that. */
function encode ({ topic, payload, ...members }: HubBusMessage): Uint8Array {
  const head = Buffer.from(JSON.stringify(members))
  return payload instanceof Uint8Array ? Buffer.concat([head, Buffer.of(SEPARATOR), payload]) : head
}

/** What is not from a hub has a topic alone, which the hub counts as invalid. */
function decode (subject: string, data: Uint8Array): HubBusMessage {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  const end = bytes.indexOf(SEPARATOR)
  let members: object = {}
  try {
    members = JSON.parse(bytes.toString('utf8', 0, end === -1 ? bytes.length : end))
  } catch {}
  return { ...members, topic: topicOf(subject), payload: end === -1 ? undefined : bytes.subarray(end + 1) }
}

function messageOf (error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function ignore (): void {}
