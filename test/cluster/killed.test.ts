import { requireServer, startRedis } from '@fastify-airlock/test-servers'
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { until } from '../time.js'
import type { Request, Said, Settings } from './killed-node.js'
import { SUITE_TIMEOUT } from './suite.js'

t.setTimeout(SUITE_TIMEOUT)

const root = resolve(import.meta.dirname, '../..')

/** Long enough that a busy machine does not delay a beat by one. */
const BEAT = 5_000

const LIMIT = 3

/** A node in a process of its own. */
class Node {
  id = ''
  port = 0
  readonly changes: Array<{ id: string, state: string, at: number }> = []
  readonly heard: unknown[] = []
  readonly child: ChildProcess
  readonly #answers = new Map<number, (value: unknown) => void>()
  #last = 0

  constructor (t: Test, settings: Settings) {
    this.child = spawn(process.execPath, ['--import', './test/runner/register.js', '--conditions=@fastify-airlock/source', 'test/cluster/killed-node.ts'], {
      cwd: root, env: { ...process.env, AIRLOCK_NODE: JSON.stringify(settings) }, stdio: ['ignore', 'inherit', 'inherit', 'ipc']
    })
    t.teardown(() => this.kill())
    this.child.on('message', (said: Said) => {
      if (said.kind === 'ready') Object.assign(this, { id: said.node, port: said.port })
      else if (said.kind === 'change') this.changes.push({ id: said.id, state: said.state, at: performance.now() })
      else if (said.kind === 'heard') this.heard.push([said.data, said.from])
      else this.#answers.get(said.id)?.(said.value)
    })
  }

  async ask (kind: Request['kind'], data?: unknown): Promise<unknown> {
    const id = ++this.#last
    return await new Promise(resolve => {
      this.#answers.set(id, resolve)
      this.child.send({ id, kind, data } satisfies Request)
    })
  }

  /** A client, and with what it was closed. */
  async connect (t: Test, subject: string): Promise<{ client: WebSocket, closed: () => unknown }> {
    const client = new WebSocket(`ws://127.0.0.1:${this.port}/ws/${subject}`)
    let closed: unknown = null
    client.on('close', (code, reason) => { closed = [code, String(reason)] })
    client.on('error', () => {})
    t.teardown(() => client.terminate())
    await once(client, 'open')
    return { client, closed: () => closed }
  }

  async kill (): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    this.child.kill('SIGKILL')
    await once(this.child, 'exit')
  }
}

t.test('three processes, of which one is killed', async t => {
  const server = requireServer(t, await startRedis())
  if (server === null) return
  t.teardown(() => server.stop())
  const settings: Settings = { redis: server.url, prefix: `killed-${randomBytes(6).toString('hex')}:`, beat: BEAT, limit: LIMIT }
  const nodes = [new Node(t, settings), new Node(t, settings), new Node(t, settings)] as const
  const [a, b, c] = nodes
  await until(() => nodes.every(({ id }) => id !== ''))
  const ids = nodes.map(({ id }) => id).sort()
  for (const node of nodes) await until(async () => String(await node.ask('nodes')) === String(ids))
  await until(() => nodes.every(({ changes }) => changes.length === 2))

  // Cluster messages.
  for (let number = 0; number < 20; number++) await a.ask('tell', number)
  await until(() => nodes.every(({ heard }) => heard.length === 20))
  for (const { heard } of nodes) t.strictSame(heard, Array.from({ length: 20 }, (_, number) => [number, a.id]))

  // Limits over all nodes: connections, however many ask at once, and tickets.
  const open = (await Promise.all([...nodes, ...nodes].map(async node => await node.connect(t, 'alice'))))
  await until(() => open.filter(({ closed }) => closed() !== null).length === open.length - LIMIT)
  t.ok(open.every(({ closed }) => closed() === null || String(closed()) === '4429,too many connections'))
  // Those that are left: one at the node that is killed, at least.
  const guests = [await c.connect(t, 'bob'), await c.connect(t, 'bob'), await b.connect(t, 'bob')]
  await until(async () => await a.ask('countAll') === LIMIT * 2)
  const waits = await Promise.all([a, b, c, a, b].map(async node => await node.ask('take', 'alice')))
  t.equal(waits.filter(wait => wait === 0).length, 3)

  await c.kill()
  const killed = performance.now()
  const tooSoon = await a.connect(t, 'bob')
  await until(() => tooSoon.closed() !== null)
  t.strictSame(tooSoon.closed(), [4429, 'too many connections'], 'its places are not free at once')
  await until(() => [a, b].every(({ changes }) => changes.some(({ id, state }) => id === c.id && state === 'gone')))
  const at = Math.max(...[a, b].map(({ changes }) => changes.at(-1)?.at as number))
  t.comment(`gone after ${Math.round(at - killed)} ms`)
  await until(async () => {
    const { closed } = await a.connect(t, 'bob')
    await sleep(100)
    return closed() === null
  })
  t.comment(`its places are free after ${Math.round(performance.now() - killed)} ms`)
  t.equal(guests[2]?.closed(), null, 'others stay')
  for (const node of [a, b]) {
    t.strictSame(node.changes.filter(({ id }) => id !== c.id).map(({ state }) => state), ['here'], 'and nobody else flickers')
    t.strictSame(await node.ask('nodes'), [a.id, b.id].sort())
    t.match(await node.ask('health'), { status: 'ok', counter: 'up' })
  }
  await b.ask('tell', 'still here')
  await until(() => [a, b].every(({ heard }) => heard.length === 21))
})
