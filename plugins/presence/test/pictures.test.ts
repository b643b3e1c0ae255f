import t, { type Test } from 'tap'
import { combine } from '../src/entry.js'
import { Pictures } from '../src/pictures.js'
import type { Tuple, Users } from '../src/wire.js'

function build (t: Test, { grace = 5_000 } = {}) {
  let now = 0
  const asked: Array<[string, number]> = []
  const changes = new Set<string>()
  const pictures = new Pictures({
    grace,
    now: () => now,
    ask: (node, life) => { asked.push([node, life]) },
    onChange: (_, subject) => { changes.add(subject) },
    isState: value => value !== 'too large',
    saw: () => {}
  })
  t.teardown(() => pictures.close())
  pictures.here('n')
  asked.length = 0
  now = 1_000
  const users = (...tuples: Tuple[]): Users => tuples.length === 0 ? [] : [['room', tuples]]
  return {
    pictures,
    asked,
    changes: () => { const all = [...changes]; changes.clear(); return all },
    change: (version: number, ...tuples: Tuple[]) => pictures.receive('n', { kind: 'change', life: 10, version, users: users(...tuples) }),
    page: (version: number, page: number, pages: number, ...tuples: Tuple[]) => pictures.receive('n', { kind: 'page', life: 10, version, page, pages, users: users(...tuples) }),
    version: (version: number, life = 10) => pictures.receive('n', { kind: 'version', life, version }),
    who: () => Object.fromEntries([...new Set(pictures.subjects('room'))].map(subject => [subject, combine(subject, pictures.entries('room', subject))?.connections])),
    pass: (ms: number) => { now += ms; pictures.tick() }
  }
}

t.test('changes count in their order, each once; a hole is asked for', async t => {
  const { change, who, asked, page, version, pass } = build(t)
  change(1, ['alice', 1])
  change(1, ['bob', 1])
  t.same(who(), { alice: 1 })
  change(3, ['carol', 1])
  change(4, ['alice'])
  t.same(who(), { alice: 1 }, 'they wait')
  t.same(asked, [['n', 10]], 'it is asked for once')
  change(2, ['dave', 2])
  t.same(who(), { dave: 2, carol: 1 })
  version(4)
  t.equal(asked.length, 1)
  version(6)
  t.equal(asked.length, 1, 'not again so soon')
  pass(1_000)
  version(6)
  t.equal(asked.length, 2)
  change(8, ['erin', 1])
  page(7, 1, 2, ['frank', 1])
  page(7, 1, 2, ['frank', 1])
  t.same(who(), { dave: 2, carol: 1 }, 'a part is not everything')
  page(6, 0, 2, ['old', 1])
  page(7, 0, 2, ['carol', 3])
  t.same(who(), { carol: 3, frank: 1, erin: 1 }, 'what waited comes after it')
  page(7, 0, 1, ['old', 1])
  t.same(who(), { carol: 3, frank: 1, erin: 1 })
})

t.test('what waited and is in everything is dropped; a change of a life that is over is nothing', async t => {
  const { change, page, who, pictures } = build(t)
  change(3, ['old', 1])
  change(4)
  change(6, ['bob', 1])
  page(5, 0, 1, ['alice', 1])
  t.same(who(), { alice: 1, bob: 1 })
  const other = (life: number, version: number, subject: string): void => {
    pictures.receive('n', { kind: 'change', life, version, users: [['room', [[subject, 1]]]] })
  }
  other(12, 5, 'waits')
  other(11, 4, 'late')
  other(11, 1, 'first')
  t.same(who(), {}, 'a life between begins with nobody, and is no longer told of')
  pictures.receive('n', { kind: 'page', life: 12, version: 4, page: 0, pages: 1, users: [] })
  t.same(who(), { waits: 1 })
})

t.test('parts of a later picture take the place of those of an earlier one', async t => {
  const { page, who, version } = build(t)
  page(3, 0, 2, ['old', 1])
  page(5, 0, 2, ['alice', 1])
  page(5, 1, 3, ['other', 1])
  t.same(who(), {})
  page(5, 0, 2, ['alice', 1])
  page(5, 1, 2, ['bob', 1])
  t.same(who(), { alice: 1, bob: 1 })
  version(0, 11)
  t.same(who(), {}, 'a new life begins with nobody')
  page(9, 0, 1, ['old', 1])
  t.same(who(), {})
})

t.test('a node that has set its clock back is told of its earlier life', async t => {
  const { version, asked, page, pictures } = build(t)
  page(3, 0, 1, ['alice', 1])
  pictures.receive('n', { kind: 'change', life: 5, version: 1, users: [] })
  t.same(asked, [], 'what comes late is nothing')
  version(1, 5)
  t.same(asked, [['n', 10]])
})

t.test('what waits is bounded', async t => {
  const { change, who, page } = build(t)
  for (let n = 3; n < 400; n++) change(n, [`${n}`, 1])
  change(2, ['2', 1])
  page(2, 0, 1)
  t.equal(Object.keys(who()).length, 256)
})

t.test('a node that is gone takes its users with it, and what comes late does not bring them back', async t => {
  const { change, pictures, who, changes, asked } = build(t)
  change(1, ['alice', 1])
  changes()
  pictures.gone('n')
  t.same(changes(), ['alice'])
  change(2, ['alice', 1])
  t.same(who(), {})
  t.equal(pictures.size, 0)
  pictures.gone('never heard of')
  asked.length = 0
  pictures.here('n')
  t.same(asked, [['n', -Infinity]], 'one that is back is asked')
  change(1, ['alice', 1])
  t.same(who(), { alice: 1 })
})

t.test('a node that shuts down leaves its users the grace to come back elsewhere', async t => {
  const { change, pictures, who, pass, changes } = build(t)
  change(1, ['alice', 3])
  changes()
  pictures.bye('n')
  pictures.bye('never heard of')
  t.same(who(), { alice: 3 }, 'they are there until they are not')
  pictures.gone('n')
  t.same(who(), { alice: 1 })
  t.same([...pictures.entries('room', 'alice')].map(({ connections }) => connections), [0])
  change(2, ['alice'])
  pictures.gone('n')
  t.same(who(), { alice: 1 })
  pass(5_200)
  t.same(who(), {})
  t.same(changes(), ['alice'])
  const none = build(t, { grace: 0 })
  none.change(1, ['alice', 3])
  none.pictures.bye('n')
  none.pictures.gone('n')
  t.same(none.who(), {})
  const again = build(t)
  again.change(1, ['alice', 3])
  again.pictures.bye('n')
  again.pictures.gone('n')
  again.pictures.here('n')
  t.same(again.who(), {}, 'one that is here again begins anew')
})

t.test('the latest state counts, on whichever node it is; one that is too large does not', async t => {
  const entry = (node: string, at: number | undefined, value: unknown = node) => ({ node, connections: 1, state: at === undefined ? undefined : { at, value } })
  const cases: Array<[entries: Array<ReturnType<typeof entry>>, state: unknown]> = [
    [[entry('a', 1), entry('b', 2)], 'b'], [[entry('a', 2), entry('b', 2)], 'b'], [[entry('a', 3), entry('b', 2)], 'a'], [[entry('a', undefined), entry('b', 1)], 'b'],
    [[entry('a', undefined)], undefined], [[entry('a', 1), { ...entry('b', 2), connections: 0 }], 'a'], [[entry('a', undefined), { ...entry('b', 2), connections: 0 }], 'b']
  ]
  for (const [entries, state] of cases) {
    for (const order of [entries, [...entries].reverse()]) t.equal(combine('x', order)?.state, state)
  }
  t.equal(combine('x', []), undefined)
  const { change, pictures } = build(t)
  change(1, ['alice', 1, 1, 'too large'], ['bob', 1, 1, 'small'])
  t.same(['alice', 'bob'].map(subject => combine(subject, pictures.entries('room', subject))?.state), [undefined, 'small'])
  change(2, ['alice'], ['bob'], ['nobody'])
  t.same([...pictures.subjects('room')], [])
})

t.test('users of a node that has shut down may be gone before the others', async t => {
  const { pictures, page, who, changes } = build(t)
  page(1, 0, 1, ['alice', 1], ['bob', 1])
  pictures.end('alice', () => true)
  t.same(who(), { alice: 1, bob: 1 }, 'a node that is there speaks for itself')
  pictures.bye('n')
  pictures.gone('n')
  changes()
  pictures.end('alice', topic => topic !== 'room')
  pictures.end('carol', () => true)
  t.same([who(), changes()], [{ alice: 1, bob: 1 }, []])
  pictures.end('alice', () => true)
  t.same([who(), changes()], [{ bob: 1 }, ['alice']])
})
