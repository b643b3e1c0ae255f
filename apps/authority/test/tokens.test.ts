import t from 'tap'
import { TokenStore } from '../src/tokens.js'

t.test('a token expires', async t => {
  const store = new TokenStore()
  // A lifetime of one second could end at once, because records have whole seconds.
  const { token, record } = store.issue('alice', 'chat', 2)
  t.strictSame(store.find(token), record)
  t.equal(record.exp - record.iat, 2)
  const end = record.exp * 1000
  // The token is invalid from here on, even before the sweep removes it.
  while (Date.now() < end) await new Promise(resolve => setTimeout(resolve, end - Date.now()))
  t.equal(store.find(token), null)
  // Polled, because the timer of the sweep does not keep the process alive.
  while (store.size > 0) await new Promise(resolve => setTimeout(resolve, 50))
  store.revoke(token)
  t.equal(store.size, 0)
})

t.test('the store keeps only hashes of tokens', async t => {
  const store = new TokenStore()
  const { token } = store.issue('alice', 'chat', 60)
  t.equal(store.size, 1)
  t.equal(store.find(token.slice(1)), null)
  store.revoke(token)
  t.equal(store.size, 0)
  t.equal(store.find(token), null)
})
