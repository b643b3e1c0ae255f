import { EventEmitter, once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { WebSocket, type RawData } from 'ws'
import { buildUpstream } from '../src/app.js'

export const TOKEN = 'a-key-of-the-tests'

/** Starts the server on a free port and keeps its log. */
export async function listen (t: Test) {
  const lines: string[] = []
  const app = await buildUpstream({ token: TOKEN, logLevel: 'trace' }, { logStream: { write: line => { lines.push(line) } } })
  t.teardown(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  return { app, lines, port, origin: `http://127.0.0.1:${port}` }
}

/** Opens a client that keeps what it receives. */
export function connect (t: Test, port: number, headers: Record<string, string> = { 'x-api-key': TOKEN }) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, { headers })
  t.teardown(() => socket.terminate())
  const received: Array<[RawData, boolean]> = []
  const events = new EventEmitter()
  socket.on('message', (data, isBinary) => {
    received.push([data, isBinary])
    events.emit('message')
  })
  return {
    socket,
    opened: once(socket, 'open'),
    closed: once(socket, 'close').then(([code]) => code as number, (error: Error) => error.message),
    next: async (): Promise<[string, boolean]> => {
      while (received.length === 0) await once(events, 'message')
      const [data, isBinary] = received.shift() as [RawData, boolean]
      return [String(data), isBinary]
    }
  }
}
