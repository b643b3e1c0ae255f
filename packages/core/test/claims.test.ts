import t from 'tap'
import { type AcceptedClaims, createClaimsCheck } from '../src/index.js'

t.test('issuer and audience are checked where they are given', async t => {
  const cases: Array<[AcceptedClaims, { iss?: unknown, aud?: unknown }, string | null]> = [
    [{}, {}, null],
    [{}, { iss: 'x', aud: 'y' }, null],
    [{ issuer: 'a' }, { iss: 'a' }, null],
    [{ issuer: 'a' }, {}, 'wrong issuer'],
    [{ issuer: 'a' }, { iss: ['a'] }, 'wrong issuer'],
    [{ issuer: ['a', 'b'] }, { iss: 'b' }, null],
    [{ issuer: [] }, { iss: 'b' }, 'wrong issuer'],
    [{ audience: 'a' }, { aud: 'a' }, null],
    [{ audience: 'a' }, { aud: ['b', 'a'] }, null],
    [{ audience: 'a' }, { aud: ['b'] }, 'wrong audience'],
    [{ audience: ['a', 'b'] }, { aud: 'b' }, null],
    [{ audience: 'a' }, {}, 'wrong audience'],
    [{ issuer: 'a', audience: 'b' }, { iss: 'x', aud: 'x' }, 'wrong issuer']
  ]
  for (const [accepted, claims, problem] of cases) {
    t.equal(createClaimsCheck(accepted)(claims), problem, JSON.stringify([accepted, claims]))
  }
})
