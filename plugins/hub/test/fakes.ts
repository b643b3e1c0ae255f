import net from 'node:net'
import { WebSocket } from 'ws'
import { Connection } from '../src/connection.js'

/** Time that a peer has to answer a close frame, in milliseconds. No peer of these sockets does. */
const LONG = 600_000

/** A TCP socket without a network that collects what is written to it. */
class FakeStream extends net.Socket {
  /** One item for each write. */
  readonly writes: Buffer[] = []

  override _write (chunk: Buffer | string, _: string, done: () => void): void {
    this.writes.push(Buffer.from(chunk as string))
    done()
  }

  override _writev (chunks: Array<{ chunk: Buffer | string }>, done: () => void): void {
    this.writes.push(Buffer.concat(chunks.map(({ chunk }) => Buffer.from(chunk as string))))
    done()
  }

  override _read (): void {}
}

/** The server's side of an open `ws` socket, without a network. */
export function fakeSocket () {
  const stream = new FakeStream()
  // As a server does. Without it `ws` destroys a socket 1 ms after its close(), and what is held back is lost.
  const socket = new WebSocket(null as unknown as string, undefined, { closeTimeout: LONG } as object)
  const { close } = socket
  socket.close = function (...args) {
    close.apply(this, args)
    // Nothing waits for it.
    ;(this as unknown as { _closeTimer: NodeJS.Timeout | null })._closeTimer?.unref()
  }
  Object.assign(socket, { _isServer: true })
  ;(socket as unknown as { setSocket (stream: net.Socket, head: Buffer, options: object): void }).setSocket(stream, Buffer.alloc(0), {
    allowSynchronousEvents: true, maxPayload: 0, skipUTF8Validation: false
  })
  socket.on('error', () => {})
  return { socket, writes: stream.writes, sent: () => decode(Buffer.concat(stream.writes)) }
}

/** A connection of a hub on such a socket. */
export function fakeConnection (subject = 'alice') {
  const fake = fakeSocket()
  return { ...fake, connection: new Connection(fake.socket, { subject }, true, 0) }
}

/** The frames in what a server has written: their kind and the first bytes of their payload. */
function decode (bytes: Buffer): string[] {
  const kinds = new Map([[1, 'text'], [2, 'binary'], [8, 'close'], [9, 'ping'], [10, 'pong']])
  const frames: string[] = []
  for (let at = 0; at < bytes.length;) {
    const short = bytes.readUInt8(at + 1)
    const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : bytes.readUInt32BE(at + 6)
    const start = at + (short < 126 ? 2 : short === 126 ? 4 : 10)
    const kind = kinds.get(bytes.readUInt8(at) & 0xf)
    at = start + length
    frames.push(kind === 'close' ? 'close' : `${kind} ${bytes.toString('latin1', start, Math.min(at, start + 20)).trimEnd()}`)
  }
  return frames
}
