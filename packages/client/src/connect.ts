import { MAX_REASON_BYTES, type ProtocolUser } from '@fastify-airlock/protocol'
import { startAttempt, type Attempt, type AttemptHost } from './attempt.js'
import { backoff, later, now } from './backoff.js'
import { createEmitter } from './emitter.js'
import { fault, type AirlockError } from './errors.js'
import { iterate } from './iterate.js'
import { readOptions } from './options.js'
import { sizeOf } from './codec.js'
import type { CloseInfo, Connection, ConnectOptions, Events, Status, WireData } from './types.js'
import { onWake } from './wake.js'

/** A connection that stayed open for so long was a success: back-off begins anew. In milliseconds. */
const STABLE = 30_000

/**
 * Connects, and keeps connected until `close()` or until another attempt would fail in the same way. The first attempt
 * begins when the calling code has run to its end, so that one who closes at once has asked for no ticket.
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
  const { signal, codec } = settings
  const { on, emit, clear } = createEmitter<Events<In>>()

  let status: Status = 'ticket'
  let user: ProtocolUser | null = null
  let expiresAt: number | null = null
  let error: AirlockError | null = null
  let current: Attempt | undefined
  let rejected: string | undefined

  /** What waits to be sent, and its size in bytes. */
  const queue: WireData[] = []
  let queued = 0
  /** Attempts since the last success. */
  let count = 0
  /** Back-offs since the last connection that lasted, and whether one attempt was made at once since then. */
  let step = 0
  let hurried = false
  let openedAt = 0
  let settle: (info: CloseInfo) => void
  /** The earliest that an event may end a wait. */
  let wakeAt = 0
  let timer: ReturnType<typeof setTimeout> | undefined

  const host: AttemptHost = {
    enter,
    open (event) {
      ({ user, expiresAt } = event)
      rejected = undefined
      count = 0
      openedAt = now()
      status = 'open'
      // Before any listener: what one sends comes after what waits.
      empty().forEach(hand)
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
      // A listener of the attempt's signal may have closed.
      if (status === 'closed') return
      const { retry, wait } = failure
      if (status !== 'open') {
        count++
      } else if (now() - openedAt >= STABLE) {
        step = 0
        hurried = false
      }
      if (failure.closeCode === 4401) rejected = token
      current = undefined
      if (retry === 'never' || count >= settings.attempts || settings.reconnect === false) {
        return finish(code, reason, Object.assign(failure, { final: true }))
      }
      let delay = 0
      if (retry === 'ticket' && !hurried) {
        hurried = true
      } else {
        // A restarting server has spread its clients already.
        delay = failure.closeCode && wait && !step ? wait : Math.max(backoff(step, settings), wait)
        step++
      }
      wakeAt = now() + wait
      timer = later(delay, resume)
      enter('waiting')
      emit('error', failure)
      emit('close', { code, reason, willReconnect: true })
      if (status === 'waiting') emit('waiting', { delay, attempt: count, error: failure })
    }
  }

  function enter (next: Status): void {
    status = next
    emit('status', next)
  }

  /** @returns whether a socket took it; it waits otherwise, also where the socket has begun to close */
  function hand (data: WireData): boolean {
    const socket = current?.socket
    if (status === 'open' && socket?.readyState === 1) {
      socket.send(data)
      return true
    }
    const size = sizeOf(data)
    if (queue.length >= settings.messages || queued + size > settings.bytes) throw fault('QUEUE_FULL')
    queue.push(data)
    queued += size
    return false
  }

  /** @returns what waited */
  function empty (): WireData[] {
    queued = 0
    return queue.splice(0)
  }

  function begin (): void {
    clearTimeout(timer)
    if (status !== 'closed') enter('ticket')
    if (status === 'ticket') current = startAttempt(settings, count, rejected, host)
  }

  function resume (): void {
    // A platform that cannot tell has a network.
    if (globalThis.navigator?.onLine === false) {
      emit('waiting', { delay: null, attempt: count, error: null })
    } else {
      begin()
    }
  }

  function finish (code: number, reason: string, failure: AirlockError | null): void {
    const info = { code, reason, willReconnect: false }
    error = failure
    enter('closed')
    clearTimeout(timer)
    sleep()
    signal?.removeEventListener('abort', abort)
    empty()
    current?.drop(failure ?? gone(), code, reason)
    current = undefined
    if (failure) emit('error', failure)
    emit('close', info)
    clear()
    settle(info)
  }

  function gone (): AirlockError {
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
    get bufferedAmount () { return queued + (current?.socket?.bufferedAmount ?? 0) },
    closed: new Promise(resolve => { settle = resolve }),
    async ready () {
      if (status === 'closed') throw error ?? gone()
      if (status === 'open') return
      await new Promise<unknown>(resolve => {
        const stop = on('status', () => resolve(stop()))
      })
      await connection.ready()
    },
    send (message) {
      if (status === 'closed') throw gone()
      return hand(codec.encode(message))
    },
    async refresh () {
      if (status !== 'open') throw gone()
      await current?.refresh()
    },
    retryNow () { if (status === 'waiting') begin() },
    on,
    close (code = 1000, reason = '') {
      if (status === 'closed') return
      // What a WebSocket takes: it would throw only after everything else has been ended.
      if ((code !== 1000 && !(code >= 3000 && code < 5000)) || sizeOf(reason) > MAX_REASON_BYTES) throw fault('OPTIONS', 'close')
      finish(code, reason, null)
    },
    [Symbol.asyncIterator]: () => iterate(connection, settings.iteratorLimit)
  }

  on('refreshed', event => { expiresAt = event.expiresAt })
  const sleep = onWake(doubtful => {
    if (status === 'open' && doubtful) {
      current?.probe()
    } else if (status === 'waiting') {
      clearTimeout(timer)
      timer = later(wakeAt - now(), resume)
    }
  })
  signal?.addEventListener('abort', abort)
  if (signal?.aborted) abort()
  queueMicrotask(begin)
  return connection
}
