import * as v from 'valibot'
import { nearestName } from './nearest.js'
import { describeIssue, listed, received } from './option-issue.js'

/** An error class of `@fastify/error` whose message takes one parameter. */
export type OptionError = new (detail: string) => Error

/**
 * Checks options once, at registration: a misspelled security option must not silently become its default.
 *
 * @param schema usually {@link optionsObject}, which refuses unknown names
 * @returns the options with defaults filled in
 * @throws the given error, naming the option and what was expected; it shows no string, which may be a secret
 */
export function parseOptions<Schema extends v.GenericSchema> (
  schema: Schema,
  options: unknown,
  InvalidOption: OptionError
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, options)
  if (result.success) return result.output
  // A misspelled name tells more than that the right one is missing.
  const misspelled = result.issues.find(({ type, expected }) => type === 'strict_object' && expected === 'never')
  throw new InvalidOption(describeIssue(misspelled ?? result.issues[0]))
}

/**
 * Puts the options of one route over those of the registration.
 *
 * @throws the given error where they are no object: a spread would take anything for no options
 */
export function mergeOptions<Options extends object> (defaults: Options, own: Options, InvalidOption: OptionError): Options {
  if (typeof own !== 'object' || own === null || Array.isArray(own)) {
    throw new InvalidOption(`options: Expected an object, not ${received(own)}`)
  }
  return { ...defaults, ...own }
}

/** The schema of an object of options. For a name that it does not know, it lists those that it knows, and the nearest. */
export function optionsObject<const Entries extends v.ObjectEntries> (entries: Entries) {
  return v.strictObject(entries, ({ expected, path }) => {
    if (path === undefined) return 'Expected an object'
    const name = String(path[0].key)
    if (expected !== 'never') return `it is missing. ${missing(entries[name] as v.GenericSchema)}`
    const known = Object.keys(entries)
    const nearest = nearestName(name, known)
    const hint = nearest === undefined ? '.' : `; did you mean \`${nearest}\`?`
    return `unknown option \`${name}\`${hint} Known options: ${listed(known, 'and')}`
  })
}

/** What an entry says where it is left out. */
function missing (entry: v.GenericSchema): string {
  const { issues } = v.safeParse(entry, undefined)
  return describeIssue(issues?.[0] as v.BaseIssue<unknown>).replace(/^options: (.*), not undefined$/, '$1')
}

/** Longest time that a timer of Node waits, in milliseconds, about 24 days: it fires at once for more. */
const LONGEST_TIMER = 2 ** 31 - 1

/** A positive integer: a count or a number of bytes. */
export const positiveInteger = wholeNumber('Expected a whole number above 0', 1)

/** A duration: a positive integer number of milliseconds. */
export const milliseconds = wholeNumber(`Expected a whole number of milliseconds from 1 to ${LONGEST_TIMER}`, 1, LONGEST_TIMER)

/** A duration that may be 0: an integer number of milliseconds. */
export const millisecondsOrZero = wholeNumber(`Expected a whole number of milliseconds from 0 to ${LONGEST_TIMER}`, 0, LONGEST_TIMER)

function wholeNumber (message: string, least: number, most = Number.MAX_SAFE_INTEGER) {
  return v.pipe(v.number(message), v.safeInteger(message), v.minValue(least, message), v.maxValue(most, message))
}

const NON_EMPTY = 'Expected a string that is not empty'

/** A non-empty string. */
export const nonEmptyString = v.pipe(v.string(NON_EMPTY), v.nonEmpty(NON_EMPTY))

/**
 * The schema of an option that one value turns off. What is of neither kind is told of both.
 *
 * @param off usually `false`
 * @param kinds what `typeof` says of any other value that `schema` is asked about
 * @param expected what `schema` expects, in words
 */
export const offOr = <const Off extends false | number, Schema extends v.GenericSchema>(
  off: Off, schema: Schema, kinds: ReadonlyArray<'number' | 'object'>, expected: string
) => v.lazy((value: unknown) => {
    if (value === off) return v.literal(off)
    return (kinds as readonly string[]).includes(typeof value) && value !== null && !Array.isArray(value) ? schema : v.never(`Expected ${String(off)} or ${expected}`)
  })

/** The schema of a duration in milliseconds that `false` turns off. */
export const millisecondsOrOff = offOr(false, milliseconds, ['number'], 'a whole number of milliseconds')

/** The name of a cookie (RFC 6265, section 4.1.1). */
export const cookieName = v.pipe(nonEmptyString, v.regex(/^[!#$%&'*+\-.^_`|~\w]+$/, 'Expected the name of a cookie'))

/** Any function. TypeScript checks its signature. */
export const callback = <T extends (...args: never[]) => unknown>(): v.GenericSchema<T> =>
  v.custom<T>(value => typeof value === 'function', 'Expected a function')

/** An instance that has the given methods, whatever its class. */
export const instanceWith = <T extends object>(...methods: Array<keyof T & string>): v.GenericSchema<T> =>
  v.custom<T>(
    value => typeof value === 'object' && value !== null &&
      methods.every(method => typeof (value as Record<string, unknown>)[method] === 'function'),
    `Expected an instance with ${methods.join(', ')}`
  )
