import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'

const HEAD_END = '\r\n\r\n'

/** The first byte of a server's ping, which is two bytes, and what answers it. */
const PING = 0x89
const PONG = Buffer.from([0x8a, 0x80, 0, 0, 0, 0])

/** Why a server did not do what it should. */
export class Refused extends Error {
  constructor (readonly head: string) {
    super(`unexpected answer: ${head.split('\r\n', 1)[0] || 'the connection was closed'}`)
  }
}

/**
 * A client that costs next to nothing: bare TCP, constant frames, no parsing beyond what a benchmark needs.
 * `ws` on this side would take more CPU than the servers that are measured.
 */
export class Peer {
  readonly socket: net.Socket
  /** The head of the last HTTP response. */
  head = ''
  /** Bytes that came after that head. */
  body = Buffer.alloc(0)
  /** Called with every chunk once nobody waits for an answer any more. */
  onData: ((bytes: number) => void) | undefined
  #data = Buffer.alloc(0)
  #progress: (() => void) | undefined

  constructor (port: number, localAddress?: string) {
    this.socket = net.connect({ port, host: '127.0.0.1', ...localAddress !== undefined && { localAddress } })
    this.socket.setNoDelay(true)
    this.socket.on('data', chunk => {
      if (chunk.length === 2 && chunk[0] === PING) {
        this.socket.write(PONG)
        return
      }
      this.onData?.(chunk.length)
      // Nobody waits while messages are counted, and then nothing is kept.
      if (this.#progress === undefined) return
      this.#data = this.#data.length === 0 ? chunk : Buffer.concat([this.#data, chunk])
      this.#progress()
    })
    this.socket.on('error', () => {})
    this.socket.on('close', () => this.#progress?.())
  }

  /** Sends the upgrade request and waits for the head of the answer and `bodyBytes` after it. */
  async upgrade (path: string, headers: readonly string[] = [], bodyBytes = 0): Promise<void> {
    await this.request([
      `GET ${path} HTTP/1.1`, 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket',
      'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`, ...headers, '', ''
    ].join('\r\n'), () => bodyBytes)
  }

  /** Sends an HTTP request and waits for the whole answer. */
  async request (
    text: string,
    bodyBytes = (head: string): number => Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
  ): Promise<void> {
    this.#data = Buffer.alloc(0)
    let end = -1
    await this.send(text, () => {
      if (end === -1) {
        end = this.#data.indexOf(HEAD_END)
        if (end === -1) return false
        this.head = this.#data.toString('latin1', 0, end)
      }
      this.body = this.#data.subarray(end + HEAD_END.length)
      return this.body.length >= bodyBytes(this.head)
    })
  }

  /** Sends bytes and waits until something has come that is `enough`. */
  async send (bytes: Buffer | string, enough: () => boolean): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#progress = () => {
        if (enough()) resolve()
        else if (this.socket.destroyed) reject(new Refused(''))
      }
      this.socket.write(bytes)
    })
    this.#progress = undefined
    this.#data = Buffer.alloc(0)
  }

  /** Sends a frame and waits for an answer with this in it. */
  async exchange (frame: Buffer, text: string): Promise<void> {
    this.#data = Buffer.alloc(0)
    await this.send(frame, () => this.#data.includes(text))
  }

  /** Waits for the end of the connection. */
  async closed (): Promise<void> {
    if (!this.socket.closed) await once(this.socket, 'close')
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

/** Bytes of a server's frame with a payload of so many. */
export function frameBytes (payload: number): number {
  return payload + (payload < 126 ? 2 : payload < 65_536 ? 4 : 10)
}

/** A close frame with code 1000. */
export const closeFrame = clientFrame(0x8, Buffer.from([0x03, 0xe8]))
