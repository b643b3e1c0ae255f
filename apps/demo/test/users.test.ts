import t from 'tap'
import { createUserDirectory, demoUsers, userOf } from '../src/users.js'

t.test('name and password must match', async t => {
  const directory = await createUserDirectory(demoUsers)
  t.strictSame(await directory.login('alice', 'wonderland'), { id: 'alice', name: 'Alice', role: 'user' })
  t.strictSame(await directory.login('admin', 'admin'), { id: 'admin', name: 'Admin', role: 'admin' })
  for (const [name, password] of [['alice', 'builder'], ['alice', ''], ['Alice', 'wonderland'], ['mallory', 'wonderland'], ['__proto__', 'x']] as const) {
    t.equal(await directory.login(name, password), null, `${name}/${password}`)
  }
})

t.test('an unknown name takes as long as a wrong password', async t => {
  const directory = await createUserDirectory(demoUsers)
  const time = async (name: string) => {
    const start = performance.now()
    await directory.login(name, 'wrong')
    return performance.now() - start
  }
  // A look-up alone takes microseconds; a scrypt of this size takes milliseconds on any machine.
  t.ok(await time('mallory') > 2)
})

t.test('a token that has only a subject', async t => {
  t.strictSame(userOf({ sub: 'carol' }), { id: 'carol', name: 'carol', role: 'user' })
  t.strictSame(userOf({ sub: 'carol', name: 'Carol', role: 'admin' }), { id: 'carol', name: 'Carol', role: 'admin' })
  t.strictSame(userOf({ sub: 'carol', name: 7, role: 'root' }), { id: 'carol', name: 'carol', role: 'user' })
})
