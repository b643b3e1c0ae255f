import t from 'tap'
import { nearestName } from '../src/index.js'

t.test('the nearest name is the one that was probably meant', async t => {
  const guard = ['authenticate', 'allowedOrigins', 'missingOrigin', 'protocols', 'refusalHooks']
  for (const [name, known, nearest] of [
    ['origins', guard, 'allowedOrigins'],
    ['origin', guard, 'allowedOrigins'],
    ['alowedOrigins', guard, 'allowedOrigins'],
    ['AllowedOrigin', guard, 'allowedOrigins'],
    ['allowed_origins', guard, 'allowedOrigins'],
    ['allowed-origins', guard, 'allowedOrigins'],
    ['autenticate', guard, 'authenticate'],
    ['hooks', guard, 'refusalHooks'],
    ['protocol', guard, 'protocols'],
    ['paht', ['path', 'authenticate'], 'path'],
    ['tll', ['ttl', 'store'], 'ttl'],
    ['pendingLimit', ['upgradeTimeout', 'pendingPerAddress'], undefined],
    ['foo', guard, undefined],
    ['', guard, undefined],
    ['anything', [], undefined]
  ] as const) {
    t.equal(nearestName(name, known), nearest, name)
  }
})
