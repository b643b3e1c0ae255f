import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { until } from '../helpers.js'
import type { Client } from './client.js'
import { type Cluster, duplicates, type EngineName, type User } from './cluster.js'

const USERS: readonly User[] = ['alice', 'bob', 'admin', 'alice', 'bob', 'admin']

/** Longest time that a request may take while something is away, in milliseconds; the slack is for a busy machine. */
const ANSWER_WITHIN = 10_000

/** SIGKILL for everything, one after the other, and its return. */
export async function failures (t: Test, cluster: Cluster): Promise<void> {
  const { nodes, options } = cluster
  const admin = await cluster.login('admin')

  /** Broadcasts through the proxy all the time, whatever the answers, until told to stop. */
  const publish = () => {
    const stop = new AbortController()
    const done = (async () => {
      while (!stop.signal.aborted) {
        await cluster.post('/broadcast', admin, { data: cluster.nextBroadcast() }).catch(() => {})
        await sleep(100)
      }
    })()
    return async () => {
      stop.abort()
      await done
    }
  }

  const connectionsOf = (clients: readonly Client[]): number[] => clients.map(({ connections }) => connections.length)

  t.test('a node is killed: its clients come back to the others with new tickets, the rest notice nothing', async t => {
    await cluster.quiet()
    const clients = await cluster.clients(t, '/ws/demo', USERS, admin)
    const stop = publish()
    const victim = nodes[0]
    const { connections } = await victim.health()
    await victim.demo.stop('SIGKILL')
    await until(() => clients.every(({ ready }) => ready) && connectionsOf(clients).reduce((a, b) => a + b) >= clients.length + connections)
    const ends = clients.flatMap(client => client.connections.flatMap(({ closed }) => closed?.code ?? []))
    t.same(ends, Array.from({ length: connections }, () => 1006), 'only its own clients were cut, once')

    await victim.restart()
    const late = await cluster.clients(t, '/ws/demo', USERS, admin)
    t.ok((await victim.health()).connections > 0, 'it is used again')
    await stop()
    await cluster.reaches(admin, [...clients, ...late])
    t.same([...clients, ...late].flatMap(duplicates), [])
  })

  for (const engine of ['redis', 'mongodb'] as const) {
    t.test(`${engine} is killed: ${consequences(engine, options)}`, async t => {
      const server = cluster.engines[engine]
      await cluster.quiet()
      const clients = await cluster.clients(t, '/ws/demo', USERS, admin)
      const stop = publish()
      await server.kill()

      if (options.tickets === engine) {
        for (const node of nodes) {
          const begun = Date.now()
          const response = await node.demo.post('/ws/ticket', admin)
          t.equal(response.status, 503)
          t.match(response.headers.get('retry-after'), /^\d+$/)
          t.ok(Date.now() - begun < ANSWER_WITHIN)
        }
      }
      if (options.bus === engine) {
        for (const node of nodes) await until(async () => (await node.health()).bus === 'down')
      }
      const begun = Date.now()
      const response = await nodes[0].demo.post('/broadcast', admin, { data: cluster.nextBroadcast() })
      t.same(await response.json(), { delivered: (await nodes[0].health()).connections }, 'a node serves its own')
      t.ok(Date.now() - begun < ANSWER_WITHIN)
      const newcomer = cluster.client(t, '/ws/demo')
      if (options.tickets !== engine) await until(() => newcomer.ready)

      await server.restart()
      await until(() => newcomer.ready)
      for (const node of nodes) await until(async () => (await node.health()).bus === 'up')
      await stop()
      await cluster.reaches(admin, [...clients, newcomer])
      t.same(connectionsOf(clients), clients.map(() => 1), 'nobody was cut')
      t.same([...clients, newcomer].flatMap(duplicates), [])
    })
  }
}

function consequences (engine: EngineName, { tickets, bus }: { tickets: EngineName, bus: EngineName }): string {
  const losses = [...(tickets === engine ? ['tickets are refused'] : []), ...(bus === engine ? ['nodes serve their own'] : [])]
  return `${losses.length === 0 ? 'nothing is missed' : losses.join(', ')}, and all is well when it is back`
}
