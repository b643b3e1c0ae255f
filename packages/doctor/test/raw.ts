import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'
import { examine, type DoctorOptions, type RuleId } from '../src/index.js'
import { encodeFrame } from '../src/frames.js'

/** A wait for what never comes, in milliseconds. */
export const BRIEF = 100

/** A request to a raw server. */
export interface Raw {
  head: string
  socket: Socket
  /** How many requests of its kind came before, tickets and upgrades apart. */
  count: number
  /** Answers with 101, and hands over the bytes that follow. */
  accept (then?: (bytes: Buffer) => void, headers?: string): void
  /** Answers, and closes. */
  reply (status: number, body?: string, headers?: string): void
}

/** An unmasked frame, as servers send them. */
export function frame (payload: string | Buffer, opcode = 1, final = true): Buffer {
  const bytes = encodeFrame(payload, { opcode, masked: false })
  if (!final) bytes[0] = opcode
  return bytes
}

export function closeFrame (code: number): Buffer {
  return frame(Buffer.from([code >> 8, code & 255]), 8)
}

/** A server that does exactly what a test says, however wrong. */
export async function rawServer (t: Test, { upgrade, ticket = ({ reply }) => reply(201, TICKET()) }: { upgrade: (raw: Raw) => void, ticket?: (raw: Raw) => void }) {
  const sockets = new Set<Socket>()
  const counts = { upgrade: 0, ticket: 0 }
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    let then: ((bytes: Buffer) => void) | null = null
    socket.on('data', bytes => {
      if (then !== null) return then(bytes)
      const head = bytes.toString('latin1')
      const kind = /^\S+ \/ws\/ticket /.test(head) ? 'ticket' : 'upgrade'
      const raw: Raw = {
        head,
        socket,
        count: counts[kind]++,
        accept (next = () => {}, headers = '') {
          then = next
          const accept = createHash('sha1').update(`${String(/Sec-WebSocket-Key: (\S+)/.exec(head)?.[1])}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
          socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${headers}\r\n`)
        },
        reply (status, body = '', headers = '') {
          socket.end(`HTTP/1.1 ${status} Some\r\n${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
        }
      }
      if (kind === 'ticket') ticket(raw)
      else upgrade(raw)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url: `ws://${host}/ws`, ticketUrl: `http://${host}/ws/ticket` }
}

let tickets = 0

/** A body with a good ticket, unlike all others in both of its ends. */
export const TICKET = (more: object = {}): string => {
  const text = createHash('sha256').update(String(++tickets)).digest('base64url')
  return JSON.stringify({ ticket: text, expiresIn: 30, protocol: 'airlock.v1', ...more })
}

/** Looks at one rule, and says what was found. */
export async function look (options: Partial<DoctorOptions> & { url: string }, rule: RuleId, sleep?: (ms: number) => Promise<void>): Promise<string> {
  const { findings } = await examine({ only: [rule], patience: BRIEF, authTimeout: BRIEF, rate: 100_000, ...options }, { ...(sleep !== undefined && { sleep }) })
  const { result, evidence } = findings.find(finding => finding.rule.id === rule) as typeof findings[number]
  return `${result}: ${evidence}`
}
