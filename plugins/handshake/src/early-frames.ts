import type { WebSocket } from '@fastify/websocket'
import type { RawData } from 'ws'
import { compact } from './internals.js'

/** One message, as `ws` emits it. */
export interface Frame {
  readonly data: RawData
  readonly isBinary: boolean
}

/** A queue of frames that came too early, bounded in number and bytes. */
export class EarlyFrames {
  readonly #maxFrames: number
  readonly #maxBytes: number
  readonly #frames: Frame[] = []
  #bytes = 0

  constructor (maxFrames: number, maxBytes: number) {
    this.#maxFrames = maxFrames
    this.#maxBytes = maxBytes
  }

  /** Keeps a frame; returns `false`, and does not keep it, if the queue is full. */
  push (data: RawData, isBinary: boolean): boolean {
    const bytes = byteLength(data)
    if (!this.takes(bytes)) return false
    this.add(data, isBinary)
    return true
  }

  /** Keeps a frame, whatever the bounds: the caller sees to it that few more come. */
  add (data: RawData, isBinary: boolean): void {
    this.#frames.push({ data: lean(data), isBinary })
    this.#bytes += byteLength(data)
  }

  /** Whether one more frame of this length may come. */
  takes (bytes: number): boolean {
    return this.#frames.length < this.#maxFrames && bytes <= this.room
  }

  /** Whether no more should come. */
  get isFull (): boolean {
    return this.#frames.length >= this.#maxFrames || this.room <= 0
  }

  /** Bytes that may still come. */
  get room (): number {
    return this.#maxBytes - this.#bytes
  }

  /**
   * Takes the oldest frame out; `undefined` if there is none. The frame may have arrived before the handler chose a
   * `binaryType`, so it takes that form now.
   */
  shift (binaryType: WebSocket['binaryType']): Frame | undefined {
    const frame = this.#frames.shift()
    if (frame === undefined) return undefined
    this.#bytes -= byteLength(frame.data)
    return frame.isBinary && Buffer.isBuffer(frame.data) ? { data: shape(frame.data, binaryType), isBinary: true } : frame
  }
}

/** A message that keeps nothing else in memory: many small ones may come in chunks that are full of control frames. */
function lean (data: RawData): RawData {
  if (Array.isArray(data)) return data.map(compact)
  return Buffer.isBuffer(data) ? compact(data) : data
}

function byteLength (data: RawData | Blob): number {
  if (Array.isArray(data)) return data.reduce((sum, fragment) => sum + fragment.length, 0)
  return data instanceof Blob ? data.size : data.byteLength
}

function shape (data: Buffer, binaryType: WebSocket['binaryType']): RawData {
  switch (binaryType) {
    case 'arraybuffer':
      return new Uint8Array(data).buffer
    case 'fragments':
      return [data]
    default:
      return data
  }
}
