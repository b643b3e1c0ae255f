import { request as httpsRequest } from 'node:https'
import type { IncomingHttpHeaders } from 'node:http'
import { text } from 'node:stream/consumers'
import { CERTIFICATE } from './proxy.js'

/** What {@link request} takes besides the address. */
export interface RequestOptions {
  method?: string
  /** A JWT for the Authorization header. */
  token?: string | undefined
  headers?: Record<string, string>
  /** Sent as JSON. */
  body?: object
  /** Address that the request comes from. */
  localAddress?: string | undefined
}

/** A whole answer. */
export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  /** The body, parsed. */
  json <T>(): T
}

/** Time for a whole exchange, in milliseconds: whatever happens to a cluster, no request may hang. */
const TIMEOUT = 15_000

/** An HTTPS request on a connection of its own, to a server with the certificate of the tests. */
export async function request (url: string, { method = 'GET', token, headers = {}, body, localAddress }: RequestOptions = {}): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    const outgoing = httpsRequest(url, {
      method,
      agent: false,
      ca: CERTIFICATE,
      signal: AbortSignal.timeout(TIMEOUT),
      localAddress,
      headers: {
        ...headers,
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined ? { 'content-type': 'application/json' } : method === 'POST' && { 'content-length': '0' })
      }
    }, incoming => {
      text(incoming).then(body => resolve({
        status: incoming.statusCode as number,
        headers: incoming.headers,
        json: () => JSON.parse(body)
      }), reject)
    })
    outgoing.on('error', reject)
    outgoing.end(body && JSON.stringify(body))
  })
}
