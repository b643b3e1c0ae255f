import { AirlockError, connect, CONNECT_DEFAULTS, type Connection, type SendOptions } from '@fastify-airlock/client'
import { isEnabled, type AirlockSocketOptions, type SocketHandlers } from './options.js'
import type { Snapshot } from './types.js'

/** The state of a socket before there is a connection, and on a server. */
export const IDLE: Snapshot<never, never> = Object.freeze({
  status: 'idle', user: null, error: null, lastMessage: undefined, connection: null
})

/** Follows the state and the events of a socket. */
export interface Follower<In> {
  /** The functions to call for events, or `null`. */
  readonly handlers: SocketHandlers<In> | null
  /** The state has changed. */
  changed (before: Snapshot<In, any>, after: Snapshot<In, any>): void
}

/**
 * Holds the connection of one mounted component: starts and ends it, and turns its events into snapshots and calls of
 * handlers. All it knows of React is the order of the calls: `configure`, then `start`, then the function that `start`
 * returned. StrictMode's simulated unmount repeats the last two.
 */
export class SocketStore<In = unknown, Out = unknown> {
  /** The current state. */
  snapshot: Snapshot<In, Out> = IDLE
  /** The options of the last render; `null` while the component is not mounted. */
  #options: AirlockSocketOptions<In, Out> | null = null
  readonly #followers = new Set<Follower<In>>()
  /** Messages that effects of the first render sent before the connection started. */
  #early: Out[] = []
  #removeListeners: Array<() => void> = []

  /** Sets the options of a committed render, or `null` when the component unmounts. */
  configure (options: AirlockSocketOptions<In, Out> | null): void {
    this.#options = options
  }

  /** Adds a follower. @returns a function that removes it */
  follow (follower: Follower<In>): () => void {
    this.#followers.add(follower)
    return () => { this.#followers.delete(follower) }
  }

  /**
   * Starts a connection, but in a microtask: StrictMode mounts, unmounts and mounts again within one task, and a ticket
   * that was requested cannot be given back.
   *
   * @returns a function that ends it
   */
  start (): () => void {
    let stopped = false
    queueMicrotask(() => { if (!stopped && this.snapshot.status === 'idle') this.#connect() })
    return () => {
      stopped = true
      this.#end()
    }
  }

  /** See {@link AirlockSocket.send}. */
  readonly send = (message: Out, options?: SendOptions): boolean => {
    const { connection, status } = this.snapshot
    if (connection !== null) return connection.send(message, options)
    if (!this.#enabled() || status === 'closed') {
      throw new AirlockError('WSA_CLIENT_ERR_CLOSED', 'There is no connection')
    }
    if (options?.volatile) return false
    if (this.#early.length >= (this.#options?.queue?.messages ?? CONNECT_DEFAULTS.messages)) {
      throw new AirlockError('WSA_CLIENT_ERR_QUEUE_FULL', 'Too many messages wait for the connection')
    }
    this.#early.push(message)
    return false
  }

  /** See {@link AirlockSocket.close}. */
  readonly close = (code?: number, reason?: string): void => {
    const { connection } = this.snapshot
    if (connection !== null) return connection.close(code, reason)
    if (!this.#enabled()) return
    this.#early = []
    this.#set({ status: 'closed' })
  }

  /** See {@link AirlockSocket.reconnect}. */
  readonly reconnect = (): void => {
    const { connection, status } = this.snapshot
    if (status !== 'closed') connection?.retryNow()
    else if (this.#options !== null) this.#connect()
  }

  #enabled (): boolean {
    return this.#options !== null && isEnabled(this.#options)
  }

  #connect (): void {
    const { enabled, onOpen, onMessage, onClose, onUncertain, onError, getTicket, getToken, connect: open = connect, ...options } = this.#options!
    let connection: Connection<In, Out>
    try {
      connection = open({
        ...options,
        getTicket: getTicket && (context => (this.#options?.getTicket ?? getTicket)(context)),
        getToken: getToken && (context => (this.#options?.getToken ?? getToken)(context))
      })
    } catch (error) {
      if (!(error instanceof AirlockError)) throw error
      this.#early = []
      this.#set({ ...IDLE, status: 'closed', error })
      return this.#call('onError', error)
    }
    this.#listen(connection)
    this.#set({ ...IDLE, status: connection.status, connection })
    for (const message of this.#early.splice(0)) attempt(() => connection.send(message))
  }

  #listen (connection: Connection<In, Out>): void {
    this.#removeListeners = [
      connection.on('status', status => this.#set({
        status,
        user: connection.user,
        error: status === 'open' ? null : status === 'closed' ? connection.error : this.snapshot.error
      })),
      connection.on('waiting', ({ error }) => this.#set({ error })),
      connection.on('message', message => {
        this.#set({ lastMessage: message })
        this.#call('onMessage', message)
      }),
      connection.on('open', event => this.#call('onOpen', event)),
      connection.on('uncertain', event => this.#call('onUncertain', event)),
      connection.on('close', info => this.#call('onClose', info)),
      connection.on('error', error => this.#call('onError', error))
    ]
  }

  #end (): void {
    const { connection } = this.snapshot
    this.#early = []
    for (const remove of this.#removeListeners.splice(0)) remove()
    connection?.close()
    this.#set(IDLE)
  }

  #set (change: Partial<Snapshot<In, Out>>): void {
    const before = this.snapshot
    const after = this.snapshot = { ...before, ...change }
    for (const follower of this.#followers) follower.changed(before, after)
  }

  #call<Name extends keyof SocketHandlers<In>> (
    name: Name, event: Parameters<NonNullable<SocketHandlers<In>[Name]>>[0]
  ): void {
    const call = (handlers: SocketHandlers<In> | null): void => {
      const handler = handlers?.[name] as ((event: unknown) => void) | undefined
      if (handler !== undefined) attempt(() => handler(event))
    }
    call(this.#options)
    // A copy, because a handler may mount components. Handlers are read one by one, because a handler may unmount others.
    for (const follower of [...this.#followers]) call(follower.handlers)
  }
}

/** Calls a function of the application. An error is reported as uncaught, so that everybody else still gets the event. */
function attempt (call: () => unknown): void {
  try {
    call()
  } catch (error) {
    queueMicrotask(() => { throw error })
  }
}
