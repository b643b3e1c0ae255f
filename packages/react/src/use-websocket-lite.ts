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

/**
 * {@link useAirlockSocket} for code that was written for a hook that takes
 * `{ socketUrl, retry, retryInterval, initPayload }` and returns `{ send, data, readyState }`. The JWT of `initPayload`
 * goes into the first frame. `readyState` becomes true when the server has acknowledged it.
 *
 * A ticket in `socketUrl` is good for one attempt. Without `getTicket`, the connection ends when it needs another
 * ticket, and starts again when `socketUrl` contains a new one.
 *
 * @typeParam In the messages that arrive
 */
export function useWebSocketLite<In = any> ({
  socketUrl, retry = LITE_DEFAULTS.retry, retryInterval = LITE_DEFAULTS.retryInterval, initPayload, maxAuthBytes, getTicket
}: WebSocketLiteOptions): WebSocketLite<In> {
  const [data, setData] = useState<WebSocketLiteData<In>>()
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
    onMessage: message => setData({ message, timestamp: Date.now() })
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
