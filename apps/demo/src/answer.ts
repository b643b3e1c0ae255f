const ERROR_UNKNOWN = '{"type":"error","message":"Unknown message type"}'
const ERROR_MALFORMED = '{"type":"error","message":"Send JSON text: {\\"type\\":\\"echo\\",\\"data\\":…}"}'

/**
 * Answers a client's message: with its own text, or with an error.
 *
 * @param whoAmI creates the answer to `{"type":"whoami"}`, on routes that have one
 */
export function answer (data: Buffer, isBinary: boolean, whoAmI?: () => string): string {
  if (isBinary) return ERROR_MALFORMED
  const text = data.toString()
  const message = parse(text)
  if (message === null) return ERROR_MALFORMED
  if (message.type === 'whoami' && whoAmI !== undefined) return whoAmI()
  if (message.type !== 'echo') return ERROR_UNKNOWN
  return 'data' in message ? text : ERROR_MALFORMED
}

function parse (text: string): { type?: unknown } | null {
  try {
    const message: unknown = JSON.parse(text)
    return typeof message === 'object' ? message : null
  } catch {
    return null
  }
}
