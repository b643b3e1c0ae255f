import t from 'tap'
import { errorStatus, isOutage, isUnanswered } from '../src/index.js'
import { answers, outages } from './outage-table.js'

const error = (members: object, message = 'x'): Error => Object.assign(new Error(message), members)

t.test('a status that an error names is the word of the application, unless somebody who was asked gave no answer', t => {
  for (const [thrown, status, outage, unanswered] of [
    [error({}), undefined, false, false],
    [error({ statusCode: 401 }), 401, false, false],
    [error({ statusCode: 429 }), 429, true, false],
    [error({ statusCode: 503 }), 503, true, false],
    [error({ statusCode: 503, code: 'ECONNREFUSED' }), 503, true, false],
    [error({ statusCode: 401, code: 'UND_ERR_RESPONSE' }), 401, true, true],
    [error({ statusCode: 401, cause: error({ statusCode: 503 }) }), 401, true, true],
    [error({ status: 503 }), undefined, true, true],
    [error({ status: 401 }), undefined, false, false],
    [error({ code: 'ECONNREFUSED' }), undefined, true, true],
    [error({ statusCode: '401' }), undefined, false, false],
    [error({ name: 'PrismaClientKnownRequestError', code: 'P2025' }), undefined, false, false],
    [error({ name: 'PrismaClientKnownRequestError', code: 'P2024' }), undefined, true, true],
    [error({ name: 'PrismaClientKnownRequestError', code: 'P1001' }), undefined, true, true],
    [error({ name: 'SequelizeEmptyResultError' }), undefined, false, false],
    [error({ name: 'SequelizeConnectionRefusedError' }), undefined, true, true],
    [error({}, 'Connection is closed.'), undefined, true, true],
    [error({}, 'Stream isn\'t writeable and enableOfflineQueue options is false'), undefined, true, true],
    [undefined, undefined, false, false],
    [null, undefined, false, false],
    ['ECONNREFUSED', undefined, false, false]
  ] as const) {
    const name = thrown instanceof Error ? JSON.stringify(thrown) : String(thrown)
    t.equal(errorStatus(thrown), status, name)
    t.equal(isOutage(thrown), outage, name)
    t.equal(isUnanswered(thrown), unanswered, name)
  }
  const deep = [0, 1, 2, 3, 4, 5, 6].reduce<Error>((cause, i) => error({ cause }, String(i)), error({ code: 'ECONNREFUSED' }))
  t.equal(isOutage(deep), false, 'not without end')
  for (const member of ['code', 'statusCode', 'cause']) {
    const odd = Object.defineProperty(new Error('odd'), member, { get () { throw new Error('unreadable') } })
    t.equal(isOutage(odd), false, `${member} cannot be read`)
    t.equal(isUnanswered(odd), false, `${member} cannot be read`)
    if (member !== 'statusCode') t.equal(isUnanswered(Object.assign(odd, { statusCode: 401 })), false, `${member} cannot be read, beside a status`)
  }
  t.end()
})

t.test('errors of libraries: who could not be asked, and who has answered', t => {
  for (const [name, thrown] of outages) {
    t.equal(isOutage(thrown), true, name)
    t.equal(isOutage(new Error('wrapped', { cause: thrown })), true, `${name}, wrapped`)
  }
  for (const [name, thrown] of answers) {
    t.equal(isOutage(thrown), false, name)
    t.equal(isUnanswered(thrown), false, name)
    t.equal(isOutage(new Error('wrapped', { cause: thrown })), false, `${name}, wrapped`)
  }
  t.end()
})
