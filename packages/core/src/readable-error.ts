import { asError } from './next.js'

/** How many errors are looked at that have caused each other. */
const MAX_DEPTH = 5

/** What Fastify, an error handler or a logger reads of an error, whether it can be enumerated or not. */
const MEMBERS = ['name', 'message', 'stack', 'code', 'statusCode', 'status', 'headers', 'cause', 'errors', 'validation', 'toJSON', 'constructor'] as const

/**
 * Makes of what a hook has thrown an error that can be answered with and logged: itself where that is so. Otherwise a copy of what
 * can be read of it. Getters and proxies may throw when they are read, and serializers of logs write a mark into each
 * error, which a frozen one refuses; Fastify would not survive either.
 */
export function readableError (thrown: unknown): Error {
  return isReadable(thrown, 0) ? asError(thrown) : copyOf(thrown, 0)
}

/** A member of anything that was thrown; `undefined` where it cannot be read. */
export function peek (thrown: unknown, member: string): unknown {
  try {
    return (Object(thrown) as Record<string, unknown>)[member]
  } catch {
    return undefined
  }
}

function isReadable (value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return true
  try {
    const read = [...MEMBERS, ...Object.keys(value)].map(member => (value as Record<string, unknown>)[member])
    // Which an error handler sets.
    Object.values(Object((value as { headers?: object }).headers))
    // Only what looks like an error is marked.
    if (looksLikeError(value) && !Object.isExtensible(value)) return false
    return read.flat().every(member => !looksLikeError(member) || isReadable(member, depth + 1))
  } catch {
    return false
  }
}

function looksLikeError (value: unknown): boolean {
  return typeof value === 'object' && value !== null && typeof (value as Partial<Error>).message === 'string'
}

function copyOf (thrown: unknown, depth: number): Error {
  const message = peek(thrown, 'message')
  const copy = new Error(typeof message === 'string' ? message : 'An error that cannot be read')
  for (const member of ['stack', 'name', 'code', 'statusCode', 'status', 'headers', 'cause'] as const) {
    const value = peek(thrown, member)
    if (value === undefined || (typeof value === 'object' && depth >= MAX_DEPTH)) continue
    const kept = isReadable(value, depth) ? value : member === 'cause' ? copyOf(value, depth + 1) : undefined
    Object.defineProperty(copy, member, { value: kept, enumerable: member !== 'stack' && member !== 'name' && member !== 'cause', writable: true, configurable: true })
  }
  return copy
}
