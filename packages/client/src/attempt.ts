import { ALIVE_GRACE_MS, type ALIVE_MESSAGE, type AuthOkMessage, type CloseCode, parseServerMessage, type SUBPROTOCOL } from '@fastify-airlock/protocol'
import { createTimer, now } from './clock.js'
import type { Emitter } from './emitter.js'
import { fault, type AirlockError } from './errors.js'
import { LONG_HIDDEN_MS, SECOND_LOOK_MS } from './limits.js'
import type { ConnectSettings } from './options.js'
import { createRefresher } from './refresher.js'
import { askTicket, carry, type Ticket } from './ticket.js'
import { askToken, tokenFrame } from './token.js'
import type { Events, Status, Timings, WebSocketLike } from './types.js'
import { judgeClose } from './verdict.js'

/**
 * Matches every control message and few others: JSON without escapes shows a type as it is. Whatever does not match,
 * binary messages included, is not parsed twice.
 */
export const CONTROL = /\\u|"(auth_|expiring|refresh_)/

/** What is known when the connection opens. */
export type Admission = Pick<Events<unknown>['open'], 'user' | 'expiresAt'> & Pick<AuthOkMessage, 'alive' | 'messageRate'>

/** What an attempt reports. */
export interface AttemptHost {
  enter (status: Status): void
  open (admission: Admission, timings: Timings): void
  message (data: string | ArrayBuffer): void
  emit: Emitter<Pick<Events<unknown>, 'expiring' | 'refreshed' | 'error'>>['emit']
  /**
   * The attempt is over. Nothing follows.
   *
   * @param token the last JWT that the server was sent
   */
  ended (error: AirlockError, code: number, reason: string, token: string | undefined): void
}

/** One attempt, from the ticket request to the end of its socket. */
export interface Attempt {
  readonly socket: WebSocketLike | undefined
  /** Resolves with the server's answer. At most one refresh runs at a time. */
  refresh (): Promise<void>
  /**
   * Finds out whether the server is still there: the page woke.
   *
   * @param away for how long it was hidden, in milliseconds
   */
  wake (away: number): void
  /** Ends the attempt without telling the host. */
  drop (error: AirlockError, code?: number, reason?: string): void
}

/**
 * Starts an attempt. One deadline covers everything up to `open`.
 *
 * @param attempt failed attempts since a connection last opened
 * @param rejectedToken the JWT that the server has just refused
 */
export function startAttempt (settings: ConnectSettings, attempt: number, rejectedToken: string | undefined, host: AttemptHost): Attempt {
  const { getTicket, getToken } = settings
  const controller = new AbortController()
  const { signal } = controller
  const timings: Timings = { ticket: 0, upgrade: 0, auth: 0 }
  let lapStart = now()
  let socket: WebSocketLike | undefined
  let removeCookie: (() => void) | undefined
  let lastToken: string | undefined
  let upgraded = false
  let open = false

  /** The longest silence; 0 without signs of life. */
  let limit = 0
  /** When a message last came. Not by the clock of `performance`, which may stand still while the machine sleeps. */
  let heardAt: number

  const deadline = createTimer()
  deadline(settings.timeout, () => { end(fault('TIMEOUT')) })
  const refresher = createRefresher(
    settings,
    (attempt, mustDiffer) => askToken(settings, { signal, attempt, reason: 'refresh' }, mustDiffer ? lastToken : undefined),
    token => { sendToken('refresh', token) },
    error => { host.emit('error', error) },
    end
  )

  Promise.all([
    getTicket && askTicket(getTicket, { signal, attempt }),
    getToken && askToken(settings, { signal, attempt, reason: rejectedToken ? 'rejected' : 'connect' }, rejectedToken)
  ]).then(dial, end)

  function lap (): number {
    return -lapStart + (lapStart = now())
  }

  function dial ([ticket, token]: [Ticket | undefined, string | undefined]): void {
    if (signal.aborted) return
    timings.ticket = lap()
    const protocols = settings.protocols?.length ? settings.protocols : [ticket?.protocol ?? ('airlock.v1' satisfies typeof SUBPROTOCOL)]
    const offer = [...protocols]
    const url = new URL(settings.url)
    try {
      if (ticket) removeCookie = carry(settings, ticket.ticket, url, offer)
      socket = new settings.WebSocket(url.href, offer)
    } catch {
      // Without the cause: it may quote the offer, and with it the ticket.
      return end(fault('OPTIONS', 'protocols'))
    }
    socket.binaryType = 'arraybuffer'
    socket.onmessage = receive
    // Node 22 reports a failed upgrade by this event alone. Elsewhere a close without a code follows.
    socket.onerror = () => { if (!upgraded) closed({}) }
    socket.onclose = closed
    socket.onopen = () => {
      if (signal.aborted) return
      timings.upgrade = lap()
      upgraded = true
      removeCookie?.()
      // Browsers check that the server selected an offered subprotocol, but would accept a carrier. Others check nothing.
      if (!protocols.includes(socket!.protocol)) {
        end(fault('PROTOCOL'))
      } else if (token === undefined) {
        succeed({ user: null, expiresAt: null, alive: settings.alive as number })
      } else {
        sendToken('auth', token, { final: [4410 satisfies typeof CloseCode.LOGGED_OUT, ...settings.finalCodes ?? []], alive: settings.alive !== false, messageRate: true })
        host.enter('authenticating')
      }
    }
    host.enter('connecting')
  }

  function sendToken (type: 'auth' | 'refresh', token: string, asked?: object): void {
    lastToken = token
    socket?.send(tokenFrame(type, token, asked, settings.maxAuthBytes))
  }

  function succeed (admission: Admission): void {
    deadline()
    // With one door the server names no interval: `true` is no number.
    if (admission.alive! > 0 && admission.alive !== true as never) {
      limit = admission.alive! + ALIVE_GRACE_MS - SECOND_LOOK_MS
      hear()
    }
    open = true
    host.open(admission, timings)
  }

  function hear (): void {
    heardAt = Date.now()
    if (limit) deadline(limit, suspect)
  }

  /** A timer may be late, and fire before messages are read that have come: a second look decides. */
  function suspect (): void {
    deadline(SECOND_LOOK_MS, () => { end(fault('TIMEOUT', 'silent')) })
  }

  function receive ({ data }: { data: string | ArrayBuffer }): void {
    if (signal.aborted) return
    hear()
    if (limit && data === ('{"type":"alive"}' satisfies typeof ALIVE_MESSAGE)) return
    const message = getToken && CONTROL.test(data as string) && parseServerMessage(data as string)
    if (!message) {
      if (open) host.message(data)
    } else if (message.type === 'auth_error') {
      // The server's last message. Its close frame says the same, but the connection may break before that arrives.
      closed(message)
    } else if (message.type === 'auth_ok') {
      if (!open) {
        timings.auth = lap()
        succeed(message)
      }
    } else if (open && message.type !== 'alive') {
      const { type, expiresAt } = message
      const event = type === 'expiring' ? type : 'refreshed'
      refresher[event]()
      host.emit(event, { expiresAt })
    }
  }

  function closed ({ code, reason = '' }: { code?: number, reason?: string }): void {
    // Deno says 0 where there was no close frame.
    code ||= 1006
    end(judgeClose(code, reason, !upgraded && getTicket, getToken, settings.finalCodes), code, reason)
  }

  function end (error: AirlockError, code = 1006, reason = ''): void {
    if (signal.aborted) return
    drop(error)
    host.ended(error, code, reason, lastToken)
  }

  function drop (error: AirlockError, code?: number, reason?: string): void {
    controller.abort()
    deadline()
    removeCookie?.()
    refresher.stop(error)
    // The listeners stay on and do nothing: `ws` throws the error of a socket that is closed while it connects, unless
    // something listens.
    socket?.close(code, reason)
  }

  return {
    get socket () { return socket },
    refresh: refresher.refresh,
    wake (away) {
      if (limit && Date.now() - heardAt > limit) suspect()
      if (getToken && away > LONG_HIDDEN_MS) refresher.probe()
    },
    drop
  }
}
