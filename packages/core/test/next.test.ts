import t from 'tap'
import { asError, isThenable, next } from '../src/index.js'

t.test('isThenable tells what has to be awaited', async t => {
  for (const value of [undefined, null, 0, 'then', {}, { then: 1 }, () => {}]) t.notOk(isThenable(value), String(value))
  for (const value of [Promise.resolve(), { then () {} }, Object.assign(() => {}, { then () {} })]) t.ok(isThenable(value))
})

t.test('the next step runs at once for a value, and later for any thenable', async t => {
  t.equal(next(1, value => value + 1), 2)
  t.throws(() => next(1, () => { throw new Error('step') }), { message: 'step' })
  const foreign = { then: (resolve: (value: number) => void) => { resolve(1) } } as PromiseLike<number>
  for (const promise of [Promise.resolve(1), foreign]) {
    const result = next(promise, value => value + 1)
    t.ok(result instanceof Promise)
    t.equal(await result, 2)
  }
  await t.rejects(async () => await next(Promise.reject(new Error('value')), () => 1), { message: 'value' })
})

t.test('whatever is thrown is an error for Fastify', async t => {
  const own = Object.assign(new Error('own'), { statusCode: 418 })
  for (const thrown of [own, { statusCode: 418 }]) t.equal(asError(thrown), thrown)
  for (const [thrown, what] of [
    [undefined, 'undefined'], [null, 'null'], [false, 'boolean'], [0, 'number'], [NaN, 'number'], ['', 'string'], ['secret', 'string'], [1n, 'bigint'], [Symbol('s'), 'symbol']
  ]) {
    t.match(asError(thrown), { message: `Expected an Error to be thrown, not ${String(what)}` })
  }
})
