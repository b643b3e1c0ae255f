import { usesPublicWay } from '@fastify-airlock/core'
import { randomBytes } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { WebSocket as Client, type WebSocket } from 'ws'
import type { GuardCutEvent, GuardPluginOptions } from '../src/index.js'
import { build, listen, raw, TICKET, ticketsOf, upgradeHead } from './helpers.js'

const MEGABYTE = 1024 * 1024

const pem = (name: string): string => readFileSync(new URL(`../../proxy/test/fixtures/${name}.pem`, import.meta.url), 'utf8')

/** A server with a guarded route, and its socket for a peer that reads nothing. */
async function open (t: Test, guard: GuardPluginOptions) {
  const lines: Array<{ level: number, msg: string }> = []
  const app = await build(t, { guard, server: { logger: { stream: { write: (line: string) => { lines.push(JSON.parse(line)) } } } } })
  const sockets: WebSocket[] = []
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, socket => { sockets.push(socket) })
  const port = await listen(app)
  ticketsOf(app).live.add(TICKET)
  const arrived = once(app.websocketServer, 'connection')
  const { socket: peer } = await raw(t, port, upgradeHead(`/ws?ticket=${TICKET}`))
  await arrived
  peer.pause()
  return { lines, peer, socket: sockets[0] as WebSocket }
}

t.test('a socket with too much waiting is cut, without a close frame', async t => {
  const cuts: GuardCutEvent[] = []
  const onCut = (message: unknown): void => { cuts.push(message as GuardCutEvent) }
  for (const heard of [false, true]) {
    const { socket, lines } = await open(t, { maxSocketBytes: 8 * MEGABYTE })
    if (heard) subscribe('airlock:guard:cut', onCut)
    t.teardown(() => unsubscribe('airlock:guard:cut', onCut))
    const closed = once(socket, 'close')
    socket.send(Buffer.alloc(8 * MEGABYTE + 1))
    t.equal(socket.readyState, socket.CLOSING, 'at once')
    socket.send('into nothing')
    t.equal((await closed)[0], 1006)
    t.match(lines.filter(({ msg }) => msg === 'websocket cut'), [{ level: 30, code: 1006, reason: 'full', bytes: Number }])
    t.equal(cuts.length, heard ? 1 : 0)
    if (heard) t.match(cuts[0], { socket, code: 1006, reason: 'full', bytes: Number })
  }
})

t.test('a socket whose peer takes nothing is cut, and says when', async t => {
  const { socket, lines } = await open(t, { stallTimeout: 100 })
  const closed = once(socket, 'close')
  socket.send(Buffer.alloc(16 * MEGABYTE))
  t.equal((await closed)[0], 1006)
  t.match(lines.filter(({ msg }) => msg === 'websocket cut'), [{ level: 30, code: 1006, reason: 'stalled', bytes: Number }])
})

t.test('without limits nothing is watched', { skip: usesPublicWay() }, async t => {
  const { socket } = await open(t, { maxSocketBytes: Infinity, stallTimeout: false })
  // The class of the guard has no method of its own.
  t.notOk(Object.hasOwn(Object.getPrototypeOf(socket), 'send'))
  socket.send(Buffer.alloc(64 * MEGABYTE))
  t.equal(socket.readyState, socket.OPEN)
  for (const one of [{ maxSocketBytes: 1 }, { stallTimeout: 1 }]) {
    t.ok(Object.hasOwn(Object.getPrototypeOf((await open(t, { maxSocketBytes: Infinity, stallTimeout: false, ...one })).socket), 'send'))
  }
})

t.test('options', async t => {
  await t.rejects(async () => { await build(t, { guard: { maxSocketBytes: false } as object }) }, { code: 'WSA_GUARD_ERR_OPTION' })
  await t.rejects(async () => { await build(t, { guard: { stallTimeout: Infinity } }) }, { code: 'WSA_GUARD_ERR_OPTION' })
  for (const wrong of [0, -1, 1.5, '1', null, -Infinity, NaN]) {
    for (const name of ['maxSocketBytes', 'stallTimeout']) {
      await t.rejects(async () => { await build(t, { guard: { [name]: wrong } as object }) }, { code: 'WSA_GUARD_ERR_OPTION', message: new RegExp(name) }, `${name}: ${String(wrong)}`)
    }
  }
})

for (const secure of [false, true]) {
  for (const deflate of [false, true]) {
    t.test(`the bound counts what TLS and compression have not passed on: ${secure ? 'TLS' : 'TCP'}${deflate ? ', compressed' : ''}`, async t => {
      const app = await build(t, {
        guard: { maxSocketBytes: 8 * MEGABYTE },
        deflate,
        ...secure && { server: { https: { cert: pem('server'), key: pem('server-key') } } as object }
      })
      const opened = new Promise<WebSocket>(resolve => { app.get('/ws', { websocket: true }, socket => { resolve(socket) }) })
      const client = new Client(`ws${secure ? 's' : ''}://127.0.0.1:${await listen(app)}/ws`, { rejectUnauthorized: false })
      t.teardown(() => client.terminate())
      client.on('error', () => {})
      const socket = await opened
      client.pause()
      const closed = once(socket, 'close')
      // The kernel may take some of it at once.
      for (let sent = 0; sent < 64 && socket.readyState === socket.OPEN; sent++) socket.send(randomBytes(MEGABYTE))
      t.equal(socket.readyState, socket.CLOSING)
      t.equal((await closed)[0], 1006)
    })
  }
}
