import { type ClientMessage, parseClientMessage } from '@fastify-airlock/protocol'

// Every control message has this member, and few other messages do: one native search rules them out unparsed.
const TOKEN_MEMBER = Buffer.from('"token"')

/**
 * Reads the protocol's own messages out of a client's text frames.
 *
 * @param data a text frame
 * @param maxBytes a longer frame is never parsed
 * @returns the message, or `null` where the frame is the application's
 */
export function readControl (data: Buffer, maxBytes: number): ClientMessage | null {
  return data.length <= maxBytes && data.includes(TOKEN_MEMBER) ? parseClientMessage(data.toString()) : null
}
