import { channel } from 'node:diagnostics_channel'

/** What is published on `airlock:proxy:open`. */
export interface ProxyOpenEvent {
  /** Time that `headers()` and the upstream took, in milliseconds. */
  duration: number
}

/** What is published on `airlock:proxy:close`. */
export interface ProxyCloseEvent {
  /** Who ended it. */
  by: 'client' | 'upstream' | 'idle'
  /** The close code that was received, 1006 where the connection broke; that which was sent where `by` is `'idle'`. */
  code: number
  /** Time since the upstream accepted, in milliseconds. */
  duration: number
}

/** What is published on `airlock:proxy:refuse`. */
export interface ProxyRefuseEvent {
  /** The HTTP status, whether it could still be sent or not. */
  statusCode: number
  /** The code of the error, `WSA_PROXY_ERR_…`; code or name of whatever `headers()` threw. */
  code: string
}

/** An upstream has accepted: `airlock:proxy:open`, with a {@link ProxyOpenEvent}. */
export const opened = channel('airlock:proxy:open')

/** A connection to an upstream comes to its end: `airlock:proxy:close`, with a {@link ProxyCloseEvent}. */
export const closed = channel('airlock:proxy:close')

/** There is no connection to an upstream: `airlock:proxy:refuse`, with a {@link ProxyRefuseEvent}. */
export const refused = channel('airlock:proxy:refuse')
