import { type IncomingHttpHeaders, request as sendRequest } from 'node:http'
import type { Socket } from 'node:net'
import { text } from 'node:stream/consumers'

/** A request that is well-formed. */
export interface HttpRequest {
  method: string
  url: URL
  headers?: Readonly<Record<string, string>>
  body?: string
}

/** An answer with its body. */
export interface HttpAnswer {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

/**
 * Sends a request on a connection that is open, and closes it.
 *
 * @param ms how long the answer may take
 * @throws the error of `node:http`
 */
export async function exchange (socket: Socket, { method, url, headers = {}, body }: HttpRequest, ms: number): Promise<HttpAnswer> {
  try {
    return await new Promise((resolve, reject) => {
      const request = sendRequest({
        createConnection: () => socket,
        method,
        path: url.pathname + url.search,
        signal: AbortSignal.timeout(ms),
        headers: { host: url.host, connection: 'close', ...(method !== 'GET' && method !== 'HEAD' && { 'content-length': String(Buffer.byteLength(body ?? '')) }), ...headers }
      }, response => {
        text(response).then(body => resolve({ status: response.statusCode as number, headers: response.headers, body }), reject)
      })
      request.once('error', reject)
      request.end(body)
    })
  } finally {
    socket.destroy()
  }
}
