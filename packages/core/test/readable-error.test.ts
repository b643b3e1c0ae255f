import Fastify from 'fastify'
import t from 'tap'
import { auditCode } from '../src/trail.js'
import { errorStatus, isOutage, isUnanswered, peek, readableError } from '../src/index.js'
import { unreadable } from './unreadable.js'

t.test('what can be read is left as it is', t => {
  const circle = new Error('circle')
  circle.cause = circle
  const nested = Object.assign(new Error('nested'), { original: new Error('x', { cause: 'text' }), errors: [new Error('y'), 'z'], headers: { 'retry-after': '1' }, list: [1, null] })
  for (const error of [new Error('x'), circle, nested, new AggregateError([new Error('x')]), { statusCode: 401, message: 'x' }, Object.freeze({ statusCode: 401 })]) t.equal(readableError(error), error)
  for (const thrown of [undefined, null, 'text', 42, Symbol('x')]) t.match(readableError(thrown), { message: /^Expected an Error/ })
  t.end()
})

t.test('of anything else a copy is made that can be answered with, logged and asked about', async t => {
  for (const [name, make] of Object.entries(unreadable)) {
    const thrown = make()
    const error = readableError(thrown)
    t.not(error, thrown, name)
    t.ok(error instanceof Error, name)
    t.type(error.message, 'string', name)
    t.equal(readableError(error), error, `${name}: a copy can be read`)
    t.doesNotThrow(() => [isOutage(thrown), isUnanswered(thrown), errorStatus(thrown), auditCode(thrown), peek(thrown, 'code')], name)
    const lines: Array<{ err?: { message: string } }> = []
    const app = Fastify({ logger: { stream: { write: line => { lines.push(JSON.parse(line)) } } } })
    app.get('/', (_request, _reply) => { throw error })
    t.equal((await app.inject('/')).statusCode, errorStatus(error) ?? 500, name)
    t.ok(lines.some(({ err }) => err?.message.startsWith(error.message)), `${name} is logged`)
    await app.close()
  }
  t.match(readableError(Object.freeze(Object.assign(new Error('mine', { cause: Object.freeze(new Error('why')) }), { code: 'X', statusCode: 401, name: 'Mine', headers: { a: 'b' } }))),
    { message: 'mine', code: 'X', statusCode: 401, name: 'Mine', headers: { a: 'b' }, cause: { message: 'why' } })
  const deep = [0, 1, 2, 3, 4, 5, 6, 7, 8].reduce((cause, n) => Object.freeze(new Error(String(n), { cause })), Object.freeze(new Error('first')))
  t.equal(readableError(deep).message, '8')
})
