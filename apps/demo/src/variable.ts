/** One environment variable: a property of a JSON schema, and what its documentation says. */
export interface Variable {
  type: 'string' | 'integer'
  /** Empty if the variable is optional; `fallback` then says what applies. */
  default: string | number
  /** In Markdown. */
  description: string
  /** What applies while the value is empty, in Markdown. */
  fallback?: string
  /** A value for `.env.example` in place of the default. */
  example?: string
  enum?: readonly string[]
  pattern?: string
  minimum?: number
  maximum?: number
}

/** The values of a variable that is true or false; empty means the default. */
export const BOOLEAN = ['', 'true', 'false', '1', '0']

/** The pattern of an optional URL that has one of these schemes. */
export function patternOf (schemes: readonly string[]): string {
  return `^((${schemes.map(scheme => scheme.replaceAll('+', '\\+')).join('|')})://.+)?$`
}

/** Joins a list for a sentence: `a`, `a or b`, `a, b or c`. */
export function joinWithOr (items: readonly string[]): string {
  return items.length < 2 ? items.join() : `${items.slice(0, -1).join(', ')} or ${items.at(-1)}`
}
