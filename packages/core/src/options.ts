import * as v from 'valibot'

/** An error class of `@fastify/error` whose message takes one parameter. */
export type OptionError = new (detail: string) => Error

/**
 * Checks options once, at registration: a misspelled security option must not silently become its default.
 *
 * @param schema usually a `v.strictObject`, which refuses unknown names
 * @returns the options with defaults filled in
 * @throws the given error, naming the option and what is wrong with it
 */
export function parseOptions<Schema extends v.GenericSchema> (
  schema: Schema,
  options: unknown,
  InvalidOption: OptionError
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, options)
  if (result.success) return result.output
  const issue = result.issues[0]
  throw new InvalidOption(`${v.getDotPath(issue) ?? 'options'}: ${issue.message}`)
}

/** A positive integer: a count or a number of bytes. */
export const positiveInteger = v.pipe(v.number(), v.safeInteger(), v.minValue(1))

/** A duration: a positive integer number of milliseconds. */
export const milliseconds = positiveInteger

/** A non-empty string. */
export const nonEmptyString = v.pipe(v.string(), v.nonEmpty())

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
