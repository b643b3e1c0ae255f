// Runs alone: it moves the clock of the process.
import { transportOf } from '@fastify-airlock/core'
import type { GuardCutEvent } from '@fastify-airlock/guard'
import wsProxy from '@fastify-airlock/proxy'
import { randomBytes } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws'
import { head, start } from './wire.js'

const MEGABYTE = 1024 * 1024

/** More than the kernel takes of it, by some megabytes. */
const TOTAL = 16 * MEGABYTE

// One for all, so that what waits takes no memory in this process.
const CHUNK = randomBytes(64 * 1024)
const TEXT = Buffer.alloc(64 * 1024, 'x')
const LARGE = randomBytes(2 * MEGABYTE)
const PING = randomBytes(125)

function repeat (bytes: number, act: (last: boolean) => void): void {
  const count = Math.ceil(TOTAL / bytes)
  for (let index = 1; index <= count; index++) act(index === count)
}

/** What a handler may send by itself. */
const SENDS: Record<string, (socket: WebSocket) => void> = {
  text: socket => repeat(TEXT.length, () => socket.send(TEXT, { binary: false })),
  binary: socket => repeat(CHUNK.length, () => socket.send(CHUNK)),
  'one message': socket => socket.send(Buffer.alloc(TOTAL)),
  fragments: socket => repeat(CHUNK.length, fin => socket.send(CHUNK, { fin })),
  'a stream': socket => {
    const stream = createWebSocketStream(socket)
    stream.on('error', () => {})
    repeat(LARGE.length, () => stream.write(LARGE))
  },
  pings: socket => repeat(PING.length, () => socket.ping(PING)),
  compressed: socket => repeat(CHUNK.length, () => socket.send(CHUNK))
}

/** The ways on which a socket may have come. On the others the rule is the same, and these are all that differ. */
const WAYS: Record<string, string[]> = {
  '/guard': Object.keys(SENDS),
  '/handshake': ['text', 'one message', 'a stream'],
  '/hub': ['text', 'binary'],
  '/proxy': ['text', 'binary']
}

/** What the peer does, and whether it may stay. */
const PEERS = { silent: false, 'sending pongs': false, 'reading a little': true }

interface Row {
  name: string
  lives: boolean
  peer: net.Socket
  socket: WebSocket
  /** Sends a pong, or reads. */
  act: () => Promise<void>
}

/** Bytes of its peer's that the kernel has taken, of what was sent. */
const taken = (socket: WebSocket): number => {
  const transport = transportOf(socket) as net.Socket
  const { _handle: handle } = transport as unknown as { _handle: { bytesWritten: number, writeQueueSize: number } | null }
  return handle === null ? Infinity : handle.bytesWritten - handle.writeQueueSize
}

const pause = async (milliseconds: number): Promise<void> => await new Promise(resolve => setTimeout(resolve, milliseconds))

/** A masked frame. */
const frame = (first: number, payload: Buffer): Buffer =>
  Buffer.concat([Buffer.from(payload.length < 126 ? [first, 0x80 | payload.length] : [first, 0xfe, payload.length >> 8, payload.length & 0xff]), Buffer.alloc(4), payload])

/** Opens one connection that reads nothing, and has the server send. */
async function open (t: Test, server: Awaited<ReturnType<typeof start>>, path: string, send: string, auth: boolean): Promise<net.Socket> {
  const { port, ticket, jwt } = server
  const peer = net.connect(port, '127.0.0.1')
  t.teardown(() => peer.destroy())
  peer.on('error', () => {})
  const lines = send === 'compressed' ? ['Sec-WebSocket-Extensions: permessage-deflate'] : []
  peer.write(head({ target: `${path}?ticket=${await ticket()}&send=${encodeURIComponent(send)}`, host: `127.0.0.1:${port}`, lines }))
  await once(peer, 'data')
  peer.pause()
  if (auth) peer.write(frame(0x81, Buffer.from(JSON.stringify({ type: 'auth', token: jwt() }))))
  return peer
}

t.test('a peer that takes nothing is cut, and one that takes some lives', async t => {
  const upstream = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(upstream, 'listening')
  t.teardown(() => {
    for (const client of upstream.clients) client.terminate()
    upstream.close()
  })
  upstream.on('connection', (socket, { url }) => {
    socket.on('error', () => {})
    SENDS[new URL(url as string, 'ws://localhost').searchParams.get('send') as string]?.(socket)
  })
  const opened: Array<(socket: WebSocket) => void> = []
  const server = await start(t, {
    routes: async app => {
      app.websocketServer.options.perMessageDeflate = { threshold: 0, zlibDeflateOptions: { level: 1 } }
      await app.register(wsProxy)
      const serve = (socket: WebSocket, { query }: { query: unknown }): void => {
        opened.shift()?.(socket)
        SENDS[(query as { send: string }).send]?.(socket)
      }
      const guarded = { websocket: true, preValidation: app.wsGuard() } as const
      app.get('/guard', guarded, serve)
      app.get('/handshake', guarded, app.wsHandshake((socket, request) => serve(socket, request), { hub: false }))
      app.get('/hub', guarded, app.wsHandshake((socket, request) => serve(socket, request)))
      const proxied = app.wsProxy({
        upstream: `ws://127.0.0.1:${(upstream.address() as AddressInfo).port}`, query: ['send'], drainTimeout: 86_400_000
      })
      app.get('/proxy', { websocket: true, preValidation: [app.wsGuard(), proxied.dial] }, proxied)
    }
  })
  const cuts: GuardCutEvent[] = []
  const onCut = (message: unknown): void => { cuts.push(message as GuardCutEvent) }
  subscribe('airlock:guard:cut', onCut)
  t.teardown(() => unsubscribe('airlock:guard:cut', onCut))
  server.app.websocketServer.on('connection', (socket, { url }) => { if ((url as string).startsWith('/proxy')) opened.shift()?.(socket) })

  const rows: Row[] = []
  for (const [path, sends] of Object.entries(WAYS)) {
    for (const send of sends) {
      for (const [what, lives] of Object.entries(PEERS)) {
        const socketOf = new Promise<WebSocket>(resolve => opened.push(resolve))
        const peer = await open(t, server, path, send, path === '/handshake' || path === '/hub')
        const socket = await socketOf
        // The kernel takes what it can, and what is compressed or comes through a proxy needs its time.
        for (let at = -1; at !== taken(socket) || socket.bufferedAmount < MEGABYTE; await pause(20)) at = taken(socket)
        const act = what === 'sending pongs'
          ? async () => { peer.write(frame(0x8a, Buffer.alloc(0))) }
          : async () => {
            const before = taken(socket)
            // Until its kernel tells the server's, which it does not do for every byte.
            while (socket.readyState === socket.OPEN && socket.bufferedAmount > 0 && taken(socket) === before) {
              peer.resume()
              await once(peer, 'data')
              peer.pause()
              await pause(1)
            }
          }
        rows.push({ name: `${path}: ${send} for a peer ${what}`, lives, peer, socket, act: what === 'silent' ? async () => {} : act })
      }
    }
  }

  const now = performance.now.bind(performance)
  let ahead = 0
  t.intercept(performance, 'now', { value: () => now() + ahead })
  // An eighth of `stallTimeout` each: it looks so often. A late look sees more progress, and not less.
  for (let step = 0; step < 14 || rows.some(({ lives, socket }) => !lives && socket.readyState !== socket.CLOSED); step++) {
    // Twice in `stallTimeout`: what the kernel takes at a time may be megabytes.
    if (step % 4 === 0) await Promise.all(rows.filter(({ socket }) => socket.readyState === socket.OPEN).map(async ({ act }) => { await act() }))
    ahead += 7_500
    await pause(150)
  }
  for (const { name, lives, socket } of rows) {
    const cut = cuts.filter(event => event.socket === socket).map(({ code, reason, bytes }) => ({ code, reason, much: bytes > MEGABYTE }))
    t.same(cut, lives ? [] : [{ code: 1006, reason: 'stalled', much: true }], name)
    t.equal(socket.readyState === socket.OPEN, lives, name)
  }
  const lines = server.log.map(line => JSON.parse(line)).filter(({ msg }) => msg === 'websocket cut')
  t.equal(lines.length, rows.filter(({ lives }) => !lives).length)
  for (const line of lines) t.match(line, { level: 30, code: 1006, reason: 'stalled', bytes: Number })
})

t.test('what waits for one peer has a ceiling, whatever is sent and however fast', async t => {
  const maxSocketBytes = 6 * MEGABYTE
  const server = await start(t, {
    guard: { maxSocketBytes },
    routes: app => {
      app.websocketServer.options.perMessageDeflate = { threshold: 0 }
      const guarded = { websocket: true, preValidation: app.wsGuard() } as const
      const serve = (socket: WebSocket, { query }: { query: unknown }): void => {
        const { send } = query as { send: string }
        if (send === 'echo') socket.on('message', data => { for (let times = 0; times < 8; times++) socket.send(data as Buffer) })
        else if (send === 'all at once') for (let index = 0; index < 5_000; index++) socket.send(CHUNK)
        else SENDS[send]?.(socket)
      }
      app.get('/guard', guarded, serve)
      app.get('/handshake', guarded, app.wsHandshake((socket, request) => serve(socket, request)))
    }
  })
  const cuts: GuardCutEvent[] = []
  const onCut = (message: unknown): void => { cuts.push(message as GuardCutEvent) }
  subscribe('airlock:guard:cut', onCut)
  t.teardown(() => unsubscribe('airlock:guard:cut', onCut))
  for (const path of ['/guard', '/handshake']) {
    for (const send of ['echo', 'all at once', 'text', 'fragments', 'one message', 'pings', 'compressed']) {
      const peer = await open(t, server, path, send, path === '/handshake')
      if (send === 'echo') {
        const message = frame(0x82, CHUNK.subarray(0, 60_000))
        const flood = (): void => { while (!peer.destroyed && peer.write(message)); }
        peer.on('drain', flood)
        flood()
      }
      const closed = new Promise(resolve => peer.on('close', resolve))
      // Reading, it would see the end; it learns of it by a reset of what it sends, or not at all.
      while (cuts.length === 0) await pause(10)
      const [{ socket, reason, bytes }] = cuts.splice(0) as [GuardCutEvent]
      t.equal(reason, 'full', `${path}: ${send}`)
      if (send !== 'one message') t.ok(bytes <= maxSocketBytes + 64 * 1024 + 14, `${bytes} bytes`)
      if (socket.readyState !== socket.CLOSED) await once(socket, 'close')
      peer.destroy()
      await closed
    }
  }
})
