import { CloseCode } from '@fastify-airlock/protocol'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { connect, until } from '../helpers.js'
import { retryAfterOf } from './client.js'
import { type Cluster, duplicates, type Node } from './cluster.js'
import { request } from './https.js'

/** SIGTERM for one node after the other, as a deployment of a new version does it. */
export async function rollingRestart (t: Test, cluster: Cluster): Promise<void> {
  const { nodes, proxy } = cluster
  const admin = await cluster.login('admin')

  t.test('a rolling restart: clients are asked to come back, and do; the proxy always has an answer', async t => {
    await cluster.quiet()
    const clients = await cluster.clients(t, '/ws/demo', ['alice', 'bob', 'admin', 'alice', 'bob', 'admin'], admin)
    const stop = new AbortController()
    const statuses = (async () => {
      const seen = new Map<number, number>()
      while (!stop.signal.aborted) {
        const { status } = await request(`${proxy.origin}/healthz`)
        seen.set(status, (seen.get(status) ?? 0) + 1)
        await sleep(50)
      }
      return seen
    })()

    let moved = 0
    for (const node of nodes) {
      moved += (await node.health()).connections
      await enterMute(t, node, admin)
      t.equal(await node.demo.stop('SIGTERM'), 0)
      await node.restart()
      await until(() => clients.every(({ ready }) => ready) && closesOf(clients).length >= moved)
    }
    t.ok(moved >= clients.length, 'every client was moved')
    const closes = closesOf(clients)
    t.equal(closes.length, moved, 'as often as its node went')
    for (const { code, reason, at, back } of closes) {
      t.equal(code, CloseCode.SERVICE_RESTART)
      const { retryAfter } = JSON.parse(reason)
      t.ok(Number.isInteger(retryAfter) && retryAfter >= 0, reason)
      t.ok(back - at >= retryAfterOf(reason), 'nobody came before its time')
    }
    stop.abort()
    t.same([...(await statuses).keys()], [200])
    await cluster.reaches(admin, clients)
    t.same(clients.flatMap(duplicates), [])
  })
}

/** A client that does not answer the close frame, so that the node drains for a while and meanwhile refuses requests. */
async function enterMute (t: Test, { demo }: Node, token: string): Promise<void> {
  const { ticket, protocol } = await demo.ticket(token)
  const client = await connect(t, `${demo.url.replace('http', 'ws')}/ws/demo`, [protocol, `ticket.${ticket}`])
  client.send({ type: 'auth', token })
  t.match(await client.next(), { type: 'auth_ok' })
  client.socket.pause()
}

/** Every end of a connection so far, and when the client was back. */
function closesOf (clients: Awaited<ReturnType<Cluster['clients']>>) {
  return clients.flatMap(({ connections }) => connections.flatMap(({ closed }, i) =>
    closed === undefined ? [] : [{ ...closed, back: connections[i + 1]?.since ?? Infinity }]))
}
