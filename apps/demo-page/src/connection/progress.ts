import type { Timings } from '@fastify-airlock/client'
import type { SocketStatus } from '@fastify-airlock/react'
import { type ClientError, describeClientError } from './client-error.js'
import type { Refusal } from './refusal.js'

/** The steps from outside to inside. */
export const STEPS = ['login', 'ticket', 'upgrade', 'auth', 'open'] as const
export type StepId = typeof STEPS[number]
export type StepState = 'idle' | 'active' | 'done' | 'refused'

/** The state of the connection, gathered from the client's events. */
export interface Progress {
  status: SocketStatus
  /** The last step that the attempt has reached. */
  step: Exclude<StepId, 'login'>
  /** When that step began, on the clock of `performance.now()`. */
  stepSince: number
  /** How long the steps took, in milliseconds. */
  times: Partial<Timings>
  /** When it opened, in milliseconds since the epoch; `null` while it is not open. */
  openSince: number | null
  /** How the last socket ended. */
  closed: { code: number, reason: string } | null
  /** The client's last error. */
  error: ClientError | null
  refusal: Refusal | null
  /** Why the previous attempt failed, if there was one. */
  before: string | null
  /** When the next attempt starts; `null` if none is planned. */
  next: { at: number } | null
  /** How often the server has accepted a new JWT on this connection. */
  refreshes: number
}

export type ProgressEvent =
  | { type: 'reset' }
  | { type: 'status', status: SocketStatus, now: number }
  | { type: 'open', timings: Timings, at: number }
  | { type: 'closed', code: number, reason: string }
  | { type: 'error', error: ClientError }
  | { type: 'waiting', delay: number, at: number }
  | { type: 'refused', refusal: Refusal }
  | { type: 'refreshed' }

/** Before the first attempt. */
export const NO_PROGRESS: Progress = {
  status: 'idle',
  step: 'ticket',
  stepSince: 0,
  times: {},
  openSince: null,
  closed: null,
  error: null,
  refusal: null,
  before: null,
  next: null,
  refreshes: 0
}

const STEP_OF = { ticket: 'ticket', connecting: 'upgrade', authenticating: 'auth', open: 'open' } as const

/** Applies an event. For `useReducer`. */
export function follow (progress: Progress, event: ProgressEvent): Progress {
  switch (event.type) {
    case 'reset': return NO_PROGRESS
    case 'status': return enter(progress, event)
    case 'open': return { ...progress, times: event.timings, openSince: event.at }
    case 'closed': return { ...progress, closed: { code: event.code, reason: event.reason } }
    case 'error': return { ...progress, error: event.error }
    case 'waiting': return { ...progress, next: { at: event.at + event.delay } }
    case 'refused': return { ...progress, refusal: event.refusal }
    case 'refreshed': return { ...progress, refreshes: progress.refreshes + 1 }
  }
}

function enter (progress: Progress, { status, now }: { status: SocketStatus, now: number }): Progress {
  if (status === 'idle') return NO_PROGRESS
  if (status === 'waiting' || status === 'closed') {
    return { ...progress, status, openSince: null, ...(status === 'closed' && { next: null }) }
  }
  const step = STEP_OF[status]
  if (step === 'ticket') return { ...NO_PROGRESS, status, stepSince: now, before: failureOf(progress) ?? progress.before }
  // The client reports the exact times when it is open. Until then, these are shown.
  const times = step === progress.step || progress.step === 'open'
    ? progress.times
    : { ...progress.times, [progress.step]: now - progress.stepSince }
  return { ...progress, status, step, stepSince: now, times, next: null, ...(status === 'open' && { before: null }) }
}

/** Returns the state of each step. */
export function stepStates ({ status, step }: Progress, isLoggedIn: boolean): Record<StepId, StepState> {
  const at = STEPS.indexOf(step)
  const here: StepState = status === 'open' ? 'done' : isOver(status) ? 'refused' : 'active'
  const stateAt = (index: number): StepState => {
    if (status === 'idle' || index > at) return 'idle'
    return index === at ? here : 'done'
  }
  return {
    login: isLoggedIn ? 'done' : 'active',
    ticket: stateAt(1),
    upgrade: stateAt(2),
    auth: stateAt(3),
    open: stateAt(4)
  }
}

/** Says why it is not open; `null` if nothing went wrong. */
export function failureOf ({ status, step, closed, error, refusal }: Progress): string | null {
  if (!isOver(status)) return null
  if (step === 'ticket') return error === null ? 'Got no ticket.' : describeClientError(error)
  if (step === 'upgrade' && refusal !== null) return `The server refused the upgrade with HTTP ${refusal.statusCode}: ${refusal.message}.`
  const code = closed?.code ?? error?.closeCode
  if (code !== undefined && code !== 1006) {
    const reason = closed?.reason ?? ''
    // The reason is JSON that says when to reconnect.
    if (code === 1012) return 'The server is restarting (1012).'
    return `Closed with ${code}${reason === '' ? '' : `: ${reason}`}.`
  }
  if (step === 'open') {
    return error?.code === 'WSA_CLIENT_ERR_TIMEOUT' ? 'The link was lost: the server was silent for too long.' : 'The connection was lost (1006).'
  }
  if (step === 'upgrade') return 'The upgrade was refused or not answered (1006).'
  return error === null ? 'No answer.' : describeClientError(error)
}

function isOver (status: SocketStatus): boolean {
  return status === 'waiting' || status === 'closed'
}
