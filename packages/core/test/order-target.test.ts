import createError from '@fastify/error'
import t from 'tap'
import { type OrderTarget, orderTargetMembers, parseOrderTarget, parseTarget } from '../src/index.js'

const ERR_TARGET = createError<[string]>('WSA_TEST_ERR_TARGET', 'Name whom it means: %s', 500)

t.test('a clear target is copied', async t => {
  for (const target of [
    { subject: 'alice' }, { session: 's' }, { tokenId: 'j' }, { where: { role: 'admin', level: 1, beta: false, team: null } },
    { subject: 'alice', session: 's', tokenId: 'j', where: { constructor: 'x' } }, Object.assign(Object.create(null), { subject: 'alice' })
  ]) {
    const parsed = parseOrderTarget(target, ERR_TARGET)
    t.strictSame({ ...parsed }, { ...target })
    t.not(parsed, target)
    if (parsed.where !== undefined) t.not(parsed.where, target.where, 'what the caller changes later changes nothing')
  }
  t.strictSame(parseOrderTarget('alice', ERR_TARGET), { subject: 'alice' })
  const where = JSON.parse('{"__proto__":"x"}')
  t.strictSame(Object.keys(parseOrderTarget({ where }, ERR_TARGET).where as object), ['__proto__'], 'no condition is lost')
})

t.test('what is not clear is an error that says what to do', async t => {
  const cases: Array<[target: unknown, message: RegExp]> = [
    [undefined, /: Expected a subject, or a plain object that says who is meant, not undefined/],
    [null, /not null/],
    [7, /not 7/],
    [[], /not a list/],
    [new Map(), /not an object/],
    [Object.create({ subject: 'alice' }), /plain object/],
    [Object.assign(Object.create({ session: 's' }), { subject: 'alice' }), /plain object/],
    [Object.defineProperty({ subject: 'alice' }, 'session', { value: 's' }), /plain object/],
    [{ subject: 'alice', [Symbol('session')]: 's' }, /plain object/],
    [{}, /: subject, session, tokenId or where is needed/],
    ['', /: subject: Expected a string that is not empty/],
    [{ session: '' }, /: session: Expected a string that is not empty/],
    [{ tokenId: null }, /: tokenId: Expected a string that is not empty, not null/],
    [{ subject: 'alice', session: undefined }, /: session: it is undefined. Leave it out to mean all logins, whatever their session is/],
    [{ subject: 'alice', tokenId: undefined }, /: tokenId: it is undefined/],
    [{ subject: 'alice', where: undefined }, /: where: it is undefined/],
    [{ subject: undefined, session: 's' }, /: subject: it is undefined/],
    [{ subject: undefined }, /: subject: it is undefined/],
    [{ subject: 'alice', sesion: 's' }, /unknown option `sesion`; did you mean `session`\?/],
    [{ subject: 'alice', constructor: 's' }, /unknown option `constructor`/],
    [JSON.parse('{"subject":"alice","__proto__":"s"}'), /unknown option `__proto__`/],
    [{ where: {} }, /: where: Expected at least one claim/],
    [{ where: { role: ['admin'] } }, /: where: Expected a string, a number, a boolean or null/],
    [{ where: Object.assign(Object.create({ tenant: 'a' }), { role: 'admin' }) }, /: where: Expected an object of claims/]
  ]
  for (const [target, message] of cases) {
    t.throws(() => parseOrderTarget(target, ERR_TARGET), { code: 'WSA_TEST_ERR_TARGET', message }, String(message))
  }
})

t.test('members that do not say whom it means are not enough', async t => {
  const { subject, where } = orderTargetMembers
  t.throws(() => parseTarget({ where: { a: 1 } }, ERR_TARGET, { subject, where }, ['subject', 'session']), { message: /: subject or session is needed/ })
  const target: OrderTarget = { subject: 'alice', where: { a: 1 } }
  t.strictSame(parseTarget(target, ERR_TARGET, { subject, where }, ['subject']), target)
})
