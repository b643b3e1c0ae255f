import * as v from 'valibot'
import { nearestName } from './nearest.js'

type Issue = v.BaseIssue<unknown>

/** A list of words as in a sentence. */
export function listed (words: readonly string[], last: 'and' | 'or'): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(', ')} ${last} ${words.at(-1)}`
}

/** Says in plain words which option is wrong, and what was expected. */
export function describeIssue (found: Issue): string {
  const { issue, path } = innermost(found)
  return `${path === '' ? 'options' : path}: ${sentence(issue)}`
}

/** Looks into the alternatives of a union: the one that the value comes closest to tells more than all together. */
function innermost (issue: Issue, parent = ''): { issue: Issue, path: string } {
  const path = [parent, v.getDotPath(issue) ?? ''].filter(part => part !== '').join('.')
  const closest = isOurs(issue) ? undefined : issue.issues?.find(({ path }) => path !== undefined)
  return closest === undefined ? { issue, path } : innermost(closest, path)
}

function sentence (issue: Issue): string {
  const expectation = isOurs(issue) ? issue.message : `Expected ${expected(issue)}`
  // A validation says more than the value: "at most interval", "not both".
  const isType = issue.kind === 'schema' && expectation.startsWith('Expected ') && issue.path?.at(-1)?.origin !== 'key'
  const isBound = typeof issue.input === 'number'
  const nearest = issue.type === 'picklist' && typeof issue.input === 'string' ? nearestName(issue.input, choices(issue).map(choice => choice.replaceAll('"', ''))) : undefined
  return expectation + (isType || isBound ? `, not ${received(issue.input)}` : '') + (nearest === undefined ? '' : `; did you mean "${nearest}"?`)
}

/** Whether the message is the schema's own. Those of valibot speak of types, and repeat the value. */
function isOurs ({ message }: Issue): boolean {
  return !message.startsWith('Invalid ')
}

const EXPECTATIONS: Record<string, (issue: Issue) => string> = {
  array: () => 'a list',
  boolean: () => 'true or false',
  finite: () => 'a finite number',
  gt_value: ({ requirement }) => `more than ${String(requirement)}`,
  instance: ({ expected }) => `an instance of ${expected}`,
  max_length: ({ requirement }) => `at most ${String(requirement)} characters`,
  max_value: ({ requirement }) => `at most ${String(requirement)}`,
  min_value: ({ requirement }) => `at least ${String(requirement)}`,
  non_empty: ({ input }) => typeof input === 'string' ? 'a string that is not empty' : 'a list that is not empty',
  number: () => 'a number',
  picklist: issue => listed(choices(issue), 'or'),
  record: () => 'an object',
  safe_integer: () => 'a whole number',
  starts_with: ({ requirement }) => `a string that starts with "${String(requirement)}"`,
  string: () => 'a string',
  union: ({ issues = [] }) => listed([...new Set(issues.map(issue => isOurs(issue) ? issue.message.replace('Expected ', '') : expected(issue)))], 'or')
}

function expected (issue: Issue): string {
  return EXPECTATIONS[issue.type]?.(issue) ?? issue.expected ?? 'another value'
}

function choices ({ expected }: Issue): string[] {
  return (expected as string).replace(/^\(|\)$/g, '').split(' | ')
}

/** The kind of a value; numbers are shown, strings may be secrets. */
export function received (value: unknown): string {
  if (value === '') return 'an empty string'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'an object'
  return typeof value === 'string' || typeof value === 'function' || typeof value === 'symbol' ? `a ${typeof value}` : String(value)
}
