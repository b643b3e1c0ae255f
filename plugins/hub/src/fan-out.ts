import { grants, isThenable, LARGE_QUEUE_BYTES, type Misuse, noteWritten, type Rule } from '@fastify-airlock/core'
import { MAX_JOINED_BYTES } from './batch.js'
import { type Connection, OPEN } from './connection.js'
import { channels, type HubOwner, ofHub } from './events.js'
import type { Frame } from './frame.js'
import type { SlowConsumerAction, WsHubOptions } from './options.js'
import { Outbox } from './outbox.js'
import type { HubStats } from './status.js'
import type { SendOptions } from './types.js'

const FILTERS = grants('filter')
const DECIDES: Rule = { hook: 'slowConsumer', expected: 'an action', cure: "return 'send', 'drop' or 'terminate'" }
const ACTIONS = new Set<unknown>(['terminate', 'drop', 'send'] satisfies SlowConsumerAction[])

/** Settings of a {@link FanOut}. */
export interface FanOutSettings {
  /** Whom events are about; needed where somebody subscribes to them. */
  owner?: HubOwner
  maxBufferedBytes: number
  slowConsumer: NonNullable<WsHubOptions['slowConsumer']>
  stats: HubStats
  misuse: Misuse
  /** Ends a connection at once. */
  terminate: (connection: Connection, reason: 'slow' | 'failed') => void
  /** Called with what a connection threw. */
  onError: (error: unknown) => void
  /**
   * A monotonic clock, in milliseconds.
   * @default performance.now
   */
  now?: () => number
}

/** Sends one message to many connections, and to none more than it can take. */
export class FanOut {
  readonly #settings: FanOutSettings
  readonly #outbox: Outbox

  constructor (settings: FanOutSettings) {
    this.#settings = settings
    this.#outbox = new Outbox(settings.now)
  }

  /** @returns how many connections took the frame */
  distribute (connections: Iterable<Connection>, frame: Frame, options?: SendOptions): number {
    const { maxBufferedBytes, stats } = this.#settings
    const outbox = this.#outbox
    // What has more waiting may not have it, or is looked after by others from there on.
    const room = Math.min(maxBufferedBytes, LARGE_QUEUE_BYTES) - frame.bytes.length
    let delivered = 0
    for (const connection of connections) {
      const { socket } = connection
      if (socket.readyState !== OPEN || (options !== undefined && !this.isMeant(connection, options))) continue
      try {
        const much = socket.bufferedAmount > room
        if (much && !this.#makeRoom(connection, frame)) continue
        if (connection.enqueue(frame)) outbox.add(connection)
        if (much) noteWritten(socket)
        delivered++
      } catch (error) {
        this.#settings.onError(error)
        this.#recordDrop(connection, 'failed', frame)
        // It has missed a message: better that its client connects again than that it goes on with a gap.
        this.#settings.terminate(connection, 'failed')
      }
    }
    stats.deliveries += delivered
    return delivered
  }

  /** Whether the sender of a message means a connection. */
  isMeant ({ socket, identity }: Connection, { except, filter }: SendOptions): boolean {
    return socket !== except && (filter === undefined || this.#settings.misuse.isGrantedNow(FILTERS, filter(identity, socket)))
  }

  /**
   * Whether a frame may wait for a connection that may not be sent anything of its topic now.
   *
   * @param held bytes that wait already
   */
  hasRoom (connection: Connection, frame: Frame, held: number): boolean {
    try {
      if (connection.socket.bufferedAmount + held + frame.bytes.length <= this.#settings.maxBufferedBytes) return true
      const action = this.#actionFor(connection, frame)
      if (action === 'send') return true
      this.#recordDrop(connection, 'slow', frame)
      if (action !== 'drop') this.#settings.terminate(connection, 'slow')
    } catch (error) {
      this.#settings.onError(error)
      this.#recordDrop(connection, 'failed', frame)
      this.#settings.terminate(connection, 'failed')
    }
    return false
  }

  /** @returns whether the frame may be sent */
  #makeRoom (connection: Connection, frame: Frame): boolean {
    const { maxBufferedBytes } = this.#settings
    if (connection.socket.bufferedAmount + frame.bytes.length <= maxBufferedBytes) return true
    // Let the kernel take what it can: waiting for a slice, or much in one turn, does not make a connection slow.
    if (this.#outbox.isBehind || connection.waiting > MAX_JOINED_BYTES) {
      connection.flush()
      if (connection.socket.bufferedAmount + frame.bytes.length <= maxBufferedBytes) return true
    }
    const action = this.#actionFor(connection, frame)
    if (action === 'send') return true
    this.#recordDrop(connection, 'slow', frame)
    // Not closed: behind a full pipe a close frame would wait as long as the messages.
    if (action !== 'drop') this.#settings.terminate(connection, 'slow')
    return false
  }

  #actionFor ({ socket, subject }: Connection, { bytes }: Frame): SlowConsumerAction {
    const { slowConsumer, misuse } = this.#settings
    if (typeof slowConsumer === 'string') return slowConsumer
    const action = slowConsumer(socket, { subject, bufferedBytes: socket.bufferedAmount, messageBytes: bytes.length })
    if (ACTIONS.has(action)) return action
    // Nobody awaits it, and a rejection would end the process.
    if (isThenable(action)) Promise.resolve(action).catch(() => {})
    misuse.answer(DECIDES, action)
    return 'terminate'
  }

  #recordDrop ({ socket, subject }: Connection, reason: 'slow' | 'failed', { bytes }: Frame): void {
    this.#settings.stats.drops[reason]++
    if (channels.drop.hasSubscribers) channels.drop.publish(ofHub({ socket, subject, reason, bytes: bytes.length }, this.#settings.owner as HubOwner))
  }
}
