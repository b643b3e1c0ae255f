import type { WebSocket } from '@fastify/websocket'

/*
 * Parts of ws 8.23 that it does not document. Where they are not as expected, `send` of the socket does the same in two
 * buffers.
 */

/** State of a `ws` sender that neither compresses nor reads a Blob, and so has nothing queued either. */
const IDLE = 0

interface Internals {
  _isServer?: unknown
  _sender?: { _state?: unknown, _firstFragment?: unknown, sendFrame? (list: Buffer[]): void } | null
}

/**
 * As `socket.send(text)`, but with head and payload in one buffer and one write, where `ws` makes two of each. Every
 * connection is sent one such message at least.
 */
export function sendText (socket: WebSocket, text: string): void {
  const { _isServer, _sender } = socket as unknown as Internals
  const length = Buffer.byteLength(text)
  const fits = length <= 0xffff && socket.readyState === socket.OPEN
  // Behind a queue, or between the fragments of another message, only `send` knows what may go out when.
  const idle = _isServer === true && socket.extensions === '' && _sender?._state === IDLE && _sender._firstFragment === true
  if (!fits || !idle || typeof _sender.sendFrame !== 'function') return socket.send(text)
  const head = length < 126 ? 2 : 4
  const frame = Buffer.allocUnsafe(head + length)
  // The last fragment, and so the only one, of a text message (RFC 6455, section 5.2).
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
