import t from 'tap'
import { CloseCode, MAX_REASON_BYTES, retryAfterClose, truncateReason } from '../src/index.js'

t.test('retryAfterClose() says whether another attempt may succeed', async t => {
  t.equal(retryAfterClose(CloseCode.FORBIDDEN), 'never')
  t.equal(retryAfterClose(CloseCode.LOGGED_OUT), 'never')
  t.equal(retryAfterClose(CloseCode.UNAUTHORIZED), 'ticket')
  t.equal(retryAfterClose(CloseCode.SERVICE_RESTART), 'later')
  t.equal(retryAfterClose(1006), 'later', 'no close frame')
})

t.test('truncateReason() cuts by bytes, never inside a character', async t => {
  t.equal(truncateReason('bye'), 'bye')
  t.equal(truncateReason('a'.repeat(123)), 'a'.repeat(123))
  t.equal(truncateReason('a'.repeat(124)), 'a'.repeat(123))
  for (const character of ['é', '€', '😀']) {
    const cut = truncateReason(character.repeat(100))
    t.ok(Buffer.byteLength(cut) <= MAX_REASON_BYTES)
    t.ok(Buffer.byteLength(cut + character) > MAX_REASON_BYTES, 'as much as fits')
    t.notMatch(cut, /\ufffd/, 'no broken character')
  }
  t.equal(truncateReason('aé', 2), 'a')
})
