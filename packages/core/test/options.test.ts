import createError from '@fastify/error'
import t from 'tap'
import * as v from 'valibot'
import {
  callback, cookieName, instanceWith, mergeOptions, milliseconds, millisecondsOrOff, millisecondsOrZero, nonEmptyString, offOr, optionsObject, parseOptions, positiveInteger
} from '../src/index.js'

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

t.test('options of a route are put over those of the registration, and have to be an object', async t => {
  t.same(mergeOptions<object>({ a: 1, b: 1 }, { b: 2 }, ERR_OPTION), { a: 1, b: 2 })
  for (const [own, kind] of [[null, 'null'], ['x', 'a string'], [[], 'a list'], [() => {}, 'a function'], [5, '5']] as const) {
    t.throws(() => mergeOptions({}, own as object, ERR_OPTION), { code: 'WSA_TEST_ERR_OPTION', message: `Invalid option: options: Expected an object, not ${kind}` })
  }
})

t.test('names of cookies', async t => {
  for (const [name, good] of [['session', true], ['__Host-id', true], ['a.b', true], ['', false], ['a b', false], ['a=b', false], ['a;b', false], ['ü', false]] as const) {
    t.equal(v.safeParse(cookieName, name).success, good, name)
  }
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

t.test('what is wrong is said in plain words, without any string', async t => {
  const nested = optionsObject({ max: v.optional(positiveInteger), every: v.optional(millisecondsOrZero) })
  const schema = optionsObject({
    timeout: v.optional(milliseconds),
    allowedOrigins: v.optional(v.array(nonEmptyString)),
    missingOrigin: v.optional(v.picklist(['auto', 'allow', 'deny'])),
    on: v.optional(v.boolean()),
    cache: v.optional(v.union([v.literal(false), nested])),
    name: v.optional(v.union([nonEmptyString, v.literal(false)])),
    some: v.optional(v.pipe(v.array(v.string()), v.nonEmpty())),
    text: v.optional(v.pipe(v.string(), v.nonEmpty(), v.startsWith('/'), v.maxLength(3))),
    share: v.optional(v.pipe(v.number(), v.finite(), v.gtValue(0), v.maxValue(1), v.minValue(0.5))),
    whole: v.optional(v.pipe(v.number(), v.safeInteger())),
    map: v.optional(v.record(v.string(), v.boolean())),
    pem: v.optional(v.instance(Uint8Array)),
    mail: v.optional(v.pipe(v.string(), v.email())),
    either: v.optional(v.union([v.boolean(), callback()], 'Expected a flag or a function')),
    never: v.optional(v.pipe(v.number(), v.rawCheck(({ addIssue, dataset }) => { if (dataset.value === 5) addIssue() })))
  })
  const required = optionsObject({ url: nonEmptyString, hook: v.optional(callback()) })
  const known = 'Known options: timeout, allowedOrigins, missingOrigin, on, cache, name, some, text, share, whole, map, pem, mail, either and never'
  const cases: Array<[v.GenericSchema, unknown, string]> = [
    [schema, null, 'options: Expected an object, not null'],
    [schema, 5, 'options: Expected an object, not 5'],
    [schema, { on: [] }, 'on: Expected true or false, not a list'],
    [schema, { origins: [] }, `origins: unknown option \`origins\`; did you mean \`allowedOrigins\`? ${known}`],
    [schema, { xyz: 1 }, `xyz: unknown option \`xyz\`. ${known}`],
    [schema, { cache: { maximum: 1 } }, 'cache.maximum: unknown option `maximum`. Known options: max and every'],
    [schema, { cache: { maxx: 1 } }, 'cache.maxx: unknown option `maxx`; did you mean `max`? Known options: max and every'],
    [schema, { cache: { max: 0 } }, 'cache.max: Expected a whole number above 0, not 0'],
    [schema, { cache: { every: -1 } }, 'cache.every: Expected a whole number of milliseconds from 0 to 2147483647, not -1'],
    [schema, { cache: true }, 'cache: Expected false or an object, not true'],
    [schema, { timeout: '5s' }, 'timeout: Expected a whole number of milliseconds from 1 to 2147483647, not a string'],
    [schema, { timeout: 2 ** 31 }, 'timeout: Expected a whole number of milliseconds from 1 to 2147483647, not 2147483648'],
    [schema, { timeout: NaN }, 'timeout: Expected a whole number of milliseconds from 1 to 2147483647, not NaN'],
    [schema, { timeout: 5n }, 'timeout: Expected a whole number of milliseconds from 1 to 2147483647, not 5'],
    [schema, { allowedOrigins: 'secret' }, 'allowedOrigins: Expected a list, not a string'],
    [schema, { allowedOrigins: [''] }, 'allowedOrigins.0: Expected a string that is not empty'],
    [schema, { missingOrigin: 'alow' }, 'missingOrigin: Expected "auto", "allow" or "deny", not a string; did you mean "allow"?'],
    [schema, { missingOrigin: 'x' }, 'missingOrigin: Expected "auto", "allow" or "deny", not a string'],
    [schema, { missingOrigin: 1 }, 'missingOrigin: Expected "auto", "allow" or "deny", not 1'],
    [schema, { on: 'yes' }, 'on: Expected true or false, not a string'],
    [schema, { on: '' }, 'on: Expected true or false, not an empty string'],
    [schema, { on: Symbol('x') }, 'on: Expected true or false, not a symbol'],
    [schema, { on () {} }, 'on: Expected true or false, not a function'],
    [schema, { on: {} }, 'on: Expected true or false, not an object'],
    [schema, { name: 5 }, 'name: Expected a string that is not empty or false, not 5'],
    [schema, { some: [] }, 'some: Expected a list that is not empty'],
    [schema, { some: [1] }, 'some.0: Expected a string, not 1'],
    [schema, { text: '' }, 'text: Expected a string that is not empty'],
    [schema, { text: 'abc' }, 'text: Expected a string that starts with "/"'],
    [schema, { text: '/abc' }, 'text: Expected at most 3 characters'],
    [schema, { share: 'x' }, 'share: Expected a number, not a string'],
    [schema, { share: Infinity }, 'share: Expected a finite number, not Infinity'],
    [schema, { share: 0 }, 'share: Expected more than 0, not 0'],
    [schema, { share: 2 }, 'share: Expected at most 1, not 2'],
    [schema, { share: 0.1 }, 'share: Expected at least 0.5, not 0.1'],
    [schema, { whole: 0.1 }, 'whole: Expected a whole number, not 0.1'],
    [schema, { map: 1 }, 'map: Expected an object, not 1'],
    [schema, { pem: 1 }, 'pem: Expected an instance of Uint8Array, not 1'],
    [schema, { mail: 'x' }, 'mail: Expected another value'],
    [schema, { either: 1 }, 'either: Expected a flag or a function, not 1'],
    [schema, { never: 5 }, 'never: Expected another value, not 5'],
    [required, { ulr: 'x' }, 'ulr: unknown option `ulr`; did you mean `url`? Known options: url and hook'],
    [required, { urls: 'x' }, 'urls: unknown option `urls`; did you mean `url`? Known options: url and hook'],
    [optionsObject({ max: positiveInteger }), { maxx: 1 }, 'maxx: unknown option `maxx`; did you mean `max`? Known options: max'],
    [required, {}, 'url: it is missing. Expected a string that is not empty'],
    [required, { url: undefined }, 'url: Expected a string that is not empty, not undefined']
  ]
  for (const [schema, options, message] of cases) {
    t.throws(() => parseOptions(schema, options, ERR_OPTION), { message: `Invalid option: ${message}` }, message)
  }
})

t.test('what one value turns off: anything else is told of both', t => {
  const schema = optionsObject({
    time: v.optional(millisecondsOrOff),
    count: v.optional(offOr(Infinity, positiveInteger, ['number'], 'a whole number above 0')),
    rate: v.optional(offOr(false, optionsObject({ perSecond: positiveInteger }), ['object'], '{ perSecond }'))
  })
  const time = 'time: Expected false or a whole number of milliseconds, not'
  for (const [options, message] of [
    [{ time: true }, `${time} true`],
    [{ time: '5s' }, `${time} a string`],
    [{ time: null }, `${time} null`],
    [{ time: {} }, `${time} an object`],
    [{ time: 0 }, 'time: Expected a whole number of milliseconds from 1 to 2147483647, not 0'],
    [{ count: false }, 'count: Expected Infinity or a whole number above 0, not false'],
    [{ count: 0.5 }, 'count: Expected a whole number above 0, not 0.5'],
    [{ rate: true }, 'rate: Expected false or { perSecond }, not true'],
    [{ rate: 5 }, 'rate: Expected false or { perSecond }, not 5'],
    [{ rate: [] }, 'rate: Expected false or { perSecond }, not a list'],
    [{ rate: null }, 'rate: Expected false or { perSecond }, not null'],
    [{ rate: {} }, 'rate.perSecond: it is missing. Expected a whole number above 0'],
    [{ rate: { perSecnd: 1 } }, 'rate.perSecnd: unknown option `perSecnd`; did you mean `perSecond`? Known options: perSecond']
  ] as const) t.throws(() => parseOptions(schema, options, ERR_OPTION), { message: `Invalid option: ${message}` }, JSON.stringify(options))
  const good = { time: false, count: Infinity, rate: { perSecond: 1 } }
  t.same(parseOptions(schema, good, ERR_OPTION), good)
  t.same(parseOptions(schema, { time: 5, count: 5, rate: false }, ERR_OPTION), { time: 5, count: 5, rate: false })
  t.end()
})
