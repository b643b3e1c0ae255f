import { channel } from 'node:diagnostics_channel'
import type { WebSocket } from 'ws'
import type { TokenProblem } from './verdict.js'

/** What the `node:diagnostics_channel` named `airlock:introspect:ask` carries, once for each question. */
export interface IntrospectAskEvent {
  /** `'active'`, why the token is refused, or `'failed'` where there was no answer to rely on. */
  outcome: 'active' | 'failed' | TokenProblem
  /** How long it took, in milliseconds. */
  duration: number
}

/** What the `node:diagnostics_channel` named `airlock:introspect:close` carries. */
export interface IntrospectCloseEvent {
  /** The connection that is being closed. */
  socket: WebSocket
  /** Whose it was. */
  subject: string
  /** The close code. */
  code: number
  /** The close reason. */
  reason: string
}

/** Where the plugin tells what happens. Ask `hasSubscribers` first: nothing is made for nobody. */
export const channels = {
  ask: channel('airlock:introspect:ask'),
  close: channel('airlock:introspect:close')
} as const
