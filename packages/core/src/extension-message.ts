/** A message of an extension: a JSON object whose `type` begins with the extension's name. */
export type ExtensionMessage = Record<string, unknown> & { readonly type: string }

/**
 * Returns what reads the messages of an extension.
 *
 * @param prefix what their types begin with, colon included
 * @returns reads one message of a client; `null` where it is the application's
 */
export function extensionReader (prefix: string): (text: Buffer) => ExtensionMessage | null {
  // Few messages of an application have it: one native search rules the others out unparsed.
  const mark = Buffer.from(`"${prefix}`)
  return text => {
    if (!text.includes(mark)) return null
    let message: unknown
    try {
      message = JSON.parse(text.toString())
    } catch {
      return null
    }
    if (typeof message !== 'object' || message === null || Array.isArray(message)) return null
    const { type } = message as Record<string, unknown>
    return typeof type === 'string' && type.startsWith(prefix) ? message as ExtensionMessage : null
  }
}
