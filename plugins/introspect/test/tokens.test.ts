import t from 'tap'
import { findTokens as findCredentials, readToken } from '../src/tokens.js'

const all = { header: true, query: 'token', cookie: 'ext_token' }
const findTokens = (...given: Parameters<typeof findCredentials>) => findCredentials(...given).map(({ value }) => value)

t.test('the token is found on each carrier', async t => {
  for (const [headers, query] of [
    [{ authorization: 'Bearer abc' }, {}],
    [{ authorization: 'bearer abc' }, {}],
    [{}, { token: 'abc' }],
    [{ cookie: 'ext_token=abc' }, {}],
    [{ cookie: 'a=1; ext_token=abc ;b=2' }, {}]
  ] as const) {
    t.strictSame(findTokens({ headers, query }, all), ['abc'], JSON.stringify([headers, query]))
  }
})

t.test('repeated tokens count each time', async t => {
  t.strictSame(findTokens({ headers: { authorization: 'Bearer a', cookie: 'ext_token=c; ext_token=d' }, query: { token: ['b', 'e'] } }, all), ['a', 'b', 'e', 'c', 'd'])
})

t.test('other places are not read', async t => {
  t.strictSame(findTokens({ headers: { authorization: 'Basic abc', cookie: 'ext_token2=a; ext_token; Ext_Token=b' }, query: { Token: 'c' } }, all), [])
  t.strictSame(findTokens({ headers: {}, query: {} }, all), [])
  t.strictSame(findTokens({ headers: { authorization: 'Bearer a', cookie: 'ext_token=b' }, query: { token: 'c' } }, { header: false }), [])
  t.strictSame(findTokens({ headers: { 'sec-websocket-protocol': 'bearer.abc' }, query: {} }, { ...all, subprotocol: 'bearer.' }), [])
  t.strictSame(findTokens({ headers: { authorization: 'Bearer' }, query: {} }, all), [''], 'an empty token counts, and is not valid')
})

t.test('a token is restored as its authority knows it', async t => {
  for (const [raw, token] of [
    ['abc-._~+/=', 'abc-._~+/='], ['"abc"', 'abc'], ['a%2Bb%3D%3D', 'a+b=='], ['"a%2Fb"', 'a/b'], ['"', '"']
  ] as const) {
    t.equal(readToken(raw, 8_192), token, raw)
  }
  for (const raw of ['', '""', 'a\u0000b', 'ä', '%00', '%E4', '%', 'a\nb', 'x'.repeat(8_193)]) t.equal(readToken(raw, 8_192), null, raw.slice(0, 9))
  t.equal(readToken('x'.repeat(8_192), 8_192), 'x'.repeat(8_192))
})
