/** The kind of an entry: a message received or sent, an event, or a refusal. */
export type Kind = 'in' | 'out' | 'event' | 'bad'

/** A line of the log. */
export interface Entry {
  id: number
  /** In milliseconds since the epoch. */
  time: number
  kind: Kind
  /** The source of the line: a socket's name, or `http`. */
  lane: string
  /** Without credentials. */
  text: string
  /** Size of the message on the wire; `null` if the entry is no message. */
  bytes: number | null
  /** Whether it is one of the messages that the demo sends every second. The user can hide them. */
  tick: boolean
}

/** Characters that are kept of a text. */
const MAX_TEXT = 240

/** Shortens JWTs and tickets, so that the log can be shown to others. */
export function shorten (text: string): string {
  return text
    .replace(/eyJ[\w-]+\.[\w-]+\.[\w-]*/g, jwt => `${jwt.slice(0, 8)}…`)
    .replace(/(?<![\w-])[\w-]{43}(?![\w-])/g, ticket => `${ticket.slice(0, 6)}…`)
}

/** Returns what the log shows of a text: no credentials, and at most a few lines. */
export function printable (text: string): string {
  const short = shorten(text)
  return short.length > MAX_TEXT ? `${short.slice(0, MAX_TEXT)}… (cut)` : short
}

/** Whether a message is one of the demo's ticks. */
export function isTick (text: string): boolean {
  return text.startsWith('{"type":"tick"')
}

const encoder = new TextEncoder()

/** Returns the size of a text in bytes of UTF-8, as a WebSocket sends it. */
export function byteLength (text: string): number {
  return encoder.encode(text).length
}

/** Formats the time of day to the millisecond. */
export function timestamp (time: number): string {
  const date = new Date(time)
  return `${date.toLocaleTimeString('en-GB')}.${String(date.getMilliseconds()).padStart(3, '0')}`
}
