import type { Answer } from './verdict.js'

/** A WebSocket that does what no client would do. */
export interface RawSocket {
  /** Whether the upgrade succeeded. */
  readonly opened: Promise<boolean>
  /** Whether `auth_ok` came before the end. */
  readonly welcomed: Promise<boolean>
  /** How it ended: by the server, or because the patience ran out. */
  readonly ended: Promise<Answer>
  /** Sends a text as it is, and anything else as JSON. */
  send (message: unknown): void
  close (): void
}

/** What an attempt to open a WebSocket shows. */
export interface Attempt {
  /** The credential, in its usual carrier. */
  ticket?: string
  /** One more, in another carrier. */
  another?: string
  /**
   * The subprotocol that is offered.
   * @default that of the route
   */
  subprotocol?: string
  /**
   * Which route: the usual one, or one that only admins may use.
   * @default the usual one
   */
  route?: 'admin'
}

/** What a scenario may use. */
export interface Tools {
  open (attempt: Attempt): RawSocket
  /** Opens from a page whose origin is `null`. */
  openElsewhere (ticket: string): Promise<Answer>
  ticket (): Promise<{ ticket: string, expiresIn: number }>
  /** The JWT of the user who is logged in. */
  token (): Promise<string>
  /** A valid JWT of another user. */
  otherToken (): Promise<string>
  /** The message that shows a JWT. */
  auth (token: string): object
  /** Waits, in milliseconds. */
  wait (ms: number): Promise<void>
}
