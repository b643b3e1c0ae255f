import { randomBytes } from 'node:crypto'
import { EventEmitter, on, once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'

/** A plain `ws` server on an ephemeral port, and its connections one by one. */
export async function listen (t: Test) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  const incoming = on(server, 'connection')
  await once(server, 'listening')
  t.teardown(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  const connections = { next: async (): Promise<WebSocket> => (await incoming.next()).value[0] }
  return { port: (server.address() as AddressInfo).port, connections }
}

export function connect (t: Test, port: number, path = ''): WebSocket {
  const client = new WebSocket(`ws://127.0.0.1:${port}${path}`)
  t.teardown(() => client.terminate())
  return client
}

/** A peer that upgrades and then never says a word, not even to a close frame. */
export function mute (t: Test, port: number): net.Socket {
  const socket = net.connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  socket.resume()
  socket.write([
    'GET / HTTP/1.1', 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`, '', ''
  ].join('\r\n'))
  return socket
}

/** A socket whose link a test moves by hand. */
export class FakeSocket extends EventEmitter {
  readyState = 1
  bufferedAmount: number
  terminated = 0

  constructor (bufferedAmount = 0) {
    super()
    this.bufferedAmount = bufferedAmount
  }

  close (code?: number): void {
    if (code === 1005) throw new TypeError('not to be sent')
    this.readyState = 2
    this.bufferedAmount += 4
  }

  terminate (): void {
    this.terminated++
    this.readyState = 3
  }
}

/** The kernel takes all that waits. */
export const goOut = (socket: FakeSocket): void => { socket.bufferedAmount = 0 }
