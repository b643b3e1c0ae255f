import { on } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Test } from 'tap'
import { type ClientOptions, WebSocket } from 'ws'

/** Connects; throws `HTTP <status> <code>` where the upgrade is refused. */
export async function connect (t: Test, url: string, protocols: string[] = [], options: ClientOptions = {}) {
  const socket = new WebSocket(url, protocols, options)
  t.teardown(() => socket.terminate())
  const messages = on(socket, 'message', { close: ['close'] })
  const closed = new Promise<string>(resolve => socket.on('close', (code, reason) => resolve(`${code} ${String(reason)}`)))
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve)
    // For good: ending a refused attempt is an error as well.
    socket.on('error', reject)
    socket.once('unexpected-response', (_request, response: IncomingMessage) => {
      let body = ''
      response.on('data', chunk => { body += chunk })
      response.on('end', () => {
        const { code = '' } = body.startsWith('{') ? JSON.parse(body) : {}
        reject(Object.assign(new Error(`HTTP ${response.statusCode} ${code}`), { headers: response.headers }))
      })
    })
  })
  return {
    socket,
    /** `<code> <reason>` of the close frame. */
    closed,
    send: (message: object) => socket.send(JSON.stringify(message)),
    /** The next message, parsed; throws when the socket closes instead. */
    next: async (): Promise<Record<string, unknown>> => {
      const { value, done } = await messages.next()
      if (done === true) throw new Error(`closed: ${await closed}`)
      return JSON.parse(value[0].toString())
    }
  }
}
