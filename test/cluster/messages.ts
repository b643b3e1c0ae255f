import type { Test } from 'tap'
import { connect, until } from '../helpers.js'
import { type Cluster, duplicates } from './cluster.js'

/** What reaches whom, on which node. */
export async function messages (t: Test, cluster: Cluster): Promise<void> {
  const { nodes } = cluster
  const admin = await cluster.login('admin')

  t.test('a reset reaches every kiosk on every node, once', async t => {
    await cluster.quiet()
    const kiosks = await cluster.clients(t, '/ws/kiosk', ['alice', 'bob', 'admin', 'alice', 'bob', 'admin'], admin)
    const other = cluster.client(t, '/ws/demo')
    await until(() => other.ready)
    const resets = (): number[] => kiosks.map(kiosk => kiosk.received('reset').length)

    // A kiosk may be on the bus a moment after it is let in: until each has been reached from each node, none counts.
    for (const node of nodes) {
      const before = resets()
      await until(async () => {
        t.equal((await node.demo.post('/kiosk/reset', admin)).status, 202)
        await cluster.reaches(admin, kiosks)
        return resets().every((count, i) => count > (before[i] as number))
      })
    }
    const before = resets()
    for (const node of nodes) await node.demo.post('/kiosk/reset', admin)
    t.equal((await cluster.post('/kiosk/reset', admin)).status, 202)
    await cluster.reaches(admin, kiosks)
    t.same(resets(), before.map(count => count + 4))
    t.same(other.received('reset'), [], 'and nobody else')
  })

  t.test('a broadcast reaches every client on every node, once, in the order of its publisher', async t => {
    await cluster.quiet()
    const clients = await cluster.clients(t, '/ws/demo', ['alice', 'bob', 'admin', 'alice', 'bob', 'admin'], admin)
    const sent = nodes.map(() => Array.from({ length: 30 }, () => cluster.nextBroadcast()))
    await Promise.all(nodes.map(async (node, i) => {
      for (const data of sent[i] as number[]) await node.demo.post('/broadcast', admin, { data })
    }))
    await cluster.reaches(admin, clients)
    for (const client of clients) {
      const numbers = client.received('broadcast').map(({ data }) => data as number)
      for (const expected of sent) t.same(numbers.filter(number => expected.includes(number)), expected)
    }
  })

  t.test('only an admin may', async t => {
    const user = await cluster.login('bob')
    t.equal((await cluster.post('/kiosk/reset', user)).status, 403)
    t.equal((await cluster.post('/broadcast', user, { data: 1 })).status, 403)
    t.equal((await cluster.post('/kiosk/reset', 'nobody')).status, 401)
  })

  t.test('a logout at one node ends the user\'s connections on all, and nobody else\'s', async t => {
    await cluster.quiet()
    const bobs = await cluster.clients(t, '/ws/demo', ['bob', 'bob', 'bob'], admin)
    const token = await cluster.login('alice')
    const alices = await Promise.all(nodes.map(async ({ demo }) => {
      const { ticket, protocol } = await demo.ticket(token)
      const client = await connect(t, `${demo.url.replace('http', 'ws')}/ws/demo`, [protocol, `ticket.${ticket}`])
      client.send({ type: 'auth', token })
      t.match(await client.next(), { type: 'auth_ok', user: { id: 'alice' } })
      return client
    }))
    t.equal((await nodes[0].demo.post('/logout', token)).status, 204)
    t.same(await Promise.all(alices.map(async ({ closed }) => await closed)), alices.map(() => '4403 disconnected'))
    for (const node of nodes) await until(async () => (await node.demo.post('/ws/ticket', token)).status === 401)
    t.pass('and the token that was logged out is worthless at every node')
    await cluster.reaches(admin, bobs)
    t.same(bobs.map(({ connections }) => connections.length), bobs.map(() => 1))
    t.same(bobs.flatMap(duplicates), [])
  })
}
