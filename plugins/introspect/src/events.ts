import type { ServerEvent } from '@fastify-airlock/core'
import { channel } from 'node:diagnostics_channel'
import type { WebSocket } from 'ws'
import type { IntrospectProblem } from './verdict.js'

/** Message on the `node:diagnostics_channel` named `airlock:introspect:ask`: a question has ended. */
export interface IntrospectAskEvent extends ServerEvent {
  /** `'active'`, why the token is refused, or `'failed'` if there was no reliable answer. */
  outcome: 'active' | 'failed' | IntrospectProblem
  /** How long the question took, in milliseconds. */
  duration: number
}

/** Message on the `node:diagnostics_channel` named `airlock:introspect:close`: a watched connection is closed. */
export interface IntrospectCloseEvent extends ServerEvent {
  /** The connection. */
  socket: WebSocket
  /** The user's id. */
  subject: string
  /** The close code. */
  code: number
  /** The close reason. */
  reason: string
}

/** The plugin's diagnostics channels. Check `hasSubscribers` before you make a message. */
export const channels = {
  ask: channel('airlock:introspect:ask'),
  close: channel('airlock:introspect:close')
} as const
