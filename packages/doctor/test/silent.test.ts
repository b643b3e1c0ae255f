import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { examine, type DoctorOptions, type RuleId } from '../src/index.js'
import { encodeFrame } from '../src/frames.js'

const BRIEF = 100
const ACCEPT = (key: string): string => createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')

/** A server that opens every WebSocket, and then does nothing but `then`. */
async function silentServer (t: Test, then: (socket: Socket, bytes: Buffer) => void = () => {}): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    let open = false
    socket.on('data', bytes => {
      if (open) return then(socket, bytes)
      open = true
      const [, key = ''] = /Sec-WebSocket-Key: (\S+)/.exec(bytes.toString()) ?? []
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${ACCEPT(key)}\r\n\r\n`)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`
}

async function look (url: string, rule: RuleId, options: Partial<DoctorOptions> = {}) {
  const { findings } = await examine({ url, only: [rule], patience: BRIEF, authTimeout: BRIEF, rate: 100_000, ...options })
  const [{ result, evidence } = { result: '', evidence: '' }] = findings
  return `${result}: ${evidence}`
}

const frame = (payload: string | Buffer, opcode: number, final = true): Buffer => {
  const bytes = encodeFrame(payload, { opcode, masked: false })
  if (!final) bytes[0] = opcode
  return bytes
}

t.test('a server that takes everything and says nothing', async t => {
  const url = await silentServer(t)
  t.match(await look(url, 'masking'), /^fail: a frame without a mask is taken/)
  t.match(await look(url, 'close-answer'), /^fail: a close frame gets no answer$/)
  t.match(await look(url, 'payload-limit'), /^fail: /)
  t.match(await look(url, 'close-cut'), /^unknown: the server does not close/)
  t.match(await look(url, 'drain', { drain: BRIEF }), /^unknown: the server did not stop within 0.1 s/)
  t.match(await look(url, 'bad-upgrade'), /^fail: the method POST: 101/)
  t.match(await look(url, 'no-ticket'), /^fail: 101/)
  t.match(await look(url, 'wrong-origin'), /^fail: 101/)
})

t.test('a server that cuts the connection in place of an answer', async t => {
  const url = await silentServer(t, socket => socket.destroy())
  t.match(await look(url, 'close-answer'), /^fail: a close frame gets no answer: the connection was cut/)
  t.match(await look(url, 'early-frame'), /^pass: close 1006/)
  t.match(await look(url, 'close-codes', { only: ['early-frame', 'close-codes'] }), /^pass: close 1006/)
})

t.test('pings, pongs, fragments and closes without a code are understood', async t => {
  const seen: Buffer[] = []
  const url = await silentServer(t, (socket, bytes) => {
    seen.push(bytes)
    if (seen.length > 1) return
    socket.write(Buffer.concat([
      frame('ping', 9), frame('pong', 10), frame('{"type":"auth', 1, false), frame('_ok"}', 0), frame(Buffer.alloc(70_000), 2), frame(Buffer.alloc(200), 2), frame('', 8)
    ]))
  })
  const { findings } = await examine({ url, only: ['jwt-claims'], token: 'a.b.c', patience: BRIEF, authTimeout: 120_000 })
  t.match(findings[0], { result: 'skipped', evidence: 'AIRLOCK_TOKEN is no JWT' })
  t.ok(seen.length > 0)
})

t.test('an application that answers everybody', async t => {
  const url = await silentServer(t, socket => socket.write(frame('hello', 1)))
  t.match(await look(url, 'early-frame'), /^fail: the application answered: hello/)
})
