import t from 'tap'
import { grants, Misuse, revokes } from '../src/index.js'

const thenable = { then: (resolve: (value: unknown) => void) => { resolve(true) } }
const MISTAKES: unknown[] = [undefined, null, 0, '', {}, [], 1, 'false', () => true, Symbol('true'), 1n, thenable]

function start () {
  const lines: Array<[object, string]> = []
  return { lines, misuse: new Misuse({ warn: (details, message) => { lines.push([details, message]) } }, 'WSA_TEST_WARN') }
}

t.test('only `true` lets in, only `false` means "not revoked"; each mistake is logged once, with its cure', async t => {
  for (const isIn of [
    (misuse: Misuse, answer: unknown) => misuse.isGranted(grants('hook'), answer),
    (misuse: Misuse, answer: unknown) => misuse.isGrantedNow(grants('hook'), answer),
    (misuse: Misuse, answer: unknown) => !misuse.isRevoked(revokes('hook'), answer)
  ]) {
    const { lines, misuse } = start()
    t.strictSame([true, false].filter(answer => isIn(misuse, answer)).length, 1)
    t.strictSame(lines, [], 'a boolean is no mistake')
    for (const answer of [...MISTAKES, ...MISTAKES]) t.equal(isIn(misuse, answer), false)
    // Two strings are one kind, and so are two numbers.
    t.strictSame(lines.map(([, message]) => message.split(' in place of true or false, which refuses: return a boolean, ')[0]), [
      'undefined', 'null', 'number', 'string', 'object', 'an array', 'function', 'symbol', 'bigint', 'a promise'
    ].map(kind => `hook returned ${kind}`))
    for (const [details, message] of lines) {
      t.strictSame(details, { code: 'WSA_TEST_WARN', hook: 'hook' })
      t.match(message, /\(or ignoreWarnings: \['WSA_TEST_WARN'\]\)$/)
    }
  }
})

t.test('a hook that has to answer at once may return a promise that rejects', async t => {
  const { misuse } = start()
  t.equal(misuse.isGrantedNow(grants('hook'), Promise.reject(new Error('broken'))), false)
  // An unhandled rejection would be reported after this turn.
  await new Promise(resolve => setImmediate(resolve))
})

t.test('a late answer is logged once for each hook', async t => {
  const { lines, misuse } = start()
  for (const hook of ['one', 'two', 'one']) misuse.late({ hook }, 'timeout')
  t.match(lines, [[{ hook: 'one' }, 'one had no answer within timeout'], [{ hook: 'two' }, 'two had no answer']])
  t.equal(lines.length, 2)
})
