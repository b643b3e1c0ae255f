import t from 'tap'
import { StoreCalls } from '../src/store-calls.js'
import { StoreOutage } from '../src/store-outage.js'
import { WSA_TOPICS_ERR_STORE_CLOSED, WSA_TOPICS_ERR_STORE_FULL } from '../src/errors.js'

function watch () {
  const lines: unknown[] = []
  let now = 0
  const line = (level: string) => (details: object, message?: string): void => { lines.push([level, details, message]) }
  const calls = new StoreCalls(60_000, new StoreOutage({ error: line('error'), info: line('info') } as any, () => now))
  return {
    lines,
    pass: (ms: number) => { now += ms },
    fail: async (error: unknown, isSync = false) => await calls.ask(() => { if (isSync) throw error; return Promise.reject(error) }).catch(() => {}),
    answer: async () => await calls.ask(() => 'answer')
  }
}

const BEGUN = 'the store of topics fails: publications and subscriptions are put off'
const ENDED = 'the store of topics answers again'

t.test('an outage is logged when it begins and when it ends, with a count', async t => {
  const { lines, pass, fail, answer } = watch()
  t.equal(await answer(), 'answer')
  t.same(lines, [], 'nothing to say')
  for (let n = 0; n < 50; n++) await fail(new Error('away'), n % 2 === 0)
  t.same(lines, [['error', { reason: 'away' }, BEGUN]])
  pass(2_000)
  await fail(new Error('still away'))
  await answer()
  t.equal(lines.length, 1, 'one answer alone may be luck')
  pass(1_000)
  await answer()
  await answer()
  t.same(lines.slice(1), [['info', { failed: 51, away: 2_000 }, ENDED]])
  await fail(new Error('again'))
  t.same(lines[2], ['error', { reason: 'again' }, BEGUN])
})

t.test('a store that fails one call in two is one outage', async t => {
  const { lines, pass, fail, answer } = watch()
  for (let n = 0; n < 20; n++) {
    await fail(new WSA_TOPICS_ERR_STORE_FULL())
    pass(500)
    await answer()
  }
  t.equal(lines.length, 1)
})

t.test('errors of every kind', async t => {
  const errors: Array<[error: unknown, logged: unknown]> = [
    [new WSA_TOPICS_ERR_STORE_CLOSED(), undefined], [undefined, {}], [null, {}], ['text', {}], [{ message: 'm', command: ['SECRET'] }, { reason: 'm' }]
  ]
  for (const [error, logged] of errors) {
    const { lines, fail } = watch()
    await fail(error)
    t.same(lines, logged === undefined ? [] : [['error', { reason: undefined, ...logged as object }, BEGUN]])
  }
})
