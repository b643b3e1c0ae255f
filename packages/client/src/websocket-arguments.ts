import { MAX_REASON_BYTES } from '@fastify-airlock/protocol'
import { BINARY_TAG, sizeOf } from './codec.js'
import type { WireData } from './types.js'

/** What an element of `Sec-WebSocket-Protocol` may consist of (RFC 6455, section 4.1, item 10; RFC 9110, section 5.6.2). */
const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/

/** Creates what the WHATWG text tells a WebSocket to throw. */
export function domError (name: 'SyntaxError' | 'InvalidAccessError' | 'InvalidStateError', message: string): DOMException {
  return new DOMException(message, name)
}

/**
 * Reads the arguments of a constructor. As Web IDL has it, all are converted before any is checked.
 *
 * @throws TypeError for what cannot be converted
 * @throws DOMException `SyntaxError`
 */
export function readArguments (url: unknown, protocols: unknown): [url: URL, protocols: string[]] {
  const text = `${url as string}`
  const list = toStrings(protocols)
  return [readAddress(text), readProtocols(list)]
}

/** Reads a URL: relative to the page, and with `http:` for `ws:`. */
function readAddress (text: string): URL {
  let url: URL
  try {
    url = new URL(text, globalThis.document?.baseURI ?? globalThis.location?.href)
  } catch {
    throw domError('SyntaxError', 'The URL cannot be parsed')
  }
  url.protocol = url.protocol.replace('http', 'ws')
  if (!/^wss?:$/.test(url.protocol)) throw domError('SyntaxError', 'The scheme of the URL is not ws, wss, http or https')
  // Not `hash`, which is empty for a fragment that is empty.
  if (url.href.includes('#')) throw domError('SyntaxError', 'The URL has a fragment')
  return url
}

/** The conversion of Web IDL to strings in a sequence; what is no object with an iterator is a string of its own. */
function toStrings (given: unknown): string[] {
  const isSequence = Object(given) === given && (given as Partial<Iterable<unknown>>)[Symbol.iterator] != null
  return Array.from(isSequence ? given as Iterable<unknown> : [given], value => `${value as string}`)
}

function readProtocols (list: string[]): string[] {
  if (!list.every(protocol => TOKEN.test(protocol))) throw domError('SyntaxError', 'A subprotocol is not a token')
  if (new Set(list).size < list.length) throw domError('SyntaxError', 'A subprotocol is named twice')
  return list
}

/**
 * Reads the arguments of `close`. Both are converted before one is checked.
 *
 * @returns no code for a close frame without a body
 * @throws TypeError for what cannot be converted, a `bigint` among it
 * @throws DOMException `InvalidAccessError` or `SyntaxError`
 */
export function readClose (code: unknown, reason: unknown): [code?: number, reason?: string] {
  // Not `Number()`, which takes a bigint.
  const number = code === undefined ? undefined : clamp(+(code as number))
  const text = reason === undefined ? '' : `${reason as string}`
  if (number !== undefined && number !== 1000 && (number < 3000 || number > 4999)) throw domError('InvalidAccessError', 'The close code is neither 1000 nor 3000 to 4999')
  if (sizeOf(text) > MAX_REASON_BYTES) throw domError('SyntaxError', `The reason has more than ${MAX_REASON_BYTES} bytes`)
  return number === undefined && !text ? [] : [number ?? 1000, text]
}

/** The conversion of Web IDL to an `unsigned short` with `[Clamp]`. */
function clamp (value: number): number {
  const within = Math.min(Math.max(value, 0), 65_535) || 0
  const floor = Math.floor(within)
  const odd = floor % 2
  return within - floor > 0.5 || (within - floor === 0.5 && odd) ? floor + 1 : floor
}

/** What `send` sends: binary data as it is, anything else as text. */
export function readData (data: unknown): WireData {
  return ArrayBuffer.isView(data) || BINARY_TAG.test(({}).toString.call(data)) ? data as WireData : `${data as string}`
}

/** Copies what may change while it waits. */
export function copy (data: WireData): WireData {
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice()
  return data instanceof ArrayBuffer ? data.slice(0) : data
}
