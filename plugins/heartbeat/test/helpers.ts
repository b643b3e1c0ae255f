import { randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { setImmediate as immediate } from 'node:timers/promises'
import tls from 'node:tls'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { WebSocket, type ClientOptions } from 'ws'
import { Heartbeat } from '../src/heartbeat.js'
import wsHeartbeat, { type WsHeartbeatOptions } from '../src/index.js'

export interface Arrival {
  socket: WebSocket
  request: IncomingMessage
  /** When it was connected, in milliseconds of `performance.now()`. */
  at: number
  /** How long it lived, in milliseconds; settles with its `'close'` event. */
  lifetime: Promise<number>
}

/** A listening server with the route `/ws`. `next()` returns its side of each connection, in the order in which they came. */
export async function build (t: Test, heartbeat: WsHeartbeatOptions = {}, fastify: object = {}) {
  const app: FastifyInstance = Fastify(fastify)
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions({ closeTimeout: 30_000 }))
  await app.register(wsHeartbeat, heartbeat)

  const arrivals: Arrival[] = []
  const events = new EventEmitter()
  app.websocketServer.on('connection', (socket, request) => {
    const at = performance.now()
    const lifetime = once(socket, 'close').then(() => performance.now() - at)
    arrivals.push({ socket, request, at, lifetime })
    events.emit('arrival')
  })
  const next = async (): Promise<Arrival> => {
    while (arrivals.length === 0) await once(events, 'arrival')
    return arrivals.shift() as Arrival
  }
  app.get('/ws', { websocket: true }, () => {})

  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  return { app, heartbeat: app.wsHeartbeat, port, next }
}

/** A client that answers pings by default. */
export function connect (t: Test, port: number, options: ClientOptions = {}, scheme = 'ws'): WebSocket {
  const client = new WebSocket(`${scheme}://127.0.0.1:${port}/ws`, { perMessageDeflate: false, ...options })
  t.teardown(() => client.terminate())
  client.on('error', () => {})
  return client
}

/** The request of an upgrade to `/ws`. */
function upgrade (): string {
  return [
    'GET /ws HTTP/1.1', 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`, '', ''
  ].join('\r\n')
}

// A shared key needs no certificate.
const psk = Buffer.from('a key for these tests only')
const cipher = { ciphers: 'PSK-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' } as const

/** Options for a server and its clients to speak TLS. */
export const serverTls = { ...cipher, pskCallback: () => psk }
export const clientTls = { ...cipher, pskCallback: () => ({ psk, identity: 'test' }), checkServerIdentity: () => undefined } as object

/** A peer over plain TCP or TLS: it sends the upgrade and then answers nothing. It reads until it is paused. */
export function bare (t: Test, port: number, secure = false): net.Socket {
  const socket = secure ? tls.connect({ port, host: '127.0.0.1', ...clientTls }) : net.connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  socket.resume()
  socket.write(upgrade())
  return socket
}

/** A masked text message of one byte. */
export const message = Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x78])

/** The part of a server's socket that the heartbeat uses. It answers pings while `answers` is `true`. */
export class FakeSocket extends EventEmitter {
  readonly OPEN = WebSocket.OPEN
  readyState: number = WebSocket.OPEN
  isPaused = false
  answers = true
  pings: number[] = []
  terminated = false
  readonly clock: { now: number }

  constructor (clock: { now: number }) {
    super()
    this.clock = clock
  }

  ping (): void {
    this.pings.push(this.clock.now)
    if (this.answers) this.emit('pong')
  }

  terminate (): void {
    this.terminated = true
  }
}

/** A heartbeat on a clock that only `advance` moves. */
export function buildUnit (t: Test, { interval = 25_000, timeout = 10_000, random = (): number => 0 } = {}) {
  const clock = { now: 0 }
  const log = { warn: (line: string) => { throw new Error(line) } }
  const heartbeat = new Heartbeat({ interval, timeout, log, now: () => clock.now, random })
  t.teardown(() => heartbeat.close())
  const watch = (options: Partial<FakeSocket> = {}): FakeSocket => {
    const socket = Object.assign(new FakeSocket(clock), options)
    heartbeat.watch(socket as unknown as WebSocket)
    return socket
  }
  /** Moves the clock by `duration`, in the steps of the heartbeat's timer, and lets it decide after each. */
  const advance = async (duration: number, step = 100): Promise<void> => {
    for (const end = clock.now + duration; clock.now < end;) {
      clock.now += step
      heartbeat.tick()
      await immediate()
    }
  }
  return { heartbeat, clock, watch, advance }
}

/** A fake socket, typed as what the heartbeat expects. */
export const as = (socket: FakeSocket): WebSocket => socket as unknown as WebSocket
