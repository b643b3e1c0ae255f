import type { WebSocket } from '@fastify/websocket'

/** State of a `ws` sender that neither compresses nor reads a Blob, and so has nothing queued either. */
const IDLE = 0

interface Internals {
  _isServer?: unknown
  _sender?: { _state?: unknown, _firstFragment?: unknown, sendFrame? (list: Buffer[]): void } | null
}

/** As `socket.send(text)`, but with head and payload in one buffer and one write, where `ws` makes two of each. */
export function sendText (socket: WebSocket, text: string): void {
  const { _isServer, _sender } = socket as unknown as Internals
  const length = Buffer.byteLength(text)
  if (
    length > 0xffff || _isServer !== true || socket.extensions !== '' || socket.readyState !== socket.OPEN ||
    _sender?._state !== IDLE || _sender._firstFragment !== true || typeof _sender.sendFrame !== 'function'
  ) return socket.send(text)
  const head = length < 126 ? 2 : 4
  const frame = Buffer.allocUnsafe(head + length)
  frame[0] = 0x81
  if (length < 126) {
    frame[1] = length
  } else {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  }
  frame.write(text, head)
  _sender.sendFrame([frame])
}
