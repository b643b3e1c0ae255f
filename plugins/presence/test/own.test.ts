import t, { type Test } from 'tap'
import type { TopicMember } from '@fastify-airlock/core'
import { Own } from '../src/own.js'

function build (t: Test, grace: number) {
  let now = 0
  const changes: string[] = []
  const own = new Own({ grace, now: () => now, onChange: (topic, subject) => { changes.push(`${topic} ${subject}`) } })
  t.teardown(() => own.close())
  const see = () => {
    const place = own.find('room', 'alice')
    return place === undefined ? null : [place.connections, place.state?.value]
  }
  return { own, changes, see, pass: (ms: number) => { now += ms; own.tick() } }
}

const member = () => ({ socket: {}, identity: { subject: 'alice' }, subject: 'alice', since: 0 }) as unknown as TopicMember
const [one, other] = [member(), member()]
const said = (value: unknown, at = 1) => ({ at, value })

t.test('one who comes back within the grace has never left', async t => {
  const { own, see, pass, changes } = build(t, 5_000)
  own.join(one, 'room', 'alice', said('busy'))
  own.leave(one, 'room', 'alice', true)
  t.same(see(), [0, 'busy'])
  pass(4_800)
  own.join(other, 'room', 'alice', undefined)
  t.same(see(), [1, 'busy'], 'with the state of before')
  pass(4_000)
  t.same(see(), [1, undefined], 'until the grace has ended')
  t.equal(changes.length, 4)
  own.leave(other, 'room', 'alice', true)
  pass(5_200)
  t.same(see(), null)
  t.equal(own.size, 0)
  t.equal(own.topics.size, 0)
})

t.test('a state that is set after the return is its own', async t => {
  const { own, see, pass, changes } = build(t, 5_000)
  own.join(one, 'room', 'alice', said('busy'))
  own.leave(one, 'room', 'alice', true)
  own.join(other, 'room', 'alice', said('back', 2))
  t.same(see(), [1, 'back'])
  const before = changes.length
  pass(6_000)
  t.same(see(), [1, 'back'])
  t.equal(changes.length, before, 'the end of the grace changes nothing')
  own.leave(other, 'room', 'alice', true)
  own.join(one, 'room', 'alice', undefined)
  own.set(one, 'room', 'alice', undefined)
  t.same(see(), [1, undefined], 'one that is taken away is gone at once')
})

t.test('without a grace, and for who leaves the topic, it is at once', async t => {
  for (const [grace, mayReturn] of [[0, true], [5_000, false]] as const) {
    const { own, see } = build(t, grace)
    own.join(one, 'room', 'alice', undefined)
    own.join(other, 'room', 'alice', said(1))
    own.join(other, 'room', 'bob', undefined)
    own.leave(one, 'room', 'alice', mayReturn)
    t.same(see(), [1, 1])
    own.leave(other, 'room', 'alice', mayReturn)
    t.same(see(), null)
    t.equal(own.size, 1)
  }
})

t.test('of several states the one that was set last counts, in whatever order their connections join', async t => {
  const { own, see } = build(t, 5_000)
  own.join(one, 'room', 'alice', said('later', 2))
  own.join(other, 'room', 'alice', said('earlier', 1))
  t.same(see(), [2, 'later'])
  own.set(other, 'room', 'alice', said('latest', 3))
  t.same(see(), [2, 'latest'])
  own.leave(other, 'room', 'alice', true)
  t.same(see(), [1, 'later'])
})

t.test('a grace that is ended', async t => {
  const { own, see, pass, changes } = build(t, 5_000)
  own.join(one, 'room', 'alice', undefined)
  own.leave(one, 'room', 'alice', true)
  own.end(last => last === other)
  t.same(see(), [0, undefined])
  own.join(other, 'room', 'alice', undefined)
  own.end(() => true)
  t.same(see(), [1, undefined], 'one who is back is in none')
  own.leave(other, 'room', 'alice', true)
  const before = changes.length
  own.end(last => last === other)
  t.same(see(), null)
  t.equal(changes.length, before + 1)
  pass(10_000)
  t.equal(changes.length, before + 1)
})
