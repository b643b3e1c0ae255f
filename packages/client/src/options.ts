import { TICKET_PARAMETER } from '@fastify-airlock/protocol'
import { json } from './codec.js'
import { AirlockError } from './errors.js'
import type { Codec, ConnectOptions, WebSocketConstructor } from './types.js'

// Long enough parts to let "monkeyJar.tar.gz" pass.
const JWT = /eyJ[\w-]{9,}(?:\.|%2[eE])[\w-]{9,}(?:\.|%2[eE])[\w-]/

/** The options, checked, with the defaults in. */
export interface Settings<In = unknown, Out = unknown> extends
  Pick<ConnectOptions<In, Out>, 'getTicket' | 'getToken' | 'protocols' | 'signal'> {
  url: URL
  carrier: 'subprotocol' | 'query' | 'cookie'
  ticketName: string
  timeout: number
  iteratorLimit: number
  random: () => number
  codec: Codec<In, Out>
  WebSocket: WebSocketConstructor
  min: number
  max: number
  /** 0 where an end is final. */
  attempts: number
  queueMessages: number
  queueBytes: number
}

/** @throws WSA_CLIENT_ERR_OPTIONS, WSA_CLIENT_ERR_NO_WEBSOCKET */
export function readOptions<In, Out> (options: ConnectOptions<In, Out>): Settings<In, Out> {
  const {
    carrier = 'subprotocol', ticketName = TICKET_PARAMETER, getTicket, getToken, protocols, signal,
    codec = json, reconnect = {}, timeout = 15_000, queue = {}, iteratorLimit = 1024,
    WebSocket = globalThis.WebSocket as WebSocketConstructor | undefined, random = Math.random
  } = options
  const { min = 1_000, max = 30_000, attempts = Infinity } = reconnect || { attempts: 0 }
  const { messages = 128, bytes = 1_048_576 } = queue

  for (const [name, value, least] of [
    ['timeout', timeout, 1], ['reconnect.min', min, 1], ['reconnect.max', max, 1],
    ['reconnect.attempts', attempts, reconnect ? 1 : 0],
    ['queue.messages', messages, 0], ['queue.bytes', bytes, 0], ['iteratorLimit', iteratorLimit, 0]
  ] as const) if (!(value >= least)) throw unusable(`${name} is not a number from ${least} upward`)
  if (!/^(?:subprotocol|query|cookie)$/.test(carrier)) throw unusable('carrier is not known')
  if (carrier === 'cookie' && !globalThis.document) throw unusable('carrier "cookie" needs a page')
  if (carrier === 'subprotocol' && getTicket && protocols?.length === 0) throw unusable('protocols is empty')
  const url = readUrl(options.url)
  if (!WebSocket) throw new AirlockError('WSA_CLIENT_ERR_NO_WEBSOCKET', 'There is no WebSocket here')

  return {
    url,
    carrier,
    ticketName,
    getTicket,
    getToken,
    protocols,
    signal,
    codec,
    timeout,
    iteratorLimit,
    WebSocket,
    random,
    min,
    max,
    attempts,
    queueMessages: messages,
    queueBytes: bytes
  }
}

/** @returns an error that says what is wrong with the options */
export function unusable (message: string): AirlockError {
  return new AirlockError('WSA_CLIENT_ERR_OPTIONS', message)
}

function readUrl (given: string | URL): URL {
  let url: URL
  try {
    url = new URL(given, globalThis.location?.href)
  } catch {
    throw unusable('url is not a URL')
  }
  url.protocol = url.protocol.replace('http', 'ws')
  if (!/^wss?:$/.test(url.protocol)) throw unusable('url is not one of a WebSocket')
  if (JWT.test(url.href)) throw unusable('url carries a JWT')
  // A WebSocket refuses a URL with one.
  url.hash = ''
  return url
}
