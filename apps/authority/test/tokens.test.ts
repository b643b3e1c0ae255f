import t from 'tap'
import { TokenStore } from '../src/tokens.js'

t.test('a token ends with its life', async t => {
  const store = new TokenStore()
  // One second could be over at once: records have whole ones.
  const { token, record } = store.issue('alice', 'chat', 2)
  t.strictSame(store.find(token), record)
  t.equal(record.exp - record.iat, 2)
  const end = record.exp * 1000
  // Not by the clock of the sweep, which comes later.
  while (Date.now() < end) await new Promise(resolve => setTimeout(resolve, end - Date.now()))
  t.equal(store.find(token), null)
  // Its timer keeps no process alive, and so no test either.
  while (store.size > 0) await new Promise(resolve => setTimeout(resolve, 50))
  store.revoke(token)
  t.equal(store.size, 0)
})

t.test('the store holds no token', async t => {
  const store = new TokenStore()
  const { token } = store.issue('alice', 'chat', 60)
  t.equal(store.size, 1)
  t.equal(store.find(token.slice(1)), null)
  store.revoke(token)
  t.equal(store.size, 0)
  t.equal(store.find(token), null)
})
