import t from 'tap'
import { readBusMessage, split, type Tuple, tupleOf } from '../src/wire.js'

t.test('what is no message of another node', async t => {
  const good = [
    { kind: 'ask', life: 1 }, { kind: 'bye', life: 1.5 }, { kind: 'version', life: 1, version: 0 },
    { kind: 'change', life: 1, version: 1, users: [['room', [['alice'], ['bob', 0], ['carol', 2, 7, null]]]] },
    { kind: 'page', life: 1, version: 1, page: 0, pages: 1, users: [] }
  ]
  for (const message of good) t.same(readBusMessage(JSON.parse(JSON.stringify({ ...message, more: 1 }))), message, JSON.stringify(message))
  const users = (...tuples: unknown[]) => ({ kind: 'change', life: 1, version: 1, users: [['room', tuples]] })
  const bad = [
    null, 'ask', 7, [], {}, { kind: 'ask' }, { kind: 'ask', life: null }, { kind: 'ask', life: '1' }, { kind: 'other', life: 1 }, { kind: 'version', life: 1 },
    { kind: 'version', life: 1, version: -1 }, { kind: 'version', life: 1, version: 1.5 }, { kind: 'other', life: 1, version: 1, users: [] },
    { kind: 'change', life: 1, version: 1 }, { kind: 'change', life: 1, version: 1, users: {} }, { kind: 'change', life: 1, version: 1, users: [['room']] },
    { kind: 'change', life: 1, version: 1, users: [[7, []]] }, { kind: 'change', life: 1, version: 1, users: ['room'] },
    users('alice'), users([]), users(['']), users([7]), users(['a', -1]), users(['a', '1']), users(['a', 1, 2]), users(['a', 1, -2, 1]), users(['a', 1, 2, 3, 4]),
    { kind: 'page', life: 1, version: 1, users: [] }, { kind: 'page', life: 1, version: 1, page: 1, pages: 1, users: [] },
    { kind: 'page', life: 1, version: 1, page: 0, users: [] }, { kind: 'page', life: 1, version: 1, page: 0, pages: 1e9, users: [] }
  ]
  for (const message of bad) t.equal(readBusMessage(message), null, JSON.stringify(message))
})

t.test('users are put into messages of a bounded size', async t => {
  t.same(split([]), [[]])
  const user = (n: number): [string, Tuple] => [n < 3 ? 'a' : 'b', [`${n}`, 1, 1, 'x'.repeat(20_000)]]
  const pages = split([1, 2, 3, 4, 5].map(user))
  t.same(pages.map(page => page.map(([topic, users]) => [topic, users.map(([subject]) => subject)])), [[['a', ['1', '2']], ['b', ['3']]], [['b', ['4', '5']]]])
})

t.test('what a message says of a user', async t => {
  t.same(tupleOf('a', undefined), ['a'])
  t.same(tupleOf('a', { connections: 2, state: undefined }), ['a', 2])
  t.same(tupleOf('a', { connections: 2, state: { at: 3, value: null } }), ['a', 2, 3, null])
})

t.test('one whose id is too long for any message does not keep the others back', async t => {
  t.same(split([['a', ['x'.repeat(200_000), 1]], ['a', ['bob', 1]]]), [[['a', [['bob', 1]]]]])
})
