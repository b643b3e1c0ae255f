import t from 'tap'
import { Ledger, type Position } from './ledger.js'

const TOPIC = 'news'
const at = (offset: number, epoch = 'e'): Position => ({ epoch, offset })

/** Publishes so many, all of which are acknowledged. */
function publish (ledger: Ledger, count: number, first = 1): string[] {
  return Array.from({ length: count }, (_, index) => {
    const id = ledger.ask(TOPIC, 'a', first + index)
    ledger.acknowledge(id, at(first + index))
    return id
  })
}

function begin (size = 100) {
  const ledger = new Ledger(() => size)
  const listener = ledger.listen(TOPIC, 'client')
  listener.subscribed(at(0), undefined)
  return { ledger, listener }
}

t.test('what has come in order, over a reconnection, is all right', async t => {
  const { ledger, listener } = begin()
  const ids = publish(ledger, 3)
  listener.message(ids[0] as string, at(1))
  listener.subscribed(at(3), true)
  listener.message(ids[1] as string, at(2))
  listener.message(ids[2] as string, at(3))
  t.match(ledger.account(), { acknowledged: 3, owed: 3, received: 3, lost: 0, told: 0, doubled: 0, disordered: 0, gaps: 0, resumed: 1 })
  t.same(ledger.violations, [])
  t.same([...ledger.heads()], [[TOPIC, at(3)]])
})

t.test('who comes later is owed nothing of before', async t => {
  const { ledger, listener } = begin()
  const ids = publish(ledger, 2)
  for (const [index, id] of ids.entries()) listener.message(id, at(index + 1))
  ledger.listen(TOPIC, 'late').subscribed(at(2), undefined)
  ledger.listen('other', 'of another topic').subscribed(at(0), undefined)
  ledger.listen(TOPIC, 'never')
  t.match(ledger.account(), { owed: 2, lost: 0 })
  t.same(ledger.violations, [])
})

const WRONG: Record<string, [what: RegExp, expected: object, (ledger: Ledger, listener: ReturnType<typeof begin>['listener'], ids: string[]) => void]> = {
  'the last ones are lost': [/has not got a:3/, { lost: 1 }, (_ledger, listener, ids) => {
    listener.message(ids[0] as string, at(1))
    listener.message(ids[1] as string, at(2))
  }],
  'one in the midst is lost': [/got e\/3 of news after e\/1, and was told of no gap/, { lost: 1 }, (_ledger, listener, ids) => {
    listener.message(ids[0] as string, at(1))
    listener.message(ids[2] as string, at(3))
  }],
  'one is doubled': [/got a:1 2 times/, { doubled: 1 }, (_ledger, listener, ids) => {
    for (const [index, id] of ids.entries()) listener.message(id, at(index + 1))
    listener.message(ids[0] as string, at(1))
  }],
  'two change places': [/got e\/1 of news after e\/2/, { lost: 0, disordered: 1 }, (_ledger, listener, ids) => {
    listener.message(ids[1] as string, at(2))
    listener.message(ids[0] as string, at(1))
    listener.message(ids[2] as string, at(3))
  }],
  'a gap is told where all is kept': [/told of a gap in news, from e\/0 to e\/3, where 100 are kept/, { told: 3, lost: 0, gaps: 1 }, (_ledger, listener) => {
    listener.subscribed(at(3), false)
  }],
  'a gap is too short': [/has not got a:3/, { told: 2, lost: 1 }, (_ledger, listener) => {
    listener.subscribed(at(2), false)
  }],
  'another epoch comes unsaid': [/got f\/1 of news after e\/3/, { lost: 0 }, (ledger, listener, ids) => {
    for (const [index, id] of ids.entries()) listener.message(id, at(index + 1))
    listener.message(ledger.ask(TOPIC, 'b', 1), at(1, 'f'))
  }],
  'it stands elsewhere than the publisher was told': [/a:1 stands at news e\/1 and at news e\/4/, {}, (_ledger, listener, ids) => {
    listener.subscribed(at(3), undefined)
    listener.message(ids[0] as string, at(4))
  }],
  'two stand at one place': [/a:1 and b:1 stand both at news e\/1/, {}, (ledger) => {
    ledger.acknowledge(ledger.ask(TOPIC, 'b', 1), at(1))
  }],
  'a publisher\'s order is not kept': [/a:4 of news stands at e\/0, and the one before at e\/3/, { disordered: 1 }, (ledger) => {
    ledger.acknowledge(ledger.ask(TOPIC, 'a', 4), at(0))
  }]
}

for (const [name, [what, expected, happen]] of Object.entries(WRONG)) {
  t.test(`it is noticed when ${name}`, async t => {
    const { ledger, listener } = begin()
    happen(ledger, listener, publish(ledger, 3))
    t.match(ledger.account(), expected)
    t.match(ledger.violations.join('\n'), what)
  })
}

t.test('a gap is right where more was missed than is kept', async t => {
  const { ledger, listener } = begin(4)
  const ids = publish(ledger, 6)
  listener.subscribed(at(5), false)
  listener.message(ids[5] as string, at(6))
  t.match(ledger.account(), { owed: 6, told: 5, lost: 0, gaps: 1 })
  t.same(ledger.violations, [])
})

t.test('a gap is right where all but one of what was missed is kept', async t => {
  const { ledger, listener } = begin(4)
  const ids = publish(ledger, 5)
  listener.subscribed(at(1), false)
  for (const [index, id] of ids.entries()) if (index > 0) listener.message(id, at(index + 1))
  t.match(ledger.account(), { told: 1, lost: 0, gaps: 1 })
  t.same(ledger.violations, [])
})

t.test('what the store may have taken, and nobody has heard of, counts for a gap', async t => {
  for (const [unheard, violations] of [[2, 0], [1, 1]]) {
    const { ledger, listener } = begin(4)
    publish(ledger, 3)
    for (let number = 1; number <= unheard!; number++) ledger.ask(TOPIC, 'b', number)
    ledger.ask('other', 'b', 9)
    listener.subscribed(at(1), false)
    t.equal(ledger.violations.length, violations)
  }
})

t.test('a gap into another epoch covers the end of the one and the beginning of the other', async t => {
  const { ledger, listener } = begin()
  const ids = publish(ledger, 2)
  listener.message(ids[0] as string, at(1))
  listener.subscribed(at(1, 'f'), false)
  const [other, next] = [ledger.ask(TOPIC, 'b', 1), ledger.ask(TOPIC, 'b', 2)]
  ledger.acknowledge(other, at(1, 'f'))
  ledger.acknowledge(next, at(2, 'f'))
  listener.message(next, at(2, 'f'))
  t.match(ledger.account(), { told: 2, lost: 0 })
})

t.test('without positions, as with plain broadcasts', async t => {
  const { ledger, listener } = begin()
  const ids = [1, 2, 3].map(number => ledger.ask(TOPIC, 'a', number))
  for (const id of ids.slice(0, 2)) ledger.acknowledge(id, undefined)
  listener.message(ids[0] as string, undefined)
  t.match(ledger.account(), { acknowledged: 2, unacknowledged: 0, owed: 2, lost: 1 })
})

t.test('what nobody has acknowledged is owed to nobody, but counted where it came', async t => {
  const { ledger, listener } = begin()
  listener.message(ledger.ask(TOPIC, 'a', 1), at(1))
  ledger.ask(TOPIC, 'a', 2)
  t.match(ledger.account(), { acknowledged: 0, unacknowledged: 1, owed: 0, lost: 0, received: 1 })
  t.same(ledger.violations, [])
})

t.test('it tells the first of many', async t => {
  const { ledger } = begin()
  for (let i = 0; i < 100; i++) ledger.violation('no')
  t.equal(ledger.violations.length, 50)
})
