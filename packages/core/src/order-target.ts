import * as v from 'valibot'
import { received } from './option-issue.js'
import { nonEmptyString, type OptionError, optionsObject, parseOptions } from './options.js'

/** What a claim can be compared with. */
export type OrderValue = string | number | boolean | null

/**
 * Whom an order means: those to whom all of its members apply. At least one is given. A member that is there and `undefined`
 * is an error: leave it out to mean all, whatever theirs is.
 */
export interface OrderTarget {
  /** The user. */
  subject?: string
  /** The session, as {@link sessionOf} finds it. Who has none counts for the subject, if there is one. */
  session?: string
  /** The token: the claim `jti` (RFC 7519, section 4.1.7). Who has none counts for the subject, if there is one. */
  tokenId?: string
  /** Claims and their values. */
  where?: Record<string, OrderValue>
}

/**
 * Whether a value is an object that shows all that it has: a copy loses nothing of it. A copy loses what is inherited, not
 * enumerable, or named by a symbol, and an order with fewer members means more people.
 */
export function isPlain (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value)) &&
    Reflect.ownKeys(value).length === Object.keys(value).length
}

// valibot's `record` leaves out names such as `constructor`. A value that JSON cannot carry gets lost on the way to other nodes.
const condition = v.pipe(
  v.custom<Record<string, OrderValue>>(isPlain, 'Expected an object of claims'),
  v.check(where => Object.values(where).every(isOrderValue), 'Expected a string, a number, a boolean or null'),
  v.check(where => Object.keys(where).length > 0, 'Expected at least one claim'),
  v.transform(where => Object.fromEntries(Object.entries(where)))
)

function isOrderValue (value: unknown): boolean {
  return value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)
}

/** The members of an {@link OrderTarget}. */
export const orderTargetMembers = {
  subject: v.exactOptional(nonEmptyString),
  session: v.exactOptional(nonEmptyString),
  tokenId: v.exactOptional(nonEmptyString),
  where: v.exactOptional(condition)
}

/**
 * Checks whom an order means. What is not clear must not mean everybody, so an unknown member is an error, one that is
 * `undefined`, and a target without any.
 *
 * @param target a subject, or an object with members
 * @param entries its members
 * @param names those that say whom it means, of which one is needed
 * @returns a copy
 * @throws the given error, which names the member
 */
export function parseTarget<const Entries extends v.ObjectEntries> (
  target: unknown, InvalidTarget: OptionError, entries: Entries, names: readonly string[] = Object.keys(entries)
): v.InferOutput<v.StrictObjectSchema<Entries, undefined>> {
  const given: unknown = typeof target === 'string' ? { subject: target } : target
  if (!isPlain(given)) throw new InvalidTarget(`Expected a subject, or a plain object that says who is meant, not ${received(given)}`)
  refuseUndefined(given, names, InvalidTarget)
  // Without a prototype: `constructor` would not be unknown.
  const parsed = parseOptions(optionsObject<Entries>(Object.assign(Object.create(null), entries)), given, InvalidTarget)
  if (!names.some(name => Object.hasOwn(given, name))) throw new InvalidTarget(`${names.slice(0, -1).join(', ')} or ${names.at(-1)} is needed`)
  return parsed as v.InferOutput<v.StrictObjectSchema<Entries, undefined>>
}

/**
 * Refuses members that are there and `undefined`: a claim that is missing must not mean everybody, whatever theirs is.
 *
 * @param names the members that count
 * @throws the given error, which names the member
 */
export function refuseUndefined (given: Record<string, unknown>, names: readonly string[], InvalidTarget: OptionError): void {
  const missing = names.find(name => Object.hasOwn(given, name) && given[name] === undefined)
  if (missing !== undefined) throw new InvalidTarget(`${missing}: it is undefined. Leave it out to mean all logins, whatever their ${missing} is`)
}

/**
 * Checks an {@link OrderTarget}.
 *
 * @param target a subject, or an object with members
 * @returns a copy
 * @throws the given error, which names the member
 */
export function parseOrderTarget (target: unknown, InvalidTarget: OptionError): OrderTarget {
  return parseTarget(target, InvalidTarget, orderTargetMembers)
}
