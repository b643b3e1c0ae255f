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
      frame: text => ({ bytes: Buffer.from(text) }),
      deliver: (_, members, { bytes }) => {
        const [member] = members as unknown as [{ all: object[], takes: boolean }]
        if (member.takes) member.all.push(JSON.parse(bytes.toString()))
        return Number(member.takes)
      }
    },
    find: (_, subject) => users.get(subject),
    call: () => {}
  })
  const watcher = () => {
    const member = { all: [] as Array<Record<string, any>>, takes: true }
    const one = { member, isAllowed: true, isBehind: false } as unknown as Watcher & { member: typeof member, isAllowed: boolean }
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
