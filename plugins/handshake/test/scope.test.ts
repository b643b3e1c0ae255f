import t from 'tap'
import { isWider } from '../src/scope.js'

const names = ['scope', 'roles']

t.test('what is not wider', async t => {
  const cases: Array<[object, object]> = [
    [{}, {}],
    [{ scope: 'a b' }, {}],
    [{ scope: 'a b' }, { scope: 'b  a ' }],
    [{ scope: 'a b' }, { scope: ['b'] }],
    [{ scope: 'a' }, { scope: '' }],
    [{ scope: 'a' }, { scope: null }],
    [{ roles: ['x', 'y'] }, { roles: 'y' }],
    [{ roles: 'super user' }, { roles: ['super user'] }],
    [{ roles: [{ value: 'x' }] }, { roles: [{ value: 'x' }] }],
    [{ roles: 'x' }, { roles: 'x', other: 'y' }]
  ]
  for (const [current, next] of cases) t.notOk(isWider({ ...current }, { ...next }, names), JSON.stringify([current, next]))
})

t.test('what is wider', async t => {
  const cases: Array<[object, object]> = [
    [{}, { scope: 'a' }],
    [{ scope: 'a b' }, { scope: 'a b c' }],
    [{ scope: 'a b' }, { scope: ['a b'] }],
    [{ scope: 'a' }, { roles: ['a'] }],
    [{ roles: 'super user' }, { roles: 'user' }],
    [{ roles: ['1'] }, { roles: [1] }],
    [{ roles: [{ value: 'x' }] }, { roles: [{ value: 'y' }] }],
    [{ roles: { a: true } }, { roles: { a: true, b: true } }]
  ]
  for (const [current, next] of cases) t.ok(isWider({ ...current }, { ...next }, names), JSON.stringify([current, next]))
})
