import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import { mayUpgrade, readFrames } from './oracle.js'

/** What a client saw. */
export interface Seen {
  /** Of the answer to the head; 0 for none. */
  status: number
  /** Text messages of the server, in order. */
  messages: string[]
  /** Of the server's close frame; 0 for none. */
  code: number
  body: string
}

/** Time in which an answer comes, where it is not certain that one does, in milliseconds. It decides nothing but how far a session gets. */
const PATIENCE = 150

/** A frame of a client, masked or not, with the length that it claims. */
export function frame (first: number, payload: Buffer, masked = true, claimed: number | null = null): Buffer {
  const length = claimed ?? payload.length
  const size = length < 126 && claimed === null ? 1 : length < 65_536 ? 3 : 9
  const head = Buffer.alloc(1 + size)
  head[0] = first
  head[1] = (masked ? 0x80 : 0) | (size === 1 ? length : size === 3 ? 126 : 127)
  if (size === 3) head.writeUInt16BE(length, 2)
  if (size === 9) head.writeBigUInt64BE(BigInt(length), 2)
  const mask = masked ? randomBytes(4) : Buffer.alloc(0)
  const body = Buffer.from(payload)
  if (masked) for (let i = 0; i < body.length; i++) body[i] = (body[i] as number) ^ (mask[i & 3] as number)
  return Buffer.concat([head, mask, body])
}

const PING = Buffer.from('siege')

/**
 * Sends a head and frames on a connection of its own, and goes.
 *
 * @param tempt called when the server may do something that it must not
 */
export async function converse (
  port: number, head: Buffer, frames: readonly Buffer[], { early, split, ending }: { early: boolean, split: number | null, ending: 'close' | 'fin' | 'reset' }, tempt: () => void
): Promise<Seen> {
  const seen: Seen = { status: 0, messages: [], code: 0, body: '' }
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  let received = Buffer.alloc(0)
  let at = -1
  let pongs = 0
  let wake = (): void => {}
  const server = { isOver: false }
  socket.on('error', () => {})
  socket.on('close', () => { server.isOver = true; wake() }).on('end', () => { server.isOver = true; wake() })
  socket.on('data', chunk => {
    received = Buffer.concat([received, chunk])
    if (at === -1) {
      const end = received.indexOf('\r\n\r\n')
      if (end === -1) return
      seen.status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(received.toString('latin1'))?.[1] ?? 0)
      at = seen.status === 101 ? end + 4 : Infinity
    }
    if (at !== Infinity) at = read(received, at, seen, () => { pongs++ })
    wake()
  })
  /** Waits until something holds, the server has ended the connection, or for as long as it makes sense. */
  const until = async (holds: () => boolean, patience: number): Promise<void> => {
    const late = performance.now() + patience
    while (!holds() && !server.isOver && performance.now() < late) {
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>(resolve => {
        wake = resolve
        timer = setTimeout(resolve, late - performance.now())
      })
      clearTimeout(timer)
    }
  }
  await once(socket, 'connect')
  const first = early ? Buffer.concat([head, ...frames.slice(0, 1)]) : head
  if (split === null) socket.write(first)
  else {
    const cut = Math.floor(split * first.length)
    socket.write(first.subarray(0, cut))
    await new Promise(resolve => setImmediate(resolve))
    socket.write(first.subarray(cut))
  }
  tempt()
  await until(() => seen.status !== 0, mayUpgrade(head) ? 30_000 : PATIENCE)
  const isOpen = seen.status === 101
  if (isOpen) {
    const rest = early ? frames.slice(1) : frames
    for (const one of rest) {
      socket.write(one)
      tempt()
    }
    const { isWhole } = readFrames(Buffer.concat(frames))
    socket.write(frame(0x89, PING))
    await until(() => pongs > 0 || seen.code !== 0, isWhole ? 30_000 : PATIENCE)
    tempt()
    if (ending === 'close') socket.write(frame(0x88, Buffer.from([0x03, 0xe8])))
  }
  if (ending === 'reset') {
    // What has arrived by now was sent before.
    await new Promise(resolve => setImmediate(resolve))
    socket.resetAndDestroy()
  } else {
    socket.end()
    await until(() => false, 3_000)
    socket.destroy()
  }
  if (!socket.closed) await once(socket, 'close')
  if (!isOpen) seen.body = received.toString('latin1')
  return seen
}

/** Reads the frames of a server, and returns where the next one begins. */
function read (bytes: Buffer, from: number, seen: Seen, onPong: () => void): number {
  let at = from
  while (at + 2 <= bytes.length) {
    const [one, two] = [bytes[at] as number, bytes[at + 1] as number]
    let [length, head] = [two & 0x7f, 2]
    if (length === 126 && at + 4 <= bytes.length) [length, head] = [bytes.readUInt16BE(at + 2), 4]
    else if (length === 127 && at + 10 <= bytes.length) [length, head] = [Number(bytes.readBigUInt64BE(at + 2)), 10]
    else if (length > 125) break
    if (at + head + length > bytes.length) break
    const payload = bytes.subarray(at + head, at + head + length)
    if ((one & 0x0f) === 1) seen.messages.push(payload.toString())
    else if ((one & 0x0f) === 8) seen.code = payload.length >= 2 ? payload.readUInt16BE(0) : 1005
    else if ((one & 0x0f) === 10) onPong()
    at += head + length
  }
  return at
}
