import { json, type Codec, type ConnectOptions } from '@fastify-airlock/client'
import { useCallback, useEffect, useRef, useState } from 'react'
import { useAirlockSocket } from './use-airlock-socket.js'

/** What the server is told first. */
export interface InitPayload {
  /** @default 'auth' */
  type?: 'auth' | 'jwt' | undefined
  /** The JWT. */
  token: string
}

/** Settings of {@link useWebSocketLite}. */
export interface WebSocketLiteOptions {
  /** Where to connect. A `ticket` in its query is taken out, and used as the ticket of one attempt. */
  socketUrl: string
  /**
   * How often to try again in a row.
   * @default Infinity
   */
  retry?: number | undefined
  /**
   * The least upper bound of the random time before a retry, in milliseconds; it doubles up to 30 s.
   * @default 1500
   */
  retryInterval?: number | undefined
  /** Left out, the socket is ready as soon as it is open: for routes that ask for no JWT. */
  initPayload?: InitPayload | undefined
  /** Gets a ticket for every attempt that has none from `socketUrl`. */
  getTicket?: ConnectOptions['getTicket']
}

/** A message and when it came. */
export interface WebSocketLiteData<In> {
  /** The JSON value, or the text where it is not JSON; an `ArrayBuffer` for a binary message. */
  message: In
  /** Milliseconds since the epoch. */
  timestamp: number
}

/** What {@link useWebSocketLite} returns. */
export interface WebSocketLite<In> {
  /** Sends as JSON, and binary data as it is. @returns whether it was sent or waits to be */
  send: (message: unknown) => boolean
  /** The last message, `undefined` before the first. */
  data: WebSocketLiteData<In> | undefined
  /** Whether the server has let us in. */
  readyState: boolean
}

const MAX_WAIT = 30_000

/** A text that is not JSON is a message as well. */
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
 * A hook of the shape `{ socketUrl, retry, retryInterval, initPayload }` to `{ send, data, readyState }`, for code that
 * was written for such a one. It is {@link useAirlockSocket} underneath: the JWT of `initPayload` goes into the first
 * frame, and `readyState` is true from the server's acknowledgement on.
 *
 * A ticket in `socketUrl` is good for one attempt. Without `getTicket` the connection ends where another one is needed,
 * and begins again when `socketUrl` has a new ticket.
 *
 * @typeParam In the messages that come
 */
export function useWebSocketLite<In = any> ({
  socketUrl, retry = Infinity, retryInterval = 1500, initPayload, getTicket
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
    reconnect: retry > 0 && { attempts: retry + 1, min: retryInterval, max: Math.max(retryInterval, MAX_WAIT) },
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
