import { randomBytes } from 'node:crypto'

/** Opcodes of RFC 6455, section 5.2. */
export const Opcode = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 } as const

/** How a frame is to be wrong, or at least unusual. */
export interface FrameOptions {
  /** @default Opcode.TEXT */
  opcode?: number
  /**
   * Whether the payload is masked, as that of every client has to be.
   * @default true
   */
  masked?: boolean
  /**
   * The length that the head announces, in bytes.
   * @default that of the payload
   */
  length?: number
}

/**
 * A client's frame. Libraries write none that is wrong, so this is the doctor's own.
 *
 * @param payload what follows the head; may be less than the head announces
 */
export function encodeFrame (payload: string | Uint8Array, { opcode = Opcode.TEXT, masked = true, length }: FrameOptions = {}): Buffer {
  const data = Buffer.from(payload as Uint8Array)
  const size = length ?? data.length
  const bit = masked ? 0x80 : 0
  const head = size < 126
    ? Buffer.from([0x80 | opcode, bit | size])
    : size < 65_536 ? Buffer.from([0x80 | opcode, bit | 126, size >> 8, size & 255]) : Buffer.alloc(10)
  if (size >= 65_536) {
    head[0] = 0x80 | opcode
    head[1] = bit | 127
    head.writeBigUInt64BE(BigInt(size), 2)
  }
  if (!masked) return Buffer.concat([head, data])
  const mask = randomBytes(4)
  return Buffer.concat([head, mask, data.map((byte, index) => byte ^ (mask[index % 4] as number))])
}

/** A close frame. */
export function encodeClose (code: number): Buffer {
  return encodeFrame(Buffer.from([code >> 8, code & 255]), { opcode: Opcode.CLOSE })
}

/** A server's frame. */
export interface Frame {
  opcode: number
  final: boolean
  payload: Buffer
  /** Bytes of the whole frame. */
  size: number
}

/** Reads the first frame of what has come, which a server does not mask; `null` while it is not complete. */
export function decodeFrame (bytes: Buffer): Frame | null {
  if (bytes.length < 2) return null
  const [first, second] = bytes as unknown as [number, number]
  const short = second & 0x7f
  const start = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0)
  if (bytes.length < start) return null
  const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short
  if (bytes.length < start + length) return null
  return { opcode: first & 0x0f, final: (first & 0x80) !== 0, payload: bytes.subarray(start, start + length), size: start + length }
}
