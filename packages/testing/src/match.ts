import { inspect } from 'node:util'

/** What a connection has got: what its text is as JSON, the text where it is none, or the bytes of a binary message. */
export type Message = any

/**
 * Which message is meant. An object means those that have all of its members, with these values, and a pattern in a member any string
 * that it fits; a function, those for which it returns `true`.
 */
export type Match = object | string | ((message: Message) => boolean)

/** Whether a message is meant. */
export function fits (message: Message, match: Match | undefined): boolean {
  if (match === undefined) return true
  return typeof match === 'function' ? match(message) === true : has(message, match)
}

function has (found: unknown, wanted: unknown): boolean {
  if (wanted instanceof RegExp) return typeof found === 'string' && wanted.test(found)
  if (Buffer.isBuffer(wanted)) return Buffer.isBuffer(found) && wanted.equals(found)
  if (typeof wanted !== 'object' || wanted === null) return Object.is(found, wanted)
  if (typeof found !== 'object' || found === null || Array.isArray(found) !== Array.isArray(wanted)) return false
  if (Array.isArray(wanted) && wanted.length !== (found as unknown[]).length) return false
  return Object.entries(wanted).every(([name, value]) => has((found as Record<string, unknown>)[name], value))
}

/** A value as a line of text, shortened. */
export function show (value: unknown): string {
  const text = textOf(value)
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}

function textOf (value: unknown): string {
  if (typeof value === 'function' || value instanceof RegExp) return String(value)
  if (Buffer.isBuffer(value)) return `${value.length} bytes`
  const isPlain = !(value instanceof Map || value instanceof Set || value instanceof Error)
  try {
    const text = isPlain ? JSON.stringify(value) as string | undefined : undefined
    if (text !== undefined) return text
  } catch {
    // A circle, or a big integer.
  }
  return inspect(value, { breakLength: Infinity, compact: true })
}
