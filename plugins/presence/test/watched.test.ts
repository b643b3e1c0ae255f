import t from 'tap'
import type { PresenceUser } from '../src/index.js'
import { Watched, type Watcher } from '../src/watched.js'
import { shown } from './helpers.js'

/** A topic whose watchers take what they are sent, unless a test says otherwise. */
function build (subjects: string[], maxSubjects: number) {
  const users = new Map<string, PresenceUser>(subjects.map(subject => [subject, { subject, connections: 1 }]))
  const watched = new Watched('room', subjects, {
    maxSubjects,
    host: {
      maxFrameBytes: 4_000,
      frame: text => ({ bytes: Buffer.from(text) }),
      deliver: (_, members, { bytes }) => {
        const [member] = members as unknown as [{ all: object[], takes: boolean, isSlow: boolean, socket: { bufferedAmount: number } }]
        if (member.takes) {
          member.all.push(JSON.parse(bytes.toString()))
          if (member.isSlow) member.socket.bufferedAmount += bytes.length
        }
        return Number(member.takes)
      }
    },
    find: (_, subject) => users.get(subject),
    call: () => {}
  })
  const watcher = () => {
    const member = { all: [] as Array<Record<string, any>>, takes: true, isSlow: false, socket: { bufferedAmount: 0 } }
    const one = { member, isAllowed: true, isBehind: false, rest: [] } as unknown as Watcher & { member: typeof member, isAllowed: boolean }
    watched.watchers.add(one)
    watched.list(one)
    return one
  }
  const set = (subject: string, connections: number) => {
    if (connections === 0) users.delete(subject)
    else users.set(subject, { subject, connections })
    watched.mark(subject)
  }
  return { watched, watcher, set }
}

t.test('of very many, some are shown, and the number', async t => {
  const { watched, watcher, set } = build(['a', 'b', 'c', 'a'], 2)
  const { member } = watcher()
  t.same(member.all, [{ type: 'presence:list', topic: 'room', total: 3, here: [{ subject: 'a', connections: 1 }, { subject: 'b', connections: 1 }] }])
  set('c', 2)
  t.equal(watched.flush(), true, 'the application is told')
  t.equal(member.all.length, 1, 'nothing that is shown has changed')
  set('d', 1)
  watched.flush()
  t.same(member.all.at(-1), { type: 'presence:change', topic: 'room', total: 4 })
  set('a', 0)
  watched.flush()
  t.same(member.all.at(-1), { type: 'presence:change', topic: 'room', total: 3, here: [{ subject: 'c', connections: 2 }], gone: ['a'] })
  set('d', 0)
  watched.flush()
  t.same(member.all.at(-1), { type: 'presence:change', topic: 'room', total: 2 })
  set('b', 0)
  watched.flush()
  set('e', 1)
  watched.flush()
  t.same(shown(member.all, 'room'), { c: 2, e: 1 })
  set('c', 2)
  set('never', 0)
  t.equal(watched.flush(), false)
})

t.test('those who were not shown are, when most have gone', async t => {
  const { watched, watcher, set } = build(['a', 'b', 'c'], 2)
  const { member } = watcher()
  set('a', 0)
  set('b', 0)
  watched.flush()
  t.same(shown(member.all, 'room'), { c: 1 })
})

t.test('one that cannot take a message gets everything as soon as it can', async t => {
  const { watched, watcher, set } = build([], 10)
  const [slow, quick] = [watcher(), watcher()]
  slow.member.takes = false
  set('a', 1)
  watched.flush()
  t.equal(watched.isLate, true)
  slow.member.takes = true
  set('b', 1)
  watched.flush()
  t.equal(watched.isLate, false)
  t.same(shown(slow.member.all, 'room'), { a: 1, b: 1 })
  t.equal(slow.member.all.at(-1)?.type, 'presence:list')
  t.equal(quick.member.all.at(-1)?.type, 'presence:change')
  slow.member.takes = false
  set('c', 1)
  watched.flush()
  slow.member.takes = true
  t.equal(watched.flush(), false)
  t.same(shown(slow.member.all, 'room'), { a: 1, b: 1, c: 1 }, 'also when nothing else happens')
  slow.isAllowed = false
  set('d', 1)
  watched.flush()
  t.equal(watched.isLate, false, 'not one that may not have it')
  t.equal(slow.isBehind, true)
})

t.test('a client gets as much as it has room for, and is told of what has changed meanwhile', async t => {
  const subjects = Array.from({ length: 100 }, (_, n) => `user ${n} ${'x'.repeat(70)}`)
  const { watched, watcher, set } = build(subjects, 1_000)
  const slow = watcher()
  t.ok(slow.member.all.length > 5, 'all at once, in small messages')
  slow.member.isSlow = true
  slow.member.all.length = 0
  watched.list(slow)
  t.equal(slow.member.all.length, 1)
  t.equal(watched.isLate, true)
  slow.member.socket.bufferedAmount = 2_000
  watched.flush()
  t.equal(slow.member.all.length, 1, 'it has no room yet')
  set('late', 1)
  slow.member.socket.bufferedAmount = 0
  watched.flush()
  t.equal(slow.member.all.length, 2)
  slow.member.isSlow = false
  slow.member.socket.bufferedAmount = 0
  watched.flush()
  t.equal(Object.keys(shown(slow.member.all, 'room')).length, 100)
  t.equal(slow.member.all.at(-1)?.more, undefined)
  t.equal(watched.isLate, true, 'it does not know of the last yet')
  watched.flush()
  t.equal(Object.keys(shown(slow.member.all, 'room')).length, 101)
  t.equal(watched.isLate, false)
  slow.member.socket.bufferedAmount = 4_000
  set('later', 1)
  watched.flush()
  t.equal(watched.isLate, true)
  slow.member.socket.bufferedAmount = 0
  watched.flush()
  t.equal(Object.keys(shown(slow.member.all, 'room')).length, 102)
  slow.member.isSlow = true
  watched.list(slow)
  slow.isAllowed = false
  watched.flush()
  t.equal(watched.isLate, false, 'nothing is due to one that may have nothing')
  t.ok(slow.rest.length > 0)
})

t.test('who looks at the same list gets the same', async t => {
  const { watcher } = build(['a'], 10)
  const [one, other] = [watcher(), watcher()]
  t.same(one.member.all, other.member.all)
})
