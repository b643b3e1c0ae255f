import { request } from 'node:http'
import { text } from 'node:stream/consumers'

/** Posts JSON on a connection of its own. @returns status 0 where there is no answer */
export async function post (port: number, path: string, body?: object, token?: string, timeout = 30_000): Promise<{ status: number, body: any }> {
  return await new Promise(resolve => {
    const lost = (): void => resolve({ status: 0, body: null })
    const outgoing = request({
      port,
      host: '127.0.0.1',
      path,
      method: 'POST',
      agent: false,
      signal: AbortSignal.timeout(timeout),
      headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...(body === undefined ? { 'content-length': '0' } : { 'content-type': 'application/json' }) }
    }, incoming => {
      text(incoming).then(body => resolve({ status: incoming.statusCode as number, body: body.startsWith('{') ? JSON.parse(body) : null }), lost)
    })
    outgoing.on('error', lost)
    outgoing.end(body && JSON.stringify(body))
  })
}
