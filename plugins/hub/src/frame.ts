import { types } from 'node:util'
import { Batch, type BatchItem } from './batch.js'
import { WSA_HUB_ERR_INVALID_DATA } from './errors.js'
import type { HubData } from './types.js'

const FIN = 0x80
const TEXT = 0x1
const BINARY = 0x2

/** A message, ready for any number of connections. */
export class Frame implements BatchItem {
  /** The whole WebSocket frame, as it goes over the wire from a server (RFC 6455, section 5.2: unmasked). */
  readonly bytes: Buffer
  /** The payload alone: a view into `bytes`. */
  readonly payload: Buffer
  /** The options that `send` of a `ws` socket takes with the payload. */
  readonly options: { readonly binary: boolean }
  /** The batch that consists of this frame. */
  readonly batch: Batch

  constructor (bytes: Buffer, offset: number, options: Frame['options']) {
    this.bytes = bytes
    this.payload = bytes.subarray(offset)
    this.options = options
    this.batch = new Batch(this)
  }
}

const textOptions = { binary: false } as const
const binaryOptions = { binary: true } as const

/**
 * Frames a message. The data is copied, so the caller may change it afterwards.
 *
 * @throws {@link WSA_HUB_ERR_INVALID_DATA} when the data has no JSON form
 */
export function createFrame (data: HubData): Frame {
  if (typeof data === 'string') return textFrame(data)
  if (ArrayBuffer.isView(data)) {
    return frameBytes(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), true)
  }
  // JSON would silently make {} of it.
  if (types.isAnyArrayBuffer(data)) return frameBytes(new Uint8Array(data), true)
  return textFrame(toJson(data))
}

function textFrame (text: string): Frame {
  const length = Buffer.byteLength(text)
  const bytes = allocate(TEXT, length)
  const offset = bytes.length - length
  bytes.write(text, offset)
  return new Frame(bytes, offset, textOptions)
}

/** Frames a payload as it is. The data is copied. */
export function frameBytes (payload: Uint8Array, binary: boolean): Frame {
  const bytes = allocate(binary ? BINARY : TEXT, payload.length)
  const offset = bytes.length - payload.length
  bytes.set(payload, offset)
  return new Frame(bytes, offset, binary ? binaryOptions : textOptions)
}

function allocate (opcode: number, length: number): Buffer {
  let bytes: Buffer
  if (length < 126) {
    bytes = Buffer.allocUnsafe(2 + length)
    bytes[1] = length
  } else if (length < 65_536) {
    bytes = Buffer.allocUnsafe(4 + length)
    bytes[1] = 126
    bytes.writeUInt16BE(length, 2)
  } else {
    bytes = Buffer.allocUnsafe(10 + length)
    bytes[1] = 127
    bytes.writeUInt32BE(Math.floor(length / 2 ** 32), 2)
    bytes.writeUInt32BE(length % 2 ** 32, 6)
  }
  bytes[0] = FIN | opcode
  return bytes
}

/**
 * Writes data as JSON.
 *
 * @throws {@link WSA_HUB_ERR_INVALID_DATA} when it has no JSON form
 */
export function toJson (data: unknown): string {
  let json: string | undefined
  try {
    json = JSON.stringify(data)
  } catch (cause) {
    throw new WSA_HUB_ERR_INVALID_DATA({ cause })
  }
  if (json === undefined) throw new WSA_HUB_ERR_INVALID_DATA()
  return json
}
