import t from 'tap'
import { isWider, Scopes } from '../src/scope.js'

const names = ['scope', 'roles', 'scp', 'permissions', 'realm_access', 'resource_access', 'authorities']

t.test('claims that are not wider', async t => {
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
    [{ roles: 'x' }, { roles: 'x', other: 'y' }],
    [{ scp: 'a b' }, { scp: 'b' }],
    [{ scp: ['a', 'b'] }, { scp: 'b a' }],
    [{ permissions: ['read:a', 'write:a'] }, { permissions: ['read:a'] }],
    [{ authorities: ['ROLE_USER', 'ROLE_ADMIN'] }, { authorities: ['ROLE_USER'] }],
    [{ realm_access: { roles: ['a', 'b'] } }, { realm_access: { roles: ['b'] } }],
    [{ realm_access: { roles: ['a'] } }, { realm_access: { roles: [] } }],
    [{ resource_access: { app: { roles: ['a', 'b'] }, account: { roles: ['c'] } } }, { resource_access: { app: { roles: ['b'] } } }]
  ]
  for (const [current, next] of cases) t.notOk(isWider({ ...current }, { ...next }, names), JSON.stringify([current, next]))
})

t.test('claims that are wider', async t => {
  const cases: Array<[object, object]> = [
    [{}, { scope: 'a' }],
    [{ scope: 'a b' }, { scope: 'a b c' }],
    [{ scope: 'a b' }, { scope: ['a b'] }],
    [{ scope: 'a' }, { roles: ['a'] }],
    [{ roles: 'super user' }, { roles: 'user' }],
    [{ roles: ['1'] }, { roles: [1] }],
    [{ roles: [{ value: 'x' }] }, { roles: [{ value: 'y' }] }],
    [{ roles: { a: true } }, { roles: { a: true, b: true } }],
    [{ scp: 'a' }, { scp: 'a b' }],
    [{ permissions: ['read:a'] }, { permissions: ['read:a', 'write:a'] }],
    [{ authorities: ['ROLE_USER'] }, { authorities: ['ROLE_USER', 'ROLE_ADMIN'] }],
    [{ realm_access: { roles: ['a'] } }, { realm_access: { roles: ['a', 'b'] } }],
    [{}, { realm_access: { roles: ['a'] } }],
    [{ realm_access: { roles: ['a'] } }, { realm_access: { roles: ['a'], x: 1 }, resource_access: { app: { roles: ['a'] } } }],
    [{ resource_access: { app: { roles: ['a'] } } }, { resource_access: { account: { roles: ['a'] } } }],
    [{ resource_access: {} }, { resource_access: { app: null } }],
    [{ realm_access: {} }, { realm_access: 'all' }],
    [{ realm_access: { roles: ['a'] } }, { realm_access: { roles: ['a'], groups: ['admin'] } }],
    [{ resource_access: { c: { roles: ['a'] } } }, { resource_access: { c: { roles: ['a'], permissions: ['write'] } } }],
    [{ resource_access: { c: 'admin' } }, { resource_access: { c: { roles: ['admin'] } } }]
  ]
  for (const [current, next] of cases) t.ok(isWider({ ...current }, { ...next }, names), JSON.stringify([current, next]))
})

t.test('what a token grants is copied, and shared by all tokens that grant the same', async t => {
  const scopes = new Scopes(['scope', 'roles'])
  const claims = { sub: 'u1', scope: 'a b', roles: ['x'] }
  const granted = scopes.of(claims)
  t.same(granted, { scope: 'a b', roles: ['x'] })
  claims.roles.push('admin')
  claims.scope = 'a b c'
  t.same(granted, { scope: 'a b', roles: ['x'] }, 'changes to the claims have no effect')
  t.ok(isWider(granted, claims, ['roles']))
  t.equal(scopes.of({ sub: 'u2', scope: 'a b', roles: ['x'] }), granted)
  t.not(scopes.of(claims), granted)
  t.throws(() => { (granted as { scope: string }).scope = 'all' }, TypeError)

  const nothing = scopes.of({ sub: 'u3' })
  t.notOk(isWider(nothing, {}, ['scope', 'roles']))
  t.ok(isWider(nothing, { scope: 'a' }, ['scope', 'roles']))
  t.equal(scopes.of({}), nothing)
})

t.test('the number of shared sets of scopes is bounded', async t => {
  const scopes = new Scopes(['scope'])
  const first = scopes.of({ scope: '0' })
  for (let index = 1; index < 1_000; index++) scopes.of({ scope: String(index) })
  t.equal(scopes.of({ scope: '0' }), first)
  t.not(scopes.of({ scope: 'more' }), scopes.of({ scope: 'more' }))
  t.same(scopes.of({ scope: 'more' }), { scope: 'more' })
})
