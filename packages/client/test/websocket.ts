import type { Test } from 'tap'
import { createWebSocketClass, type WebSocketClassOptions } from '../src/websocket.js'
import { fakes, jwt } from './helpers.js'

/** A class over fake sockets, and what its application is told. */
export function build (t: Test, options: Partial<WebSocketClassOptions> = {}) {
  const sockets = fakes()
  const asked: Array<{ reason: string, attempt: number }> = []
  const errors: string[] = []
  let tickets = 0
  const Class = createWebSocketClass({
    getTicket: () => `ticket-${tickets++}`,
    getToken: ({ reason, attempt }) => {
      asked.push({ reason, attempt })
      return jwt(`${asked.length}`)
    },
    WebSocket: sockets.WebSocket,
    reconnect: { min: 4, max: 1000 },
    random: () => 0.5,
    onError: ({ code, final }, url) => { errors.push(`${code} ${final} ${url}`) },
    ...options
  })
  const create = (protocols?: string[], url = 'ws://server.test/ws') => {
    const socket = new Class(url, protocols)
    t.teardown(() => { socket.close() })
    return socket
  }
  return {
    Class,
    sockets,
    asked,
    errors,
    tickets: () => tickets,
    create,
    async open (protocols?: string[]) {
      const socket = create(protocols)
      const under = (await sockets.next()).accept(protocols?.[0])
      under.say({ type: 'auth_ok', user: { id: 'alice' }, expiresAt: 1_800_000_000_000 })
      return { socket, under, seen: watch(socket) }
    }
  }
}

/** Every event of a socket, in order. */
export function watch (socket: EventTarget): unknown[][] {
  const seen: unknown[][] = []
  for (const name of ['open', 'message', 'error', 'close']) {
    socket.addEventListener(name, event => {
      const { data, code, reason, wasClean, message } = event as any
      seen.push([name, ...[data ?? message, code, reason, wasClean].filter(value => value !== undefined)])
    })
  }
  return seen
}

/** The next event of that name. */
export const next = (socket: EventTarget, name: string) => new Promise<any>(resolve => { socket.addEventListener(name, resolve, { once: true }) })
