import type { AirlockError } from '../errors.js'
import type { ConnectOptions } from '../options.js'
import type { Connection } from '../types.js'

/** A user who is there. */
export interface PresenceUser<State = unknown> {
  /** The user's id. */
  readonly subject: string
  /** How many connections it has. */
  readonly connections: number
  /** What it shows of itself; missing where it has set nothing. */
  readonly state?: State
}

/** Who is there, as far as the client knows. It is replaced, never modified. */
export interface PresenceView<State = unknown> {
  /** `waiting` before the first answer, and while the connection is lost: then `users` is what was known before. */
  readonly status: 'waiting' | 'live' | 'closed'
  /** Each user once, in the order in which they became known. A server may show only some of very many. */
  readonly users: ReadonlyArray<PresenceUser<State>>
  /** How many are there. */
  readonly total: number
  /** What ended it: the server has refused or ended it, or the connection is over. `null` while it lives. */
  readonly error: AirlockError | null
}

/** One look at who is there, over all the sockets that it takes to keep it. */
export interface Presence<State = unknown> {
  /** The topic; `''` for everyone. */
  readonly topic: string
  /** Who is there now. */
  readonly view: PresenceView<State>
  /**
   * Sets what the own user shows of itself in this topic, now and after each reconnection, until {@link leave}. The last of several in a short
   * time counts.
   *
   * @param state any JSON value of at most 1 KiB (the server's default); `null` for none
   */
  set (state: State | null): void
  /** Ends it. Others that look at the topic stay; with the last of them, the own state goes. */
  leave (): void
}

/** A connection that knows who is there. */
export interface PresenceConnection<In = unknown, Out = unknown> extends Connection<In, Out> {
  /**
   * Watches who is there, now or when the connection is open, and again after each reconnection. All that look at one topic share
   * one watch on the wire.
   *
   * @param topic a topic; `''` for everyone who is connected
   * @param listener called at first, and for each change
   * @throws {@link AirlockError} `WSA_CLIENT_ERR_OPTIONS` when the topic is too long
   * @example
   * const room = connection.presence<{ typing: boolean }>('room/7', ({ users }) => { show(users) })
   * room.set({ typing: true })
   */
  presence<State = unknown> (topic: string, listener?: (view: PresenceView<State>) => void): Presence<State>
}

/** Options of {@link connectPresence}. */
export interface ConnectPresenceOptions<In, Out, Base extends Connection<In, Out>> extends ConnectOptions<In, Out> {
  /**
   * What connects: `connectTopics`, for a connection that has topics as well.
   * @default connect
   */
  connect?: ((options: ConnectOptions<In, Out>) => Base) | undefined
}
