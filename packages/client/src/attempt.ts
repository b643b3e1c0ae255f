import { MAX_CONTROL_BYTES, parseServerMessage, SUBPROTOCOL } from '@fastify-airlock/protocol'
import { backoff, later, now } from './backoff.js'
import { sizeOf } from './codec.js'
import type { Emitter } from './emitter.js'
import { fault, type AirlockError } from './errors.js'
import type { Settings } from './options.js'
import { carry, readTicket, type Ticket } from './ticket.js'
import type { Events, Status, TokenContext, WebSocketLike } from './types.js'
import { judgeAnswer, judgeClose } from './verdict.js'

/**
 * Matches every control message, and few others: without an escape in it, JSON shows a type as it is. What does not
 * match, a binary message among it, need not be parsed twice.
 */
export const CONTROL = /\\u|"(auth_|expiring|refresh_)/

/** Between a refresh that was asked for and the one before, in milliseconds: what a server allows on average. */
const REFRESH_INTERVAL = 1_000

/** What an attempt tells of itself. */
export interface AttemptHost {
  enter (status: Status): void
  open (event: Events<unknown>['open']): void
  message (data: string | ArrayBuffer): void
  emit: Emitter<Pick<Events<unknown>, 'expiring' | 'refreshed' | 'error'>>['emit']
  /**
   * It is over; nothing follows.
   *
   * @param token the JWT that the server has seen last
   */
  ended (error: AirlockError, code: number, reason: string, token: string | undefined): void
}

/** One attempt, from the ticket request to the end of its socket. */
export interface Attempt {
  readonly socket: WebSocketLike | undefined
  /** Resolves with the server's answer; never two are under way. */
  refresh (): Promise<void>
  /** Finds out whether the server is still there, where it can be asked. */
  probe (): void
  /** Ends it without a word to the host. */
  drop (error: AirlockError, code?: number, reason?: string): void
}

/**
 * Starts an attempt. One deadline covers everything up to `open`.
 *
 * @param count attempts since the last success; once it is open, to refresh
 * @param rejected the JWT that the server has just refused
 */
export function startAttempt (settings: Settings, count: number, rejected: string | undefined, host: AttemptHost): Attempt {
  const { getTicket, getToken, timeout } = settings
  const controller = new AbortController()
  const { signal } = controller
  const timings = { ticket: 0, upgrade: 0, auth: 0 }
  let mark = now()
  let deadline = later(timeout, () => { end(fault('TIMEOUT')) })
  let socket: WebSocketLike | undefined
  let clear: (() => void) | undefined
  let token: string | undefined
  let opened = false
  let ready = false

  let pending: Promise<void> | undefined
  /** Ends the refresh that is under way. */
  let conclude: ((error?: AirlockError) => void) | undefined
  /** Whether the server has asked for a refresh; then it is tried again until one succeeds. */
  let demanded = false
  let refreshedAt = -Infinity

  Promise.all([
    getTicket && ask(() => getTicket({ signal, attempt: count })).then(readTicket),
    getToken && askToken(rejected ? 'rejected' : 'connect', rejected)
  ]).then(dial, end)

  /** @throws AirlockError */
  async function askToken (reason: TokenContext['reason'], useless: string | undefined): Promise<string> {
    const fresh = await ask(() => getToken?.({ signal, attempt: count, reason }))
    // While the connection lives, another one may yet come in place of the same one.
    if (!fresh || fresh === useless) throw fault('UNAUTHENTICATED', 'JWT', { retry: fresh && ready ? 'later' : 'never' })
    if (sizeOf(frame('refresh', fresh)) > MAX_CONTROL_BYTES) throw fault('OPTIONS', 'JWT size')
    return fresh
  }

  function sendToken (type: 'auth' | 'refresh', fresh: string): void {
    token = fresh
    socket?.send(frame(type, fresh))
  }

  function lap (): number {
    const before = mark
    mark = now()
    return mark - before
  }

  function dial ([ticket, fresh]: [Ticket | undefined, string | undefined]): void {
    if (signal.aborted) return
    timings.ticket = lap()
    const protocols = settings.protocols?.length ? settings.protocols : [ticket?.protocol ?? SUBPROTOCOL]
    const offer = [...protocols]
    const url = new URL(settings.url)
    try {
      if (ticket) clear = carry(settings, ticket.ticket, url, offer)
      socket = new settings.WebSocket(url.href, offer)
    } catch {
      // Without the cause: it may quote the offer, and with it the ticket.
      return end(fault('OPTIONS', 'protocols'))
    }
    const mine = socket
    mine.binaryType = 'arraybuffer'
    mine.onmessage = receive
    // Node 22 tells of a failed upgrade by nothing else; everywhere else a close without a code follows.
    mine.onerror = () => { if (!opened) closed({}) }
    mine.onclose = closed
    mine.onopen = () => {
      if (signal.aborted) return
      timings.upgrade = lap()
      opened = true
      clear?.()
      // Browsers check that it was offered, but would take a carrier; others do not even look.
      if (!protocols.includes(mine.protocol)) {
        end(fault('PROTOCOL'))
      } else if (fresh === undefined) {
        pass(null, null)
      } else {
        sendToken('auth', fresh)
        host.enter('authenticating')
      }
    }
    host.enter('connecting')
  }

  function pass (user: Events<unknown>['open']['user'], expiresAt: number | null): void {
    clearTimeout(deadline)
    ready = true
    count = 0
    host.open({ user, expiresAt, timings })
  }

  function receive ({ data }: { data: string | ArrayBuffer }): void {
    if (signal.aborted) return
    const message = getToken && CONTROL.test(data as string) && parseServerMessage(data as string)
    if (!message) {
      if (ready) host.message(data)
    } else if (message.type === 'auth_error') {
      // The server's last word. Its close frame says the same, but the connection may break before it.
      closed(message)
    } else if (message.type === 'auth_ok') {
      if (!ready) {
        timings.auth = lap()
        pass(message.user, message.expiresAt)
      }
    } else if (ready) {
      const { type, expiresAt } = message
      clearTimeout(deadline)
      demanded = type === 'expiring'
      if (demanded) {
        deadline = later(refreshedAt + REFRESH_INTERVAL - now(), quietly)
      } else {
        count = 0
        conclude?.()
      }
      host.emit(demanded ? 'expiring' : 'refreshed', { expiresAt })
    }
  }

  function refresh (): Promise<void> {
    pending ??= new Promise<void>((resolve, reject) => {
      let sent = false
      const mine = conclude = error => {
        clearTimeout(limit)
        pending = conclude = undefined
        if (error) reject(error)
        else resolve()
      }
      const fail = (error: AirlockError): void => {
        if (conclude !== mine) return
        mine(error)
        if (demanded && error.retry !== 'never') {
          clearTimeout(deadline)
          deadline = later(Math.max(backoff(count++, settings), error.wait), quietly)
        }
        host.emit('error', error)
      }
      const limit = later(timeout, () => { (sent ? end : fail)(fault('TIMEOUT')) })
      refreshedAt = now()
      askToken('refresh', demanded ? token : undefined).then(fresh => {
        if (conclude !== mine) return
        sent = true
        sendToken('refresh', fresh)
      }, fail)
    })
    return pending
  }

  /** For those who learn of a failure by the event. */
  function quietly (): void {
    refresh().catch(() => {})
  }

  function closed ({ code = 1006, reason = '' }: { code?: number, reason?: string }): void {
    end(judgeClose(code, reason, !opened && getTicket, getToken), code, reason)
  }

  function end (error: AirlockError, code = 1006, reason = ''): void {
    if (signal.aborted) return
    drop(error)
    host.ended(error, code, reason, token)
  }

  function drop (error: AirlockError, code?: number, reason?: string): void {
    controller.abort()
    clearTimeout(deadline)
    clear?.()
    conclude?.(error)
    // The listeners stay, and do nothing: ws throws the error of a socket that is closed while it connects unless
    // somebody listens.
    socket?.close(code, reason)
  }

  return {
    get socket () { return socket },
    refresh,
    probe () { if (getToken && now() - refreshedAt > REFRESH_INTERVAL) quietly() },
    drop
  }
}

function frame (type: 'auth' | 'refresh', token: string): string {
  return JSON.stringify({ type, token })
}

/**
 * Asks the application, though not at once: it may call back.
 *
 * @throws AirlockError, by what its function threw
 */
function ask<Answer> (question: () => Answer | Promise<Answer>): Promise<Answer> {
  return Promise.resolve().then(question).catch(error => { throw judgeAnswer(error) })
}
