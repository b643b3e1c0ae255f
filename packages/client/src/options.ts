import { TICKET_PARAMETER } from '@fastify-airlock/protocol'
import { json } from './codec.js'
import { fault } from './errors.js'
import type { Codec, ConnectOptions, WebSocketConstructor } from './types.js'

// Parts of some length, to let "monkeyJar.tar.gz" pass.
const JWT = /eyJ[\w-]{9,}\.[\w-]{9,}\./

/** The options, checked, with the defaults in; those of `reconnect` and `queue` stand among the others. */
export interface Settings<In = unknown, Out = unknown> extends
  Pick<ConnectOptions<In, Out>, 'carrier' | 'getTicket' | 'getToken' | 'protocols' | 'reconnect' | 'signal'> {
  url: URL
  ticketName: string
  timeout: number
  iteratorLimit: number
  min: number
  max: number
  attempts: number
  messages: number
  bytes: number
  random: () => number
  codec: Codec<In, Out>
  WebSocket: WebSocketConstructor
}

/** @throws WSA_CLIENT_ERR_OPTIONS, WSA_CLIENT_ERR_NO_WEBSOCKET */
export function readOptions<In, Out> (options: ConnectOptions<In, Out>): Settings<In, Out> {
  const settings: Record<string, unknown> = { ...options, ...options.reconnect, ...options.queue, url: readUrl(options.url) }
  const defaults: Record<string, unknown> = {
    ticketName: TICKET_PARAMETER,
    timeout: 15_000,
    iteratorLimit: 1024,
    min: 1_000,
    max: 30_000,
    attempts: Infinity,
    messages: 128,
    bytes: 1_048_576,
    random: Math.random,
    codec: json,
    WebSocket: globalThis.WebSocket
  }
  for (const name in defaults) {
    const given = settings[name] ??= defaults[name]
    // Below 1, also, there is what is not a number at all: a wait of that is none.
    if (typeof defaults[name] === 'number' && !(given as number >= 1)) throw fault('OPTIONS', name)
  }
  if (!settings.WebSocket) throw fault('NO_WEBSOCKET')
  return settings as unknown as Settings<In, Out>
}

function readUrl (given: string | URL): URL {
  let url: URL | undefined
  try {
    url = new URL(given, globalThis.location?.href)
    url.protocol = url.protocol.replace('http', 'ws')
  } catch {
    // Reported below: the platform's own error quotes the URL.
  }
  if (!url || !/^ws/.test(url.protocol) || JWT.test(url.href)) throw fault('OPTIONS', 'url')
  // A WebSocket refuses a URL with one.
  url.hash = ''
  return url
}
