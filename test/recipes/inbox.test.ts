import t, { type Test } from 'tap'
import { until } from '../helpers.js'
import { device, hasCode, startNode } from './devices.js'
import { inbox, type Notification, type Unread } from './inbox.js'
import { openInbox } from './inbox-client.js'

t.test('the document has exactly this code', async t => { await hasCode(t, 'inbox', 'inbox.ts', 'inbox-client.ts') })

/** A table of notifications in memory. */
function table (): Unread {
  const rows = new Map<string, { user: string, notification: Notification, isRead: boolean }>()
  return {
    add (user, notification) {
      const key = `${user} ${notification.id}`
      if (!rows.has(key)) rows.set(key, { user, notification, isRead: false })
      return rows.get(key)?.isRead === false
    },
    remove (user, id) {
      const row = rows.get(`${user} ${id}`)
      if (row !== undefined) row.isRead = true
    },
    list: owner => [...rows.values()].filter(({ user, isRead }) => user === owner && !isRead).map(({ notification }) => notification)
  }
}

async function start (t: Test) {
  const node = await startNode(t, async app => await inbox(app, table()))
  const open = (user: string, of = user) => {
    const opened = device(t, node, user)
    const seen = { ids: null as string[] | null, shown: 0, snapshots: 0 }
    const box = openInbox(opened.connection, of, async (path, options) => {
      if (path === '/inbox') seen.snapshots++
      return await opened.request(path, options)
    }, unread => {
      seen.ids = unread.map(({ id }) => id)
      seen.shown++
    })
    return { ...opened, ...box, seen }
  }
  return { notify: node.recipe, open }
}

const shows = async ({ seen }: { seen: { ids: string[] | null } }, ...ids: string[]): Promise<void> =>
  await until(() => JSON.stringify(seen.ids) === JSON.stringify(ids))

t.test('all devices of a user show the same, whenever they come', async t => {
  const { notify, open } = await start(t)
  await notify('alice', { id: 'a', text: 'before anybody was there' })
  const [laptop, phone, other] = [open('alice'), open('alice'), open('bob')]
  await shows(laptop, 'a')
  await shows(phone, 'a')
  await shows(other)
  await notify('alice', { id: 'b', text: 'while both are there' })
  await shows(laptop, 'a', 'b')
  await shows(phone, 'a', 'b')

  phone.cut()
  await until(() => phone.connection.status !== 'open')
  t.equal((await laptop.read('a')).status, 204)
  await notify('alice', { id: 'c', text: 'while the phone is in a tunnel' })
  await shows(laptop, 'b', 'c')
  t.same(phone.seen.ids, ['a', 'b'])
  phone.mend()
  await shows(phone, 'b', 'c')
  t.equal(phone.seen.snapshots, 1, 'it was told what it had missed')
  t.same(other.seen.ids, [], 'and nobody else was')
  t.equal(other.seen.shown, 1)
})

t.test('a job that runs twice notifies once', async t => {
  const { notify, open } = await start(t)
  const laptop = open('alice')
  await shows(laptop)
  const shown = laptop.seen.shown
  for (let n = 0; n < 3; n++) await notify('alice', { id: 'a', text: 'once' })
  await shows(laptop, 'a')
  await laptop.read('a')
  await shows(laptop)
  await notify('alice', { id: 'a', text: 'once' })
  await notify('alice', { id: 'b', text: 'the next' })
  await shows(laptop, 'b')
  t.equal(laptop.seen.shown - shown, 3)
})

t.test('an inbox is that of its user alone', async t => {
  const { notify, open } = await start(t)
  const [alice, mallory] = [open('alice'), open('mallory', 'alice')]
  await shows(alice)
  await until(() => mallory.connection.status === 'open')
  await notify('alice', { id: 'a', text: 'for alice' })
  await shows(alice, 'a')
  await mallory.read('a')
  await notify('alice', { id: 'b', text: 'for alice' })
  await shows(alice, 'a', 'b')
  t.equal(mallory.seen.ids, null, 'not even its own, as it may not subscribe')
})
