import type { AirlockError } from './errors.js'

/** What a `close` event says. */
export interface CloseDetails {
  code: number
  reason: string
  wasClean: boolean
}

/** How a socket ended, and what its listeners get to see of it. */
export interface End extends CloseDetails {
  /** Of an attempt that failed: only then is there an `error` event. */
  error?: AirlockError | undefined | false
  /** Whether the `error` event says the code too. */
  onError?: boolean | undefined
}

/** A `close` event, also where the platform has none, as Node 20. */
export type CloseEventLike = Event & Readonly<CloseDetails>

/** An `error` event that says what went wrong, which those of browsers do not. */
export type ErrorEventLike = Event & { readonly message: string, readonly error: AirlockError, readonly code?: number, readonly reason?: string }

class OwnCloseEvent extends Event {
  readonly code: number
  readonly reason: string
  readonly wasClean: boolean

  constructor (type: string, { code = 0, reason = '', wasClean = false, ...init }: EventInit & Partial<CloseDetails> = {}) {
    super(type, init)
    this.code = code
    this.reason = reason
    this.wasClean = wasClean
  }
}

/** Creates a `close` event. */
export function closeEvent (details: CloseDetails): CloseEventLike {
  return new (globalThis.CloseEvent ?? OwnCloseEvent)('close', details)
}

/** Creates an `error` event. */
export function errorEvent (error: AirlockError, details?: { code: number, reason: string }): ErrorEventLike {
  return Object.assign(new Event('error'), { error, message: error.message }, details)
}

/** Creates a `message` event. */
export function messageEvent (data: string | ArrayBuffer | Blob, origin: string): MessageEvent {
  return new MessageEvent('message', { data, origin })
}
