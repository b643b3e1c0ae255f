import { decodeFrame, encodeClose, encodeFrame, type FrameOptions, Opcode } from './frames.js'
import type { Connection } from './wire.js'

/** A message of the server. */
export interface Message {
  binary: boolean
  text: string
  /** The text as JSON; `undefined` if it is none. */
  json: unknown
}

/** How a connection ended: the server's close frame, or none. */
export interface Ending {
  /** 1006 without a close frame, 1005 where it has no code. */
  code: number
  reason: string
  /** An `auth_error` came before. */
  announced: { code: unknown, reason: unknown } | null
}

/** The client's side of a WebSocket that is open. It answers pings and closes, unless it is mute. */
export class Peer {
  readonly connection: Connection
  /** Whether close frames get no answer. */
  mute = false
  readonly messages: Message[] = []
  #closing: { code: number, reason: string } | null = null
  #fragments: Buffer[] = []
  #opcode = 0

  constructor (connection: Connection) {
    this.connection = connection
    connection.watch(() => this.#read())
    this.#read()
  }

  /** Sends a text or bytes in one frame, or whatever `options` make of them. */
  send (message: string | Uint8Array, options: FrameOptions = {}): void {
    this.connection.write(encodeFrame(message, { opcode: typeof message === 'string' ? Opcode.TEXT : Opcode.BINARY, ...options }))
  }

  /** Sends several messages in one packet. */
  sendAll (messages: readonly string[]): void {
    this.connection.write(Buffer.concat(messages.map(message => encodeFrame(message))))
  }

  close (code = 1000): void {
    this.connection.write(encodeClose(code))
  }

  /** The server's close frame, when it has come. */
  get closing (): { code: number, reason: string } | null {
    return this.#closing
  }

  /** Waits for a message that fits; `undefined` if none comes before the end, or in this time. */
  async message (fits: (message: Message) => boolean, ms: number): Promise<Message | undefined> {
    return await this.connection.until(() => this.messages.find(fits) ?? (this.#closing === null ? undefined : NOTHING), ms)
      .then(found => found === NOTHING ? undefined : found)
  }

  /** Waits until the server has closed, or has cut the connection; `undefined` if it has not by then. */
  async ending (ms: number): Promise<Ending | undefined> {
    await this.connection.until(() => this.#closing ?? undefined, ms)
    if (this.#closing === null && !this.connection.ended) return undefined
    const error = this.messages.map(({ json }) => json as { type?: unknown, code?: unknown, reason?: unknown } | undefined).find(json => json?.type === 'auth_error')
    return {
      ...(this.#closing ?? { code: 1006, reason: '' }),
      announced: error === undefined ? null : { code: error.code, reason: error.reason }
    }
  }

  /** Says goodbye, and goes. */
  leave (): void {
    this.close()
    this.connection.socket.end()
  }

  #read (): void {
    for (;;) {
      const frame = decodeFrame(this.connection.bytes)
      if (frame === null) return
      this.connection.take(frame.size)
      const { opcode, payload, final } = frame
      if (opcode === Opcode.CLOSE) {
        const code = payload.length < 2 ? null : payload.readUInt16BE(0)
        this.#closing = { code: code ?? 1005, reason: payload.subarray(2).toString() }
        if (!this.mute) this.connection.write(encodeClose(code ?? 1000))
      } else if (opcode === Opcode.PING) {
        this.connection.write(encodeFrame(payload, { opcode: Opcode.PONG }))
      } else if (opcode !== Opcode.PONG) {
        if (opcode !== Opcode.CONTINUATION) this.#opcode = opcode
        this.#fragments.push(payload)
        if (final) this.#keep()
      }
    }
  }

  #keep (): void {
    const text = Buffer.concat(this.#fragments).toString()
    this.#fragments = []
    const binary = this.#opcode === Opcode.BINARY
    this.messages.push({ binary, text, json: binary ? undefined : parse(text) })
  }
}

const NOTHING: Message = { binary: false, text: '', json: undefined }

function parse (text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
