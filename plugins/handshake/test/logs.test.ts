import t from 'tap'
import { build } from './helpers.js'

t.test('no token is ever logged, accepted or refused', async t => {
  const { connect, sign, lines } = await build(t, {
    options: {
      isRevoked: async token => token.claims.jti === 'revoked',
      authorize: identity => {
        if (identity.claims.jti === 'throws') throw new Error('broken hook')
        return identity.claims.jti !== 'forbidden'
      }
    }
  })
  const tokens = ['good', 'revoked', 'throws', 'forbidden'].map(jti => sign({ jti }))
  const broken = `${tokens[0] as string}x`
  for (const token of [...tokens, broken]) {
    for (const first of ['auth', 'refresh']) {
      const client = connect()
      if (first === 'refresh') await client.auth(tokens[0] as string)
      else await client.opened()
      client.json({ type: first, token })
      client.json({ type: 'auth', token })
      await client.closed
    }
  }
  const log = lines.join('')
  t.match(log, 'broken hook')
  t.match(log, 'websocket refused')
  for (const token of tokens) {
    for (const part of token.split('.').slice(1)) t.notOk(log.includes(part))
  }
})
