import { MAX_REASON_BYTES, type ProtocolUser } from '@fastify-airlock/protocol'
import { startAttempt, type Attempt, type AttemptHost } from './attempt.js'
import { later, now } from './clock.js'
import { sizeOf } from './codec.js'
import { createEmitter } from './emitter.js'
import { fault, type AirlockError } from './errors.js'
import { iterate } from './iterate.js'
import { readOptions, type ConnectOptions } from './options.js'
import { RetryPolicy } from './retry-policy.js'
import { SendQueue } from './send-queue.js'
import type { CloseInfo, Connection, Events, Status, WireData } from './types.js'
import { onWake } from './wake.js'

/** The share of the server's limit of messages that is used: a network may bring a few together. */
const SHARE = 0.9

/** Bytes in the socket from which on a volatile message would arrive late. */
const MAX_VOLATILE_BACKLOG = 16_384

/**
 * Connects, and reconnects until `close()` is called or another attempt would fail in the same way. The first attempt
 * starts when the calling code has run to its end, so a caller that closes at once asks for no ticket.
 *
 * @throws {@link AirlockError} `WSA_CLIENT_ERR_OPTIONS` when an option cannot be used
 * @throws {@link AirlockError} `WSA_CLIENT_ERR_NO_WEBSOCKET` when there is no WebSocket
 * @example
 * const connection = connect({
 *   url: '/ws',
 *   getTicket: ({ signal }) => fetch('/ws/ticket', { method: 'POST', signal }),
 *   getToken: () => session.jwt
 * })
 * connection.on('message', message => { show(message) })
 */
export function connect<In = unknown, Out = unknown> (options: ConnectOptions<In, Out>): Connection<In, Out> {
  const settings = readOptions(options)
  const { signal, codec } = settings
  const { on, emit, clear } = createEmitter<Events<In>>()
  const policy = new RetryPolicy(settings)
  const queue = new SendQueue(settings)

  let status: Status = 'ticket'
  let user: ProtocolUser | null = null
  let expiresAt: number | null = null
  let error: AirlockError | null = null
  let current: Attempt | undefined
  let rejectedToken: string | undefined
  /** Of the next attempt or, while the connection is open, of the next message. */
  let timer: ReturnType<typeof setTimeout> | undefined
  /** Time between two messages in the long run, in milliseconds, and how much of it messages may run ahead. */
  let interval = 0
  let tolerance = 0
  let paidUntil = 0
  /** Messages that the socket has taken. */
  let taken = 0
  let resolveClosed: (info: CloseInfo) => void

  const host: AttemptHost = {
    enter,
    open (event, rate) {
      ({ user, expiresAt } = event)
      const { perSecond = Infinity, burst = 1 } = rate ?? {}
      interval = 1_000 / perSecond / SHARE
      tolerance = Math.max(0, burst * SHARE - 1) * interval
      paidUntil = 0
      rejectedToken = undefined
      policy.recordOpen()
      status = 'open'
      // Before any listener runs: what a listener sends comes after what waits.
      flush()
      enter('open')
      emit('open', event)
    },
    message (data) {
      let message: In
      try {
        message = codec.decode(data)
      } catch (cause) {
        return emit('error', fault('MESSAGE', '', { cause }))
      }
      emit('message', message)
    },
    emit,
    ended (failure, code, reason, token) {
      // A listener of the attempt's signal may have closed the connection.
      if (status === 'closed') return
      if (failure.closeCode === 4401) rejectedToken = token
      current = undefined
      const delay = policy.recordFailure(failure)
      if (delay === undefined) return finish(code, reason, Object.assign(failure, { final: true }))
      timer = later(delay, start)
      enter('waiting')
      tell(failure, 0, { code, reason, willReconnect: true })
      // A listener may have ended the wait.
      if (status === 'waiting') emit('waiting', { delay, attempt: policy.failures, error: failure })
    }
  }

  function enter (next: Status): void {
    status = next
    emit('status', next)
  }

  /** @returns whether the socket took it: not if it has begun to close, nor faster than the server allows */
  function trySend (data: WireData): boolean {
    const socket = current?.socket
    if (status !== 'open' || socket?.readyState !== 1) return false
    const time = now()
    const from = Math.max(paidUntil, time)
    const wait = from - time - tolerance
    if (wait > 0) {
      clearTimeout(timer)
      timer = later(wait, flush)
      return false
    }
    paidUntil = from + interval
    taken++
    socket.send(data)
    return true
  }

  function flush (): void {
    queue.drain(trySend)
  }

  function start (): void {
    clearTimeout(timer)
    if (status !== 'closed') enter('ticket')
    // A listener may have closed the connection.
    if (status === 'ticket') current = startAttempt(settings, policy.failures, rejectedToken, host)
  }

  function finish (code: number, reason: string, failure: AirlockError | null): void {
    error = failure
    enter('closed')
    clearTimeout(timer)
    stopWaking()
    signal?.removeEventListener('abort', abort)
    const dropped = queue.clear()
    current?.drop(failure ?? closedError(), code, reason)
    current = undefined
    const info = tell(failure, dropped, { code, reason, willReconnect: false })
    clear()
    resolveClosed(info)
  }

  /** Tells how it ended. What a socket has taken may have arrived or not: nothing in a WebSocket says so. */
  function tell (failure: AirlockError | null, dropped: number, info: CloseInfo): CloseInfo {
    const count = taken + dropped
    taken = 0
    if (failure) {
      emit('error', failure)
      if (count) emit('uncertain', { count })
    }
    emit('close', info)
    return info
  }

  function closedError (): AirlockError {
    return fault('CLOSED', '', { final: status === 'closed', cause: error ?? signal?.reason })
  }

  function abort (): void {
    connection.close()
  }

  const connection: Connection<In, Out> = {
    get status () { return status },
    get user () { return user },
    get expiresAt () { return expiresAt },
    get protocol () { return current?.socket?.protocol ?? '' },
    get error () { return error },
    get bufferedAmount () { return queue.bytes + (current?.socket?.bufferedAmount ?? 0) },
    closed: new Promise(resolve => { resolveClosed = resolve }),
    ready: ({ signal, timeout } = {}) => new Promise((resolve, reject) => {
      const settle = (act: (reason?: any) => void, reason?: unknown): void => {
        stop()
        clearTimeout(timer)
        signal?.removeEventListener('abort', check)
        act(reason)
      }
      const check = (): void => {
        if (signal?.aborted) settle(reject, signal.reason)
        else if (status === 'closed') settle(reject, error ?? closedError())
        else if (status === 'open') settle(resolve)
      }
      const stop = on('status', check)
      const timer = timeout === undefined ? timeout : later(timeout, () => { settle(reject, fault('TIMEOUT')) })
      signal?.addEventListener('abort', check)
      check()
    }),
    send (message, { volatile } = {}) {
      if (status === 'closed') throw closedError()
      const data = codec.encode(message)
      if (!queue.length && !(volatile && connection.bufferedAmount > MAX_VOLATILE_BACKLOG) && trySend(data)) return true
      if (!volatile) queue.add(data)
      return false
    },
    async refresh () {
      if (status !== 'open') throw closedError()
      await current?.refresh()
    },
    retryNow () { if (status === 'waiting') start() },
    on,
    close (code = 1000, reason = '') {
      if (status === 'closed') return
      // Checked here, since a WebSocket would throw only after everything else has ended.
      if ((code !== 1000 && !(code >= 3000 && code < 5000)) || sizeOf(reason) > MAX_REASON_BYTES) throw fault('OPTIONS', 'close')
      finish(code, reason, null)
    },
    [Symbol.asyncIterator]: () => iterate(connection, settings.iteratorLimit)
  }

  on('refreshed', event => { expiresAt = event.expiresAt })
  const stopWaking = onWake(mayBeDead => {
    if (status === 'open') {
      if (mayBeDead) current?.probe()
    } else if (status === 'waiting') {
      clearTimeout(timer)
      timer = later(policy.mandatoryWait, start)
    } else if (mayBeDead) {
      // What the attempt waits for may have been lost.
      current?.drop(closedError())
      start()
    }
  })
  signal?.addEventListener('abort', abort)
  if (signal?.aborted) abort()
  queueMicrotask(start)
  return connection
}
