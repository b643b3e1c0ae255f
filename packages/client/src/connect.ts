import { truncateReason, type ProtocolUser } from '@fastify-airlock/protocol'
import { startAttempt, type Attempt, type AttemptHost } from './attempt.js'
import { backoff, later } from './backoff.js'
import { createEmitter } from './emitter.js'
import { AirlockError } from './errors.js'
import { iterate } from './iterate.js'
import { readOptions, unusable } from './options.js'
import { createQueue } from './queue.js'
import type { CloseInfo, Connection, ConnectOptions, Events, Status } from './types.js'
import { isOffline, onWake } from './wake.js'

/** A socket that stayed open for so long was a success: back-off begins anew, in milliseconds. */
const STABLE = 30_000

/**
 * Connects, and keeps connected until `close()` or until another attempt would fail in the same way. The first attempt
 * begins right after the calling code, so that one who closes at once has asked for no ticket.
 *
 * @throws WSA_CLIENT_ERR_OPTIONS, WSA_CLIENT_ERR_NO_WEBSOCKET
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
  const { signal, codec, min, max, random } = settings
  const { on, emit } = createEmitter<Events<In>>()
  const queue = createQueue(settings.queueMessages, settings.queueBytes)
  const waiters: Array<{ resolve: () => void, reject: (error: AirlockError) => void }> = []

  let status: Status = 'ticket'
  let user: ProtocolUser | null = null
  let expiresAt: number | null = null
  let error: AirlockError | null = null
  let current: Attempt | undefined
  let rejected: string | undefined

  /** Attempts since the last success. */
  let count = 0
  /** Back-offs since the last connection that lasted. */
  let step = 0
  /** Whether one attempt was made at once since then. */
  let hurried = false
  let openedAt = 0
  let last: AirlockError | null = null
  let timer: ReturnType<typeof setTimeout> | undefined
  /** The earliest that an event may end the wait; `Infinity` where one has. */
  let wakeAt = Infinity

  let settleClosed: (info: CloseInfo) => void
  const closed = new Promise<CloseInfo>(resolve => { settleClosed = resolve })

  const host: AttemptHost = {
    status: enter,
    open (who, until, timings) {
      user = who
      expiresAt = until
      rejected = undefined
      count = 0
      openedAt = performance.now()
      // Before any listener: what it sends comes after what waits.
      for (const data of queue.take()) if (!current?.send(data)) queue.push(data)
      enter('open')
      if (status !== 'open') return
      for (const { resolve } of waiters.splice(0)) resolve()
      emit('open', { user, expiresAt, timings })
    },
    message (data) {
      let message: In
      try {
        message = codec.decode(data)
      } catch (cause) {
        emit('error', new AirlockError('WSA_CLIENT_ERR_MESSAGE', 'A message could not be decoded', { cause }))
        return
      }
      emit('message', message)
    },
    expiring (expiresAt) { emit('expiring', { expiresAt }) },
    refreshed (until) {
      expiresAt = until
      emit('refreshed', { expiresAt: until })
    },
    failed (failure) { emit('error', failure) },
    ended (verdict, code, reason) {
      if (status !== 'open') {
        count++
      } else if (performance.now() - openedAt >= STABLE) {
        step = 0
        hurried = false
      }
      if (verdict.error.code === 'WSA_CLIENT_ERR_UNAUTHENTICATED') rejected = current?.token
      current = undefined
      if (verdict.retry === 'never' || count >= settings.attempts) {
        finish({ code, reason, willReconnect: false }, Object.assign(verdict.error, { final: true }))
        return
      }
      const atOnce = verdict.retry === 'ticket' && !hurried
      const delay = atOnce
        ? 0
        : verdict.spread && step === 0 ? verdict.wait : Math.max(backoff(step, min, max, random), verdict.wait)
      if (atOnce) hurried = true
      else step++
      wakeAt = performance.now() + verdict.wait
      timer = later(delay, resume)
      last = verdict.error
      enter('waiting')
      if (status !== 'closed') emit('error', last)
      if (status !== 'closed') emit('close', { code, reason, willReconnect: true })
      if (status === 'waiting') emit('waiting', { delay, attempt: count, error: last })
    }
  }

  function enter (next: Status): void {
    status = next
    emit('status', next)
  }

  function begin (): void {
    clearTimeout(timer)
    enter('ticket')
    if (status === 'ticket') current = startAttempt(settings, count, rejected, host)
  }

  function resume (): void {
    if (!isOffline()) {
      begin()
    } else {
      wakeAt = 0
      emit('waiting', { delay: null, attempt: count, error: last })
    }
  }

  function wake (doubtful: boolean): void {
    if (status === 'open' && doubtful) current?.probe()
    if (status !== 'waiting' || wakeAt === Infinity) return
    clearTimeout(timer)
    timer = later(Math.max(0, wakeAt - performance.now()), resume)
    wakeAt = Infinity
  }

  function finish (info: CloseInfo, failure: AirlockError | null): void {
    error = failure
    clearTimeout(timer)
    sleep()
    signal?.removeEventListener('abort', abort)
    queue.take()
    const reasonToReject = failure ?? gone()
    current?.drop(reasonToReject, info.code, info.reason)
    current = undefined
    for (const { reject } of waiters.splice(0)) reject(reasonToReject)
    settleClosed(info)
    enter('closed')
    if (failure !== null) emit('error', failure)
    emit('close', info)
  }

  function gone (): AirlockError {
    return new AirlockError('WSA_CLIENT_ERR_CLOSED', 'The connection is closed', { final: true, cause: error ?? signal?.reason })
  }

  function abort (): void { connection.close() }

  const connection: Connection<In, Out> = {
    get status () { return status },
    get user () { return user },
    get expiresAt () { return expiresAt },
    get protocol () { return current?.protocol ?? '' },
    get error () { return error },
    get bufferedAmount () { return queue.bytes + (current?.bufferedAmount ?? 0) },
    closed,
    async ready () {
      if (status === 'closed') throw error ?? gone()
      if (status !== 'open') await new Promise<void>((resolve, reject) => { waiters.push({ resolve, reject }) })
    },
    send (message) {
      if (status === 'closed') throw gone()
      const data = codec.encode(message)
      if (status === 'open' && current?.send(data)) return true
      queue.push(data)
      return false
    },
    async refresh () {
      if (status === 'closed') throw gone()
      if (status !== 'open' || !settings.getToken) throw new AirlockError('WSA_CLIENT_ERR_UNREACHABLE', 'There is nothing to refresh now')
      await current?.refresh()
    },
    retryNow () { if (status === 'waiting') begin() },
    on,
    close (code = 1000, reason = '') {
      if (status === 'closed') return
      if (code !== 1000 && !(Number.isInteger(code) && code >= 3000 && code <= 4999)) throw unusable('code is not one to close with')
      finish({ code, reason: truncateReason(reason), willReconnect: false }, null)
    },
    [Symbol.asyncIterator]: () => iterate(connection, settings.iteratorLimit)
  }

  const sleep = onWake(wake)
  signal?.addEventListener('abort', abort)
  if (signal?.aborted) abort()
  queueMicrotask(() => { if (status !== 'closed') begin() })
  return connection
}
