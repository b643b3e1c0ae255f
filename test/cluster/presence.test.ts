import { requireServer, startRedis } from '@fastify-airlock/test-servers'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { until } from '../time.js'

/** Time between two beats, in milliseconds. A node is gone after two. */
const BEAT = 1_000

/** What a machine may take for what is not waited for. */
const PATIENCE = 30_000

async function start (t: Test, url: string): Promise<{ process: ChildProcess, port: number }> {
  const node = fork(new URL('presence-node.ts', import.meta.url), [url, `${BEAT}`], { execArgv: ['--import', 'tsx', '--conditions=@fastify-airlock/source'] })
  t.teardown(() => { node.kill('SIGKILL') })
  const [{ port }] = await once(node, 'message') as [{ port: number }]
  return { process: node, port }
}

/** A user who watches the room that it is in. `changes` has each change of each user that it was told of. */
async function visit (t: Test, port: number, subject: string) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws?subject=${subject}`)
  t.teardown(() => socket.terminate())
  socket.on('error', () => {})
  const users = new Map<string, number>()
  const changes: Array<[subject: string, connections: number, at: number]> = []
  socket.on('message', data => {
    const { type, here = [], gone = [] } = JSON.parse(String(data)) as { type: string, here?: Array<{ subject: string, connections: number }>, gone?: string[] }
    if (type === 'presence:list') users.clear()
    for (const { subject, connections } of here) users.set(subject, connections)
    for (const subject of gone) users.delete(subject)
    for (const [name, connections] of [...here.map(({ subject, connections }) => [subject, connections] as const), ...gone.map(name => [name, 0] as const)]) {
      changes.push([name, connections, performance.now()])
    }
  })
  await once(socket, 'open')
  socket.send(JSON.stringify({ type: 'presence:watch', topics: ['room'] }))
  const sees = async (...subjects: string[]): Promise<void> => {
    const end = performance.now() + PATIENCE
    while ([...users.keys()].sort().join() !== subjects.sort().join()) {
      if (performance.now() > end) throw new Error(`${subject} sees ${[...users.keys()].join()}, not ${subjects.join()}`)
      await new Promise(resolve => setTimeout(resolve, 5))
    }
  }
  return { socket, users, changes, sees }
}

const redis = requireServer(t, await startRedis())
if (redis !== null) {
  t.teardown(() => redis.stop())

  await t.test('a node that is killed takes its users with it, and nobody else flickers', async t => {
    const [a, b, c] = await Promise.all([start(t, redis.url), start(t, redis.url), start(t, redis.url)])
    const alice = await visit(t, a.port, 'alice')
    const bob = await visit(t, b.port, 'bob')
    await visit(t, c.port, 'carol')
    // On two nodes, one of which dies.
    await visit(t, b.port, 'dave')
    await visit(t, c.port, 'dave')
    const all = ['alice', 'bob', 'carol', 'dave']
    await Promise.all([alice.sees(...all), bob.sees(...all)])
    await until(() => [alice, bob].every(({ users }) => users.get('dave') === 2))
    for (const { changes } of [alice, bob]) changes.length = 0
    const killed = performance.now()
    c.process.kill('SIGKILL')
    await Promise.all([alice.sees('alice', 'bob', 'dave'), bob.sees('alice', 'bob', 'dave')])
    await until(() => [alice, bob].every(({ users }) => users.get('dave') === 1))
    for (const { changes } of [alice, bob]) {
      t.same(changes.map(([subject, connections]) => [subject, connections]).sort(), [['carol', 0], ['dave', 1]], 'nothing else changes')
      t.comment(`gone after ${Math.round((changes[0]?.[2] as number) - killed)} ms`)
    }
    // It comes back, as another node.
    const d = await start(t, redis.url)
    await visit(t, d.port, 'carol')
    await Promise.all([alice.sees(...all), bob.sees(...all)])
    t.equal(alice.users.get('dave'), 1)
  })

  await t.test('one who goes from a node to another never leaves', async t => {
    const [a, b] = await Promise.all([start(t, redis.url), start(t, redis.url)])
    const alice = await visit(t, a.port, 'alice')
    const bob = await visit(t, b.port, 'bob')
    await alice.sees('alice', 'bob')
    alice.changes.length = 0
    bob.socket.terminate()
    await visit(t, a.port, 'bob')
    await visit(t, b.port, 'end')
    await alice.sees('alice', 'bob', 'end')
    t.same(alice.changes.filter(([subject, connections]) => subject === 'bob' && connections === 0), [])
  })
}
