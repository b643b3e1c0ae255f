import t from 'tap'
import { createJudge, judgeLookup } from '../src/verdict.js'

const rules = { subjectClaim: 'sub', clockTolerance: 5_000, claims: (answer: Record<string, unknown>) => answer }
const NOW = 1_000_000
const judge = createJudge(rules, () => NOW)

t.test('the verdict has the subject, and the whole answer as claims', async t => {
  const answer = { active: true, sub: 'alice', exp: 1_001, scope: 'chat' }
  t.strictSame(judge(answer), { subject: 'alice', claims: answer, expiresAt: 1_001_000 })
  t.strictSame(judge({ active: true, sub: 'alice' }), { subject: 'alice', claims: { active: true, sub: 'alice' }, expiresAt: null })
  t.match(judge({ active: true, sub: 'alice', exp: null }), { expiresAt: null })
})

t.test('active has to be the boolean true', async t => {
  t.equal(judge({ active: false, sub: 'alice' }), 'inactive')
  for (const answer of [{}, { active: 'true', sub: 'alice' }, { active: 1, sub: 'alice' }, { sub: 'alice' }, [], null, 'active', true]) {
    t.throws(() => judge(answer), { message: 'The authority did not say whether the token is active' }, JSON.stringify(answer))
  }
})

t.test('exp is exact, nbf has a tolerance', async t => {
  t.equal(judge({ active: true, sub: 'a', exp: 1_000 }), 'expired')
  t.match(judge({ active: true, sub: 'a', exp: 1_000.001 }), { subject: 'a' })
  t.match(judge({ active: true, sub: 'a', nbf: 1_005 }), { subject: 'a' })
  t.equal(judge({ active: true, sub: 'a', nbf: 1_005.001 }), 'not yet valid')
  for (const [name, value] of [['exp', '1001'], ['exp', Infinity], ['nbf', {}]] as const) {
    t.throws(() => judge({ active: true, sub: 'a', [name]: value }), { message: `The authority answered with an ${name} that is no number` })
  }
})

t.test('issuer and audience are checked if given', async t => {
  const strict = createJudge({ ...rules, issuer: 'https://id', audience: ['chat', 'feed'] }, () => NOW)
  const good = { active: true, sub: 'a', iss: 'https://id', aud: 'feed' }
  t.match(strict(good), { subject: 'a' })
  t.match(strict({ ...good, aud: ['other', 'chat'] }), { subject: 'a' })
  t.equal(strict({ ...good, iss: 'https://evil' }), 'wrong issuer')
  t.equal(strict({ ...good, iss: undefined }), 'wrong issuer')
  t.equal(strict({ ...good, iss: ['https://id'] }), 'wrong issuer')
  t.equal(strict({ ...good, aud: ['other'] }), 'wrong audience')
  t.equal(strict({ ...good, aud: undefined }), 'wrong audience')
})

t.test('the subject may be in another member, and is required', async t => {
  const other = createJudge({ ...rules, subjectClaim: 'username' }, () => NOW)
  t.match(other({ active: true, sub: '7', username: 'alice' }), { subject: 'alice' })
  for (const sub of [undefined, '', 7, null, ['alice']]) t.equal(judge({ active: true, sub }), 'no subject')
})

t.test('`claims` makes the claims, and the clock is the real one by default', async t => {
  const own = createJudge({ ...rules, claims: ({ scope }) => ({ scopes: String(scope).split(' ') }) })
  t.match(own({ active: true, sub: 'a', scope: 'x y', exp: Date.now() / 1000 + 60 }), { claims: { scopes: ['x', 'y'] } })
})

t.test('the result of a look-up is judged', async t => {
  t.equal(judgeLookup(null), 'inactive')
  t.strictSame(judgeLookup({ subject: 'a' }), { subject: 'a', claims: {}, expiresAt: null })
  t.strictSame(
    judgeLookup({ subject: 'a', claims: { x: 1 }, expiresAt: NOW + 1 }, () => NOW),
    { subject: 'a', claims: { x: 1 }, expiresAt: NOW + 1 }
  )
  t.equal(judgeLookup({ subject: 'a', expiresAt: NOW }, () => NOW), 'expired')
  for (const found of [undefined, false, {}, { subject: '' }, { subject: 7 }, 'alice']) {
    t.throws(() => judgeLookup(found as never), { message: 'lookup has to return null or { subject, claims, expiresAt }' })
  }
  for (const expiresAt of [Number.NaN, '2030-01-01', new Date()]) {
    t.throws(() => judgeLookup({ subject: 'a', expiresAt: expiresAt as number }), { message: 'lookup has to return null or { subject, claims, expiresAt }' })
  }
})
