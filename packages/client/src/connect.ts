import { MAX_REASON_BYTES, type MessageRate } from '@fastify-airlock/protocol'
import { startAttempt, type Admission, type Attempt, type AttemptHost } from './attempt.js'
import { createTimer, now } from './clock.js'
import { sizeOf } from './codec.js'
import { createEmitter } from './emitter.js'
import { fault, type AirlockError } from './errors.js'
import { iterate } from './iterate.js'
import { AWAKE_MS, BURST_SHARE, MAX_VOLATILE_BACKLOG, RATE_SHARE, SHORT_HIDDEN_MS } from './limits.js'
import { listen } from './listen.js'
import { readOptions, type ConnectOptions } from './options.js'
import { createRetryPolicy } from './retry-policy.js'
import { createSendQueue } from './send-queue.js'
import type { CloseInfo, Connection, Events, Status, WireData } from './types.js'
import { onWake } from './wake.js'

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
  const { signal } = settings
  const { on, emit, clear } = createEmitter<Events<In>>()
  const policy = createRetryPolicy(settings)
  const queue = createSendQueue(settings)

  let status: Status = 'ticket'
  let error: AirlockError | null = null
  let current: Attempt | undefined
  let rejectedToken: string | undefined
  /** Of the next attempt or, while the connection is open, of the next message. */
  const schedule = createTimer()
  /** What the server has said. */
  let admission: Admission = { user: null, expiresAt: null }
  /** Until when what was sent so far uses up the limit of this socket. */
  let paidUntil: number
  /** Messages that the socket has taken. */
  let taken = 0
  /** When the page last woke with an open socket. */
  let wokeAt: number
  let resolveClosed: (info: CloseInfo) => void

  const host: AttemptHost = {
    enter,
    open (given, timings) {
      admission = given
      paidUntil = 0
      rejectedToken = undefined
      policy.open()
      status = 'open'
      // Before any listener runs: what a listener sends comes after what waits.
      flush()
      enter('open')
      emit('open', { user: given.user, expiresAt: given.expiresAt, timings })
    },
    message (data) {
      try {
        emit('message', settings.codec.decode(data))
      } catch (cause) {
        emit('error', fault('MESSAGE', '', { cause }))
      }
    },
    emit,
    ended (failure, code, reason, token) {
      // A listener of the attempt's signal may have closed the connection.
      if (status === 'closed') return
      if (failure.closeCode === 4401) rejectedToken = token
      current = undefined
      // A socket that ends so soon after the page woke has been dead since before, and somebody waits for it.
      const delay = policy.fail(failure, now() - wokeAt < AWAKE_MS)
      if (delay === undefined) return finish(code, reason, Object.assign(failure, { final: true }))
      schedule(delay, start)
      enter('waiting')
      tell(failure, code, reason, true)
      // A listener may have ended the wait.
      if (status === 'waiting') emit('waiting', { delay, attempt: policy.attempts, error: failure })
    }
  }

  function enter (next: Status): void {
    status = next
    emit('status', next)
  }

  /** @returns whether the socket took it: not if it has begun to close, nor faster than the server allows */
  function trySend (data: WireData): boolean {
    if (status !== 'open' || current?.socket?.readyState !== 1) return false
    const { perSecond, burst } = Object(admission.messageRate) as MessageRate
    const interval = perSecond > 0 && burst >= 1 ? 1_000 / perSecond : 0
    const time = now()
    paidUntil = Math.max(paidUntil, time)
    const wait = paidUntil - time - (burst - 1) * BURST_SHARE * interval
    if (wait > 0) {
      schedule(wait, flush)
      return false
    }
    paidUntil += interval / RATE_SHARE
    current.socket.send(data)
    return !!++taken
  }

  function flush (): void {
    queue.drain(trySend)
  }

  function start (): void {
    schedule()
    if (status !== 'closed') enter('ticket')
    // A listener may have closed the connection.
    if (status === 'ticket') current = startAttempt(settings, policy.attempts, rejectedToken, host)
  }

  function finish (code: number, reason: string, failure: AirlockError | null): void {
    schedule()
    error = failure
    enter('closed')
    for (const stop of stops) stop()
    // Nobody will send it.
    queue.drain(() => !!++taken)
    current?.drop(failure ?? closedError(), code, reason)
    current = undefined
    const info = tell(failure, code, reason, false)
    clear()
    resolveClosed(info)
  }

  /** Tells how it ended. What a socket has taken may have arrived or not: nothing in a WebSocket says so. */
  function tell (failure: AirlockError | null, code: number, reason: string, willReconnect: boolean): CloseInfo {
    const info = { code, reason, willReconnect }
    if (failure) {
      emit('error', failure)
      if (taken) emit('uncertain', { count: taken })
    }
    taken = 0
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
    get user () { return admission.user },
    get expiresAt () { return admission.expiresAt },
    get protocol () { return current?.socket?.protocol ?? '' },
    get error () { return error },
    get bufferedAmount () { return queue.bytes + (current?.socket?.bufferedAmount ?? 0) },
    closed: new Promise(resolve => { resolveClosed = resolve }),
    ready ({ signal, timeout } = {}) {
      const limit = createTimer()
      let stops: Array<() => void> = []
      return new Promise<void>((resolve, reject) => {
        const check = (): void => {
          if (signal?.aborted) reject(signal.reason)
          else if (status === 'closed') reject(error ?? closedError())
          else if (status === 'open') resolve()
        }
        if (isNaN(timeout ?? 0)) throw fault('OPTIONS', 'timeout')
        stops = [limit, listen(signal, 'abort', check), on('status', check)]
        limit(timeout ?? Infinity, () => { reject(fault('TIMEOUT')) })
        check()
      }).finally(() => { for (const stop of stops) stop() })
    },
    send (message, { volatile } = {}) {
      if (status === 'closed') throw closedError()
      const data = settings.codec.encode(message)
      // The timer may be late, as in a hidden page.
      flush()
      if (!queue.messages.length && !(volatile && connection.bufferedAmount > MAX_VOLATILE_BACKLOG) && trySend(data)) return true
      if (!volatile) queue.add(data)
      return false
    },
    async refresh () {
      if (status !== 'open') throw closedError()
      await current!.refresh()
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

  on('refreshed', event => { Object.assign(admission, event) })
  const stops = [listen(signal, 'abort', abort), ...onWake(away => {
    if (status === 'open') {
      wokeAt = now()
      current!.wake(away)
    } else if (status === 'waiting') {
      schedule(policy.wait(), start)
    } else if (away > SHORT_HIDDEN_MS) {
      // What the attempt waits for may have been lost.
      current?.drop(closedError())
      start()
    }
  })]
  if (signal?.aborted) abort()
  queueMicrotask(start)
  return connection
}
