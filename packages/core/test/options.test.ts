import createError from '@fastify/error'
import t from 'tap'
import * as v from 'valibot'
import { callback, instanceWith, milliseconds, nonEmptyString, parseOptions } from '../src/index.js'

const ERR_OPTION = createError<[string]>('WSA_TEST_ERR_OPTION', 'Invalid option: %s', 500)

const schema = v.strictObject({
  timeout: v.optional(milliseconds, 5_000),
  names: v.optional(v.array(nonEmptyString), []),
  hook: v.optional(callback<() => void>()),
  store: v.optional(instanceWith<{ put: () => void, take: () => void }>('put', 'take'))
})

t.test('defaults are filled in', async t => {
  t.same(parseOptions(schema, {}, ERR_OPTION), { timeout: 5_000, names: [] })
  const store = { put () {}, take () {} }
  t.equal(parseOptions(schema, { store }, ERR_OPTION).store, store, 'an instance is passed through')
})

t.test('an invalid option is named in a coded error', async t => {
  const cases: Array<[unknown, RegExp]> = [
    [null, /options: /],
    [{ timeuot: 1 }, /timeuot: /],
    [{ timeout: 0 }, /timeout: /],
    [{ timeout: 1.5 }, /timeout: /],
    [{ timeout: Infinity }, /timeout: /],
    [{ timeout: '1' }, /timeout: /],
    [{ names: ['a', ''] }, /names\.1: /],
    [{ hook: 1 }, /hook: Expected a function/],
    [{ store: null }, /store: Expected an instance with put, take/],
    [{ store: class {} }, /store: /],
    [{ store: { put () {} } }, /store: /]
  ]
  for (const [options, message] of cases) {
    t.throws(() => parseOptions(schema, options, ERR_OPTION), { code: 'WSA_TEST_ERR_OPTION', message }, String(message))
  }
})
