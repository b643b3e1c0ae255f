import { type ClientMessage, parseClientMessage } from '@fastify-airlock/protocol'
import type { RawData } from 'ws'

// Every control message has this member and few other messages do: one native search rules them out unparsed.
const TOKEN_MEMBER = Buffer.from('"token"')

/**
 * Finds the protocol's own messages among those that a client sends.
 *
 * @param maxBytes a longer frame is never parsed
 * @returns the message; `null` if the frame belongs to the application
 */
export function readControl (data: RawData, isBinary: boolean, maxBytes: number): ClientMessage | null {
  if (isBinary) return null
  // Text is a Buffer whatever the socket's binaryType.
  const text = data as Buffer
  return text.length <= maxBytes && text.includes(TOKEN_MEMBER) ? parseClientMessage(text.toString()) : null
}
