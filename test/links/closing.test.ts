// Runs alone: it moves the clock of its process.
// What was sent before a close arrives, and the code says whether it has. `AIRLOCK_LINKS` asks for real links and all
// defaults; without it the clock stands still unless bytes pass, so that nothing hangs on a real second.
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsHub from '@fastify-airlock/hub'
import wsProxy from '@fastify-airlock/proxy'
import { type Direction, type Relay, relayTo } from '@fastify-airlock/testing'
import Fastify from 'fastify'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'

const REAL = process.env.AIRLOCK_LINKS !== undefined
const SHORT = process.env.AIRLOCK_LINKS === 'short'
const KIB = 1024
const MIB = 1024 * KIB
const CHUNK = 16 * KIB
/** Enough for an upgrade. */
const HEAD = 2 * KIB

/** Of the defaults only those change that a timer of `ws` counts, in real time. */
const times = REAL ? {} : { closeTimeout: 50 }
/** In a real run nobody waits two minutes for a stalled peer. */
const stalledTimes = REAL ? { flushTimeout: 5_000 } : times

/** What the clock of the process says, in milliseconds. */
let now = performance.now()

/** What one end of a connection sees. */
interface End {
  /** Bytes that it got. */
  received: number
  /** Its close code. */
  code: number
}

interface Running {
  relay: Relay
  /** The end behind the link. */
  behind: Promise<End>
  /** The end that closed. */
  closing: Promise<End>
}

interface Row {
  direction: Direction
  /** The code that the end behind the link gets. */
  code: number
  /** The code that the end that closed gets for an answer. */
  told: number
  /** The same where the peer takes nothing. */
  stalled: number
  run: (t: Test, size: number, times: { closeTimeout?: number, flushTimeout?: number }, tuned: (relay: Relay) => void) => Promise<Running>
}

const send = (socket: WebSocket, size: number): void => {
  for (let sent = 0; sent < size; sent += CHUNK) socket.send(Buffer.alloc(CHUNK))
}

/** Bytes received and the close code. */
function watch (socket: WebSocket): Promise<End> {
  let received = 0
  socket.on('message', data => { received += (data as Buffer).length }).on('error', () => {})
  return new Promise(resolve => socket.once('close', code => resolve({ received, code })))
}

function connect (t: Test, port: number): WebSocket {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false })
  t.teardown(() => socket.terminate())
  return socket
}

async function listen (t: Test, times: object, declare: (app: ReturnType<typeof Fastify>) => Promise<void>): Promise<number> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions(times))
  await declare(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  return (app.server.address() as AddressInfo).port
}

/** A WebSocket server that knows nothing of Airlock, with the time of `ws` for its close. */
async function upstream (t: Test): Promise<WebSocketServer> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false, closeTimeout: 600_000 } as object)
  await once(server, 'listening')
  t.teardown(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  return server
}

const portOf = (server: WebSocketServer): number => (server.address() as AddressInfo).port

function deferred () {
  let resolve!: (end: Promise<End>) => void
  const promise = new Promise<End>(_resolve => { resolve = _resolve })
  return { promise, resolve }
}

/** A server, or its hub, closes. */
const closes = (close: (app: ReturnType<typeof Fastify>, socket: WebSocket) => void): Row['run'] => async (t, size, times, tuned) => {
  const { promise: closing, resolve } = deferred()
  const port = await listen(t, times, async app => {
    await app.register(wsHub, times)
    app.get('/', { websocket: true }, (socket: WebSocket) => {
      resolve(watch(socket))
      send(socket, size)
      close(app, socket)
    })
  })
  const relay = await relayTo(port, t)
  tuned(relay)
  return { relay, closing, behind: watch(connect(t, relay.port)) }
}

const ROWS: Record<string, Row> = {
  server: { direction: 'down', code: 1000, told: 1000, stalled: 1006, run: closes((_app, socket) => socket.close(1000, 'done')) },
  hub: {
    direction: 'down',
    code: 4403,
    told: 4403,
    stalled: 1006,
    run: closes((app, socket) => {
      app.wsHub.add(socket, { subject: 'alice' })
      app.wsHub.disconnect('alice')
    })
  },
  'proxy down': {
    direction: 'down',
    code: 1000,
    told: 1000,
    stalled: 1001,
    run: async (t, size, times, tuned) => {
      const far = await upstream(t)
      const { promise: closing, resolve } = deferred()
      far.on('connection', socket => {
        resolve(watch(socket))
        send(socket, size)
        socket.close(1000, 'done')
      })
      const port = await listen(t, times, async app => {
        await app.register(wsProxy, { upstream: `ws://127.0.0.1:${portOf(far)}/`, ...times })
        const proxy = app.wsProxy()
        app.get('/', { websocket: true, preValidation: proxy.dial }, proxy)
      })
      const relay = await relayTo(port, t)
      tuned(relay)
      return { relay, closing, behind: watch(connect(t, relay.port)) }
    }
  },
  'proxy up': {
    direction: 'up',
    code: 1000,
    told: 1000,
    stalled: 1014,
    run: async (t, size, times, tuned) => {
      const far = await upstream(t)
      const { promise: behind, resolve } = deferred()
      far.on('connection', socket => resolve(watch(socket)))
      const relay = await relayTo(portOf(far), t)
      const port = await listen(t, times, async app => {
        await app.register(wsProxy, { upstream: `ws://127.0.0.1:${relay.port}/`, ...times })
        const proxy = app.wsProxy()
        app.get('/', { websocket: true, preValidation: proxy.dial }, proxy)
      })
      const near = connect(t, port)
      const closing = watch(near)
      await once(near, 'open')
      tuned(relay)
      send(near, size)
      near.close(1000, 'done')
      return { relay, closing, behind }
    }
  }
}

const RATES = { '256 KiB/s': 256 * KIB, '1 MiB/s': MIB }
const SIZES = { '64 KiB': 64 * KIB, '4 MiB': 4 * MIB }

if (!REAL) Object.defineProperty(performance, 'now', { configurable: true, value: () => now })
t.teardown(() => { Reflect.deleteProperty(performance, 'now') })

/** Tells whether a promise has been fulfilled. */
function settled (promise: Promise<unknown>): () => boolean {
  let is = false
  promise.then(() => { is = true })
  return () => is
}

/** Lets a link pass all there is at its rate, and the clock move on with it, until both ends are gone. */
async function pass ({ relay, behind, closing }: Running, direction: Direction, rate: number): Promise<void> {
  const way = relay[direction]
  const step = rate / 4
  const over = settled(Promise.all([behind, closing]))
  while (!over()) {
    const before = way.passed
    way.allow(step - way.budget)
    // Time passes when a step has been used up. The rest, such as an answer, takes none.
    for (let turns = 0; way.budget > 0 && !over() && turns < 20; turns++) await sleep(1)
    now += 250 * (way.passed - before) / step
  }
}

for (const [name, { direction, code, told, stalled, run }] of Object.entries(ROWS)) {
  for (const [sizeName, size] of Object.entries(SIZES)) {
    for (const [rateName, rate] of Object.entries(RATES)) {
      // 16 s each.
      if (SHORT && size / rate > 10) continue
      t.test(`${name}: ${sizeName} at ${rateName} arrive, and then the close`, async t => {
        const running = await run(t, size, times, relay => {
          if (REAL) relay[direction].throttle(rate)
          else relay[direction].freezeAfter(HEAD)
        })
        if (!REAL) {
          // In real time, for the timer of ws: the peer takes nothing for much longer than `closeTimeout`.
          await sleep(300)
          await pass(running, direction, rate)
        }
        t.strictSame(await running.behind, { received: size, code })
        const { code: answered } = await running.closing
        // The server's own end does not have to see the answer.
        t.ok(answered === told || (answered === 1006 && direction === 'down' && name !== 'proxy down'), `told ${answered}`)
      })
    }

    if (SHORT && size < MIB) continue
    t.test(`${name}: ${sizeName} for a peer that takes nothing have their time, and nobody is told that they arrived`, async t => {
      const running = await run(t, size, stalledTimes, relay => { relay[direction].freezeAfter(HEAD) })
      const ended = settled(running.closing)
      if (!REAL && size > MIB) {
        now += 50_000
        await sleep(300)
        t.notOk(ended(), 'it has its time')
      }
      while (!ended()) {
        if (!REAL) now += 1_000
        await sleep(5)
      }
      t.equal((await running.closing).code, stalled)
      running.relay[direction].thaw()
      const { received } = await running.behind
      // What the kernel had taken arrives even then.
      t.ok(received < size || size < MIB, `${received} bytes came through in the end`)
    })
  }
}
