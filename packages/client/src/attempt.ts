import {
  CLOSE_TIMEOUT_MS, MAX_CONTROL_BYTES, parseServerMessage, type AuthErrorMessage, type ProtocolUser
} from '@fastify-airlock/protocol'
import { backoff, later } from './backoff.js'
import { AirlockError } from './errors.js'
import type { Settings } from './options.js'
import { sizeOf } from './queue.js'
import { createRenewal } from './renewal.js'
import { aim, readTicket, type Target, type Ticket } from './ticket.js'
import type { Status, Timings, TokenContext, WebSocketLike, WireData } from './types.js'
import { judgeAnswer, judgeClose, never, timedOut, type Verdict } from './verdict.js'

// Without an escape in it, JSON shows the type of a control message as it is: all else need not be parsed twice.
const CONTROL = /\\u|"(?:auth_ok|auth_error|expiring|refresh_ok)"/

/** What an attempt tells of itself. */
export interface AttemptHost {
  status (status: Status): void
  open (user: ProtocolUser | null, expiresAt: number | null, timings: Timings): void
  message (data: string | ArrayBuffer): void
  expiring (expiresAt: number): void
  refreshed (expiresAt: number): void
  /** Something failed that did not end it. */
  failed (error: AirlockError): void
  /** It is over; nothing follows. */
  ended (verdict: Verdict, code: number, reason: string): void
}

/** One attempt, from the ticket request to the end of its socket. */
export interface Attempt {
  /** The JWT that the server has seen last. */
  readonly token: string | undefined
  readonly protocol: string
  readonly bufferedAmount: number
  /** @returns whether the socket took it: not any more once the closing has begun */
  send (data: WireData): boolean
  refresh (): Promise<void>
  /** Finds out whether the server is still there, where it can be asked. */
  probe (): void
  /** Ends it without a word to the host. */
  drop (error: AirlockError, code?: number, reason?: string): void
}

/**
 * Starts an attempt. One deadline covers everything up to `open`.
 *
 * @param count attempts since the last success
 * @param rejected the JWT that the server has just refused
 */
export function startAttempt (settings: Settings, count: number, rejected: string | undefined, host: AttemptHost): Attempt {
  const { getTicket, getToken, timeout, min, max, random } = settings
  const controller = new AbortController()
  const { signal } = controller
  const timings: Timings = { ticket: 0, upgrade: 0, auth: 0 }
  let since = performance.now()
  let deadline = later(timeout, () => { end(timedOut('The attempt')) })
  let socket: WebSocketLike | undefined
  let target: Target | undefined
  let token: string | undefined
  let opened = false
  let ready = false
  let refusal: AuthErrorMessage | undefined

  const renewal = createRenewal({
    timeout,
    backoff: n => backoff(n, min, max, random),
    ask: async (signal, expiring) => await askToken({ signal, attempt: 0, reason: 'refresh' }, expiring ? token : undefined),
    send (fresh) {
      token = fresh
      socket?.send(frame('refresh', fresh))
    },
    failed: host.failed,
    dead: end
  })

  Promise.all([
    getTicket && ask(() => getTicket({ signal, attempt: count })).then(readTicket),
    getToken && askToken({ signal, attempt: count, reason: rejected === undefined ? 'connect' : 'rejected' }, rejected)
  ]).then(([ticket, fresh]) => { if (!signal.aborted) dial(ticket, fresh) }, end)

  /** @throws a `Verdict` that ends the connection: there is none, it is `useless`, or no server takes one so long */
  async function askToken (context: TokenContext, useless: string | undefined): Promise<string> {
    const fresh = await ask(() => getToken?.(context))
    if (fresh == null) throw never('WSA_CLIENT_ERR_UNAUTHENTICATED', 'There is no JWT')
    if (fresh === useless) {
      const verdict = never('WSA_CLIENT_ERR_UNAUTHENTICATED', 'getToken gave the same JWT again')
      // Another one may come while the connection lives.
      if (context.reason === 'refresh') verdict.retry = 'later'
      throw verdict
    }
    if (typeof fresh !== 'string' || fresh === '' || sizeOf(frame('refresh', fresh)) > MAX_CONTROL_BYTES) {
      throw never('WSA_CLIENT_ERR_OPTIONS', 'getToken gave what can not be a JWT')
    }
    return fresh
  }

  function lap (): number {
    const before = since
    since = performance.now()
    return since - before
  }

  function dial (ticket: Ticket | undefined, fresh: string | undefined): void {
    timings.ticket = lap()
    token = fresh
    try {
      target = aim(settings, ticket)
      socket = new settings.WebSocket(target.url, target.offer)
    } catch {
      // Without the cause: it may quote the offer, and with it the ticket.
      end(never('WSA_CLIENT_ERR_OPTIONS', 'The WebSocket does not take the URL or the protocols'))
      return
    }
    socket.binaryType = 'arraybuffer'
    socket.onopen = accepted
    socket.onmessage = event => { received(event.data) }
    // Node 22 fires nothing else when the upgrade fails; everywhere else a close without a code follows.
    socket.onerror = () => { if (!opened) closed(1006, '') }
    socket.onclose = event => { closed(event.code, event.reason) }
    host.status('connecting')
  }

  function accepted (): void {
    const { protocol } = socket as WebSocketLike
    const { protocols, clear } = target as Target
    timings.upgrade = lap()
    opened = true
    clear?.()
    if (!(protocols.length > 0 ? protocols : ['']).includes(protocol) || /^(?:ticket|bearer)\./.test(protocol)) {
      end(never('WSA_CLIENT_ERR_PROTOCOL', 'The server selected no subprotocol that was offered'))
    } else if (token === undefined) {
      pass(null, null)
    } else {
      socket?.send(frame('auth', token))
      host.status('authenticating')
    }
  }

  function pass (user: ProtocolUser | null, expiresAt: number | null): void {
    clearTimeout(deadline)
    ready = true
    host.open(user, expiresAt, timings)
  }

  function received (data: string | ArrayBuffer): void {
    const message = getToken && typeof data === 'string' && CONTROL.test(data) ? parseServerMessage(data) : null
    if (message?.type === 'auth_error') {
      refusal = message
      clearTimeout(deadline)
      // The server has said its last word: its close frame is not waited for any longer than it would wait for ours.
      deadline = later(Math.min(timeout, CLOSE_TIMEOUT_MS), () => { closed(1006, '') })
    } else if (message?.type === 'auth_ok') {
      if (ready) return
      timings.auth = lap()
      pass(message.user, message.expiresAt)
    } else if (ready || !getToken) {
      if (message === null) host.message(data)
      else if (message.type === 'expiring') {
        renewal.demand()
        host.expiring(message.expiresAt)
      } else {
        renewal.settle()
        host.refreshed(message.expiresAt)
      }
    }
  }

  function closed (code: number, reason: string): void {
    // 1005 and 1006 stand for a missing close frame, or for one without a code.
    if (refusal && (code === 1005 || code === 1006)) ({ code, reason } = refusal)
    end(judgeClose(code, reason, opened, getTicket !== undefined, getToken !== undefined), code, reason)
  }

  function end (verdict: Verdict, code = 1006, reason = ''): void {
    if (signal.aborted) return
    drop(verdict.error)
    host.ended(verdict, code, reason)
  }

  function drop (error: AirlockError, code?: number, reason?: string): void {
    controller.abort()
    clearTimeout(deadline)
    target?.clear?.()
    renewal.stop(error)
    if (socket === undefined) return
    socket.onopen = socket.onmessage = socket.onclose = null
    // ws throws the error of a socket that is closed while it connects, unless somebody listens.
    socket.onerror = () => {}
    socket.close(code, reason)
  }

  return {
    get token () { return token },
    get protocol () { return socket?.protocol ?? '' },
    get bufferedAmount () { return socket?.bufferedAmount ?? 0 },
    send (data) {
      if (socket?.readyState !== 1) return false
      socket.send(data)
      return true
    },
    refresh: renewal.refresh,
    probe () { if (getToken) renewal.probe() },
    drop
  }
}

function frame (type: 'auth' | 'refresh', token: string): string {
  return JSON.stringify({ type, token })
}

/** @throws a `Verdict` on what the application's function threw */
async function ask<Answer> (question: () => Answer | Promise<Answer>): Promise<Answer> {
  try {
    return await question()
  } catch (error) {
    throw judgeAnswer(error)
  }
}
