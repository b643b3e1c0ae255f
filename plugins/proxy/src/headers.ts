import { plainAddress } from '@fastify-airlock/core'
import type { FastifyRequest } from 'fastify'
import { validateHeaderName, validateHeaderValue } from 'node:http'

const HOP_BY_HOP = new Set([
  'connection', 'content-length', 'expect', 'host', 'keep-alive', 'proxy-authenticate', 'proxy-authorization',
  'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'
])

/**
 * Whether a header belongs to one connection only (RFC 9110, section 7.6.1) or to its upgrade (RFC 6455, section 4).
 *
 * @param name in lower case
 */
export function isHopHeader (name: string): boolean {
  return HOP_BY_HOP.has(name) || name.startsWith('sec-websocket-')
}

/**
 * Checks headers that the option `headers` adds.
 *
 * @returns the headers, with their names in lower case
 * @throws TypeError that names the header and never shows its value
 */
export function checkHeaders (headers: unknown): Record<string, string> {
  // The entries of a `Headers`, a `Map` or an array are not its own members: the upstream would be dialled without them.
  if (!isPlain(headers)) throw new TypeError('Expected a plain object of names and values')
  const checked: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    validateHeaderName(name)
    const key = name.toLowerCase()
    if (isHopHeader(key) && key !== 'host') throw new TypeError(`"${name}" cannot be set`)
    if (typeof value !== 'string' || value === '') throw new TypeError(`"${name}" has no value`)
    validateHeaderValue(name, value)
    checked[key] = value
  }
  return checked
}

/** Whether a value is an object of names and values, and nothing else. */
export function isPlain (value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/** Which parts of a client's request reach the upstream. */
export interface Forwarding {
  forwardHeaders: readonly string[]
  xForwarded: boolean
  changeOrigin: boolean
}

/**
 * Makes the headers of the request to the upstream.
 *
 * @param own headers that are added; they win
 */
export function upstreamHeaders (
  request: FastifyRequest,
  { forwardHeaders, xForwarded, changeOrigin }: Forwarding,
  own: Record<string, string>
): Record<string, string> {
  const headers: Record<string, string> = {}
  const set = (name: string, value: string | string[] | undefined): void => {
    // Only set-cookie is an array, and no request has it. With injectWS there is neither address nor host.
    if (typeof value === 'string' && value !== '') headers[name] = value
  }
  for (const name of forwardHeaders) set(name, request.headers[name])
  if (xForwarded) {
    set('x-forwarded-for', plainAddress(request.ip))
    set('x-forwarded-host', request.host)
    set('x-forwarded-proto', request.protocol)
  }
  if (!changeOrigin) set('host', request.headers.host)
  return Object.assign(headers, own)
}

/** Appends the client's parameters of these names to the upstream's URL, each as often as it was given. */
export function upstreamUrl (upstream: URL, names: readonly string[], query: unknown): URL {
  if (names.length === 0) return upstream
  const url = new URL(upstream)
  for (const name of names) {
    const value = (query as Record<string, string | string[] | undefined>)[name]
    if (value !== undefined) for (const one of [value].flat()) url.searchParams.append(name, one)
  }
  return url
}
