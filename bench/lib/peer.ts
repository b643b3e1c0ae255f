import { randomBytes } from 'node:crypto'
import net from 'node:net'

/**
 * A WebSocket client that costs next to nothing: bare TCP, constant frames, no parsing beyond what a benchmark needs.
 * `ws` on this side would take more CPU than the servers that are measured, and the machine has but two cores.
 */
export class Peer {
  readonly socket: net.Socket
  /** Bytes that came so far. */
  received = 0
  #last: Buffer = Buffer.alloc(0)
  #wanted = 0
  #resolve: (() => void) | undefined
  #reject: ((error: Error) => void) | undefined

  constructor (port: number) {
    this.socket = net.connect(port, '127.0.0.1')
    this.socket.setNoDelay(true)
    this.socket.on('data', chunk => {
      this.received += chunk.length
      this.#last = chunk
      if (this.received >= this.#wanted) this.#settle()
    })
    this.socket.on('error', error => this.#reject?.(error))
    this.socket.on('close', () => this.#settle())
  }

  /** Sends the upgrade request and waits for the answer; more may have come with it. */
  async upgrade (path: string, headers: readonly string[] = []): Promise<string> {
    this.socket.write([
      `GET ${path} HTTP/1.1`, 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket',
      'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`, ...headers, '', ''
    ].join('\r\n'))
    await this.more()
    return this.#last.toString('latin1')
  }

  /** Waits for anything that has not come yet. */
  async more (): Promise<void> {
    this.#wanted = this.received + 1
    await new Promise<void>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** Waits for the end of the connection. */
  async closed (): Promise<void> {
    if (!this.socket.closed) await new Promise<void>(resolve => { this.socket.once('close', () => resolve()) })
  }

  #settle (): void {
    this.#resolve?.()
    this.#resolve = this.#reject = undefined
  }
}

/** A frame as a client sends it: masked, with a mask of zeros. For payloads up to 65,535 bytes. */
export function clientFrame (opcode: number, payload: Buffer): Buffer {
  const { length } = payload
  const head = length < 126
    ? [0x80 | opcode, 0x80 | length]
    : [0x80 | opcode, 0x80 | 126, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), payload])
}

/** A close frame with code 1000. */
export const closeFrame = clientFrame(0x8, Buffer.from([0x03, 0xe8]))
