import t from 'tap'
import { Misuse } from '@fastify-airlock/core'
import { readAuthenticated } from '../src/authenticated.js'
import type { CredentialCheck } from '../src/index.js'
import { attempt, build, clock, listen, route } from './helpers.js'

const NOW = Date.UTC(2026, 0, 1)

t.test('only a user with an id, and with a credential that has not expired, is let in', async t => {
  const lines: string[] = []
  const misuse = new Misuse({ warn: (_details, message) => { lines.push(message) } }, 'WSA_TEST_WARN')
  const read = (answer: unknown) => readAuthenticated(answer, misuse, () => NOW)
  for (const more of [{}, { claims: {} }, { claims: null }, { claims: { a: 1 } }, { expiresAt: null }, { expiresAt: NOW + 1 }]) {
    const answer = { subject: 'alice', ...more }
    t.equal(read(answer), answer)
  }
  t.equal(read(null), null)
  t.equal(read({ subject: 'alice', expiresAt: NOW }), null, 'it has expired')
  t.strictSame(lines, [], 'which is no mistake')
  for (const answer of [
    undefined, 0, '', 1, 'alice', true, {}, [], { subject: '' }, { subject: 7 },
    ...['x', 1, [], true].map(claims => ({ subject: 'alice', claims })),
    ...['1', NaN, Infinity, new Date(NOW), 4e9, -1].map(expiresAt => ({ subject: 'alice', expiresAt }))
  ]) t.equal(read(answer), null)
  t.ok(lines.every(line => line.includes('return { subject } with the id of the user')))
})

t.test('an authenticator that returns nothing is asked no more, and the next one decides', async t => {
  const app = await build(t)
  route(app, { authenticate: [() => undefined as never, () => ({ subject: 'bob' })] })
  t.match(await attempt(await listen(app), '/ws'), { status: 101, identity: { subject: 'bob' } })
})

t.test('isUnknown may fail in any way: the hook checks the credential again', async t => {
  const answers: Array<() => unknown> = [
    () => { throw new Error('broken') }, async () => { throw new Error('broken') }, () => 1, () => undefined, () => false, async () => true
  ]
  let answer = answers[0] as () => unknown
  const check: CredentialCheck = {
    carriers: { header: true }, authenticate: () => ({ subject: 'alice' }), isUnknown: () => answer() as boolean
  }
  const app = await build(t, { guard: { refuseBeforeRouting: true } })
  route(app, { authenticate: check })
  const port = await listen(app)
  const headers = { authorization: 'Bearer token' }
  for (answer of answers) t.match(await attempt(port, '/ws', [], { headers }), { status: 101 })
  answer = () => true
  t.match(await attempt(port, '/ws', [], { headers }), { status: 401 })
})

t.test('a deadline that a later hook misses is not blamed on the guard', async t => {
  const lines: string[] = []
  const app = await build(t, {
    server: { logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } } },
    guard: { upgradeTimeout: 600_000 }
  })
  const set = clock(t)
  const never = () => {
    setImmediate(() => { set.ahead += 600_000 })
    return new Promise(() => {})
  }
  app.get('/later', { websocket: true, preValidation: [app.wsGuard({ authenticate: async () => ({ subject: 'alice' }) }), never] }, () => {})
  app.get('/hung', { websocket: true, preValidation: app.wsGuard({ authenticate: never as never }) }, () => {})
  const port = await listen(app)
  t.match(await attempt(port, '/later'), { status: 503 })
  t.notMatch(lines.join(), 'upgradeTimeout')
  t.match(await attempt(port, '/hung'), { status: 503 })
  t.match(lines.join(), 'allowedOrigins, authenticate or isRevoked had no answer within upgradeTimeout')
})
