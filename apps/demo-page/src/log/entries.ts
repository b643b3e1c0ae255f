/** What an entry tells of: a message that came or went, an event, or a refusal. */
export type Kind = 'in' | 'out' | 'event' | 'bad'

/** A line of the log. */
export interface Entry {
  id: number
  /** In milliseconds since the epoch. */
  time: number
  kind: Kind
  /** Whose line it is: a socket's name, or `http`. */
  lane: string
  /** Without credentials. */
  text: string
  /** Of the message as it was on the wire; `null` for what was none. */
  bytes: number | null
  /** The demo sends one every second, so they can be hidden. */
  tick: boolean
}

/** How much of a text is kept. */
const MAX_TEXT = 240

/** Cuts JWTs and tickets, so that a log can be shown around. */
export function shorten (text: string): string {
  return text
    .replace(/eyJ[\w-]+\.[\w-]+\.[\w-]*/g, jwt => `${jwt.slice(0, 8)}…`)
    .replace(/(?<![\w-])[\w-]{43}(?![\w-])/g, ticket => `${ticket.slice(0, 6)}…`)
}

/** What of a text goes into the log: no credential, and no more than a few lines. */
export function printable (text: string): string {
  const short = shorten(text)
  return short.length > MAX_TEXT ? `${short.slice(0, MAX_TEXT)}… (cut)` : short
}

/** Whether a message is one of the demo's ticks. */
export function isTick (text: string): boolean {
  return text.startsWith('{"type":"tick"')
}

const encoder = new TextEncoder()

/** Size of a text in bytes of UTF-8, as a WebSocket sends it. */
export function byteLength (text: string): number {
  return encoder.encode(text).length
}

/** The time of day to the millisecond. */
export function timestamp (time: number): string {
  const date = new Date(time)
  return `${date.toLocaleTimeString('en-GB')}.${String(date.getMilliseconds()).padStart(3, '0')}`
}
