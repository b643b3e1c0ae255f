import t from 'tap'
import { parseClientMessage, parseServerMessage } from '../src/index.js'

const json = (value: unknown): string => JSON.stringify(value)

t.test('reads client messages', async t => {
  t.same(parseClientMessage(json({ type: 'auth', token: 'x' })), { type: 'auth', token: 'x' })
  t.same(parseClientMessage(json({ type: 'jwt', token: 'x' })), { type: 'auth', token: 'x' }, 'the alias')
  t.same(parseClientMessage(json({ token: 'x', extra: 1, type: 'refresh' })), { type: 'refresh', token: 'x' })
})

t.test('reads the close codes that a client asks for, and ignores what are none', async t => {
  for (const [final, read] of [[[4410], [4410]], [[], []], [[4410, '4410', null, 1.5, {}, 4001], [4410, 4001]]] as const) {
    for (const type of ['auth', 'jwt']) t.same(parseClientMessage(json({ type, token: 'x', final })), { type: 'auth', token: 'x', final: read })
  }
  for (const final of ['4410', 4410, null, true, { 0: 4410 }]) {
    t.strictSame(parseClientMessage(json({ type: 'auth', token: 'x', final })), { type: 'auth', token: 'x' }, json(final))
  }
  t.strictSame(parseClientMessage(json({ type: 'refresh', token: 'x', final: [4410] })), { type: 'refresh', token: 'x' })
})

t.test('returns null for anything but a client message, and never throws', async t => {
  for (const text of ['', '{', 'null', '1', '"auth"', '[]', '{}',
    json({ type: 'auth' }), json({ type: 'auth', token: '' }), json({ type: 'auth', token: 1 }),
    json({ type: 'echo', token: 'x' }), json({ type: 'toString', token: 'x' })]) {
    t.equal(parseClientMessage(text), null, text)
  }
})

t.test('reads server messages', async t => {
  for (const message of [
    { type: 'auth_ok', user: { id: 'u1' }, expiresAt: 1 },
    { type: 'expiring', expiresAt: 1 },
    { type: 'refresh_ok', expiresAt: 1 },
    { type: 'auth_error', code: 4401, reason: 'no', retry: true }
  ]) {
    t.same(parseServerMessage(json(message)), message)
  }
})

t.test('returns null for anything but a server message', async t => {
  for (const message of [
    null, [], { type: 'tick', n: 1 },
    { type: 'auth_ok', user: { id: 1 }, expiresAt: 1 }, { type: 'auth_ok', user: null, expiresAt: 1 },
    { type: 'auth_ok', user: { id: 'u1' } },
    { type: 'expiring' }, { type: 'refresh_ok', expiresAt: '1' },
    { type: 'auth_error', code: '4401', reason: 'no', retry: true }
  ]) {
    t.equal(parseServerMessage(json(message)), null, json(message))
  }
})

t.test('what a client may ask for, and a sign of life', async t => {
  t.strictSame(parseClientMessage('{"type":"auth","token":"a","alive":true,"messageRate":true,"topics":true,"presence":true}'), { type: 'auth', token: 'a', alive: true, messageRate: true, topics: true, presence: true })
  t.strictSame(parseClientMessage('{"type":"jwt","token":"a","alive":1,"messageRate":"yes","topics":{"max":1},"presence":1}'), { type: 'auth', token: 'a' })
  t.strictSame(parseServerMessage('{"type":"alive"}'), { type: 'alive' })
})
