import t from 'tap'
import { afterTest, isAfterTest } from '../src/cleanup.js'
import { Cookies } from '../src/cookies.js'
import { fits, show } from '../src/match.js'
import { until } from '../src/index.js'

t.test('what runs after a test, by the names of all runners', async t => {
  for (const name of ['teardown', 'after', 'onTestFinished']) {
    const undone: unknown[] = []
    const test = { [name]: (undo: () => unknown) => { undone.push(undo) } }
    t.ok(isAfterTest(test))
    const undo = (): void => {}
    afterTest(test as never, undo)
    t.same(undone, [undo], name)
    t.ok(isAfterTest(Object.assign(() => {}, test)), 'the context of Vitest is a function')
  }
  afterTest(undefined, () => { throw new Error('never') })
  for (const other of [null, 1, {}, { after: 1 }, () => {}]) t.notOk(isAfterTest(other))
})

t.test('which message is meant', async t => {
  for (const [message, match, wanted] of [
    [1, undefined, true], [null, undefined, true], ['a', 'a', true], ['a', 'b', false], ['abc', /b/, true], [1, /1/, false],
    [{ a: 1, b: 2 }, { a: 1 }, true], [{ a: 1 }, { a: 1, b: undefined }, true], [{ a: 1 }, { a: 1, b: 2 }, false], [null, { a: 1 }, false], ['a', { a: 1 }, false],
    [[1, 2], [1, 2], true], [[1, 2], [1], false], [{ 0: 1 }, [1], false], [[1], { 0: 1 }, false], [{ a: [{ b: 'x' }] }, { a: [{ b: /x/ }] }, true],
    [Buffer.from('a'), Buffer.from('a'), true], [Buffer.from('a'), Buffer.from('b'), false], ['a', Buffer.from('a'), false],
    [{ n: 2 }, ({ n }: { n: number }) => n > 1, true], [{ n: 1 }, ({ n }: { n: number }) => n > 1, false], [1, () => 'yes', false]
  ] as Array<[unknown, any, boolean]>) {
    t.equal(fits(message, match), wanted, `${show(message)} ${show(match ?? null)}`)
  }
})

t.test('how a message is shown', async t => {
  const circle: Record<string, unknown> = {}
  circle.self = circle
  for (const [value, text] of [
    [{ a: 1 }, '{"a":1}'], [/a/, '/a/'], [() => 1, /=> 1/], [Buffer.from('abc'), '3 bytes'], [undefined, 'undefined'], [10n, '10n'],
    [new Set([1]), 'Set(1) { 1 }'], [new Map([['a', 1]]), "Map(1) { 'a' => 1 }"], [new Error('broken'), /Error: broken/], [circle, /Circular/], [Symbol('a'), 'Symbol(a)']
  ] as const) t.match(show(value), text)
  t.equal(show('x'.repeat(300)).length, 201)
})

t.test('cookies', async t => {
  const cookies = new Cookies()
  cookies.take(['a=1; Path=/; HttpOnly', 'b = 2 ', 'c=x=y; Max-Age=60', 'd=4; Expires=Fri, 31 Dec 9999 23:59:59 GMT', 'nothing', '=nameless', ''])
  t.equal(cookies.header, 'a=1; b=2; c=x=y; d=4')
  cookies.take(['a=; Max-Age=0', 'b=; expires=Thu, 01 Jan 1970 00:00:00 GMT', 'c=; max-age=-1', 'd=; Max-Age', 'e=5'])
  t.equal(cookies.header, 'e=5')
  cookies.set('f', '6')
  cookies.delete('e')
  t.equal(cookies.size, 1)
  cookies.clear()
  t.equal(cookies.get('f'), undefined)
})

t.test('waiting for what has no event', async t => {
  let looks = 0
  await until(() => ++looks > 2)
  t.equal(await until(async () => ++looks > 4), true)
  t.equal(looks, 5)
  await t.rejects(until(() => { throw new Error('never') }), { message: 'never' })
  t.equal(await until(() => ++looks, 8), 8)
  t.same(await until(() => ({ looks: ++looks, list: ['a'] }), { looks: 10 }), { looks: 10, list: ['a'] })
  t.equal(await until(() => ++looks, (seen: number) => seen > 11), 12)
  t.equal(await until(() => null, null), null)
  t.equal(await until(() => 'state: open', /open$/), 'state: open')
})

t.test('what is not reached says what was seen last', async t => {
  const short = { timeout: 20 }
  const count = (): number => 1
  for (const [wait, message] of [
    [until(() => 0, undefined, short), /^What until waits for, \(\) ?=> 0, has not come within 20 ms\. Last seen: 0$/],
    [until(count, 2, short), /^What until waits for, 2 of .*, has not come within 20 ms\. Last seen: 1$/s],
    [until(async () => ({ state: 'waiting' }), { state: 'open' }, short), /\{"state":"open"\} of .* Last seen: \{"state":"waiting"\}$/s],
    [until(async () => await new Promise(() => {}), undefined, short), /Last seen: nothing$/]
  ] as const) await t.rejects(wait, { code: 'WSA_TESTING_ERR_TIMEOUT', message })
})
