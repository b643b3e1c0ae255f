import { CONNECT_DEFAULTS, json, type Codec } from '@fastify-airlock/client'
import { useCallback, useEffect, useRef, useState } from 'react'
import { LITE_DEFAULTS, type WebSocketLiteOptions } from './options.js'
import type { WebSocketLite, WebSocketLiteData } from './types.js'
import { useAirlockSocket } from './use-airlock-socket.js'

/** JSON, but a text that is not JSON is passed through as it is. */
const lenient: Codec<any, any> = {
  encode: json.encode,
  decode: data => {
    try {
      return json.decode(data)
    } catch {
      return data
    }
  }
}

/** Messages that may wait for their render. Beyond that, the oldest is dropped. */
export const MAX_WAITING = 10_000

/**
 * Like `useState` for objects, but each is rendered and committed before the next: React would merge what comes in one
 * task into one render, and nobody would see those before the last.
 */
function useEach<T extends object> (): [value: T | undefined, show: (value: T) => void] {
  const [value, setValue] = useState<T>()
  /** The first of them is being rendered. */
  const { current: waiting } = useRef<T[]>([])
  useEffect(() => {
    // Nothing the second time, if StrictMode repeats the effect.
    waiting.splice(0, waiting.indexOf(value as T) + 1)
    // Not in the effect itself: React takes many updates by effects in a row for an endless loop, and warns.
    if (waiting.length > 0) queueMicrotask(() => setValue(waiting[0]))
  }, [waiting, value])
  const show = useCallback((value: T) => {
    if (waiting.push(value) === 1) setValue(value)
    else if (waiting.length > MAX_WAITING) waiting.splice(1, 1)
  }, [waiting])
  return [value, show]
}

/**
 * {@link useAirlockSocket} for code that was written for a hook that takes
 * `{ socketUrl, retry, retryInterval, initPayload }` and returns `{ send, data, readyState }`. The JWT of `initPayload`
 * goes into the first frame. `readyState` becomes true when the server has acknowledged it.
 *
 * Each message is rendered as `data`, one after the other, also when many come at once: an effect on `data` sees all of
 * them. At most {@link MAX_WAITING} wait for their render; then the oldest is dropped.
 *
 * A ticket in `socketUrl` is good for one attempt. Without `getTicket`, the connection ends when it needs another
 * ticket, and starts again when `socketUrl` contains a new one.
 *
 * @typeParam In the messages that arrive
 */
export function useWebSocketLite<In = any> ({
  socketUrl, retry = LITE_DEFAULTS.retry, retryInterval = LITE_DEFAULTS.retryInterval, initPayload, maxAuthBytes, getTicket
}: WebSocketLiteOptions): WebSocketLite<In> {
  const [data, show] = useEach<WebSocketLiteData<In>>()
  const usedTicket = useRef<string>(undefined)
  const [base, ...query] = socketUrl.split('?')
  const parameters = new URLSearchParams(query.join('?'))
  const ticket = parameters.get('ticket')
  parameters.delete('ticket')
  const rest = String(parameters)

  const { status, send, reconnect } = useAirlockSocket<In, unknown>({
    url: ticket === null ? socketUrl : `${base}${rest && '?'}${rest}`,
    codec: lenient,
    reconnect: retry > 0 && { attempts: retry + 1, min: retryInterval, max: Math.max(retryInterval, CONNECT_DEFAULTS.max) },
    getTicket: ticket === null
      ? getTicket
      : context => {
        if (usedTicket.current !== ticket) {
          usedTicket.current = ticket
          return ticket
        }
        if (getTicket !== undefined) return getTicket(context)
        throw Object.assign(new Error('The ticket of socketUrl has been used'), { status: 401 })
      },
    maxAuthBytes,
    getToken: initPayload && (() => initPayload.token),
    onMessage: message => show({ message, timestamp: Date.now() })
  })

  useEffect(() => { if (ticket !== null) reconnect() }, [ticket, reconnect])

  const trySend = useCallback((message: unknown) => {
    try {
      send(message)
      return true
    } catch {
      return false
    }
  }, [send])

  return { send: trySend, data, readyState: status === 'open' }
}
