import type { ServerEvent } from '@fastify-airlock/core'
import { channel } from 'node:diagnostics_channel'

/** Message on the `node:diagnostics_channel` named `airlock:proxy:open`: an upstream has accepted. */
export interface ProxyOpenEvent extends ServerEvent {
  /** Time that `headers()` and the upstream took, in milliseconds. */
  duration: number
}

/** Message on the `node:diagnostics_channel` named `airlock:proxy:close`: a connection to an upstream ends. */
export interface ProxyCloseEvent extends ServerEvent {
  /** Who ended it. */
  by: 'client' | 'upstream' | 'idle'
  /** The received close code, or 1006 if the connection broke; the sent one if `by` is `'idle'`. */
  code: number
  /** Time since the upstream accepted, in milliseconds. */
  duration: number
}

/** Message on the `node:diagnostics_channel` named `airlock:proxy:refuse`: there is no connection to an upstream. */
export interface ProxyRefuseEvent extends ServerEvent {
  /** The HTTP status, even if it could not be sent any more. */
  statusCode: number
  /** The code of the error, `WSA_PROXY_ERR_…`; the code or name of an error that `headers()` threw. */
  code: string
}

/** The plugin's diagnostics channels. Check `hasSubscribers` before you make a message. */
export const channels = {
  open: channel('airlock:proxy:open'),
  close: channel('airlock:proxy:close'),
  refuse: channel('airlock:proxy:refuse')
} as const
