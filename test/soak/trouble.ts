import type { PrivateServer } from '@fastify-airlock/test-servers'
import { setTimeout as sleep } from 'node:timers/promises'
import { post } from './http.js'
import type { NodeProcess } from './node-process.js'
import type { Outages, Part } from './outages.js'
import { BEAT } from './settings.js'
import { pick } from './visitor.js'

/** What can be killed and paused. */
export interface Parts { nodes: readonly NodeProcess[], redis: PrivateServer, mongodb: PrivateServer, outages: Outages }

/** How often each thing was done. */
export const troubles: Record<string, number> = {}

/** Waits until every node reaches every other. */
export async function untilHealthy ({ nodes }: Pick<Parts, 'nodes'>): Promise<void> {
  for (const node of nodes) {
    while (true) {
      const { status, body } = await post(node.port, '/order', { subject: 'nobody', session: 'none', reason: 'are you there' })
      const ticket = await post(node.port, '/login', { subject: 'nobody', session: 'nothing' })
      const issued = await post(node.port, '/ws/ticket', undefined, ticket.body?.token)
      if (status === 200 && body.nodes === nodes.length && issued.status === 201) break
      await sleep(200)
    }
  }
}

/** The ways to do harm, in turn. The first node is only paused: its memory is what is watched. */
export function ways ({ nodes, redis, mongodb, outages }: Parts): Array<() => Promise<void>> {
  const away = async (name: string, parts: Part[], begin: () => unknown, end: () => unknown): Promise<void> => {
    troubles[name] = (troubles[name] ?? 0) + 1
    const over = parts.map(part => outages.begin(part))
    await begin()
    await sleep(500 + Math.random() * 5_000)
    await end()
    // A node that has not noticed yet says that all is well.
    await sleep(4 * BEAT)
    await untilHealthy({ nodes })
    for (const end of over) end()
  }
  const [first, ...others] = nodes as [NodeProcess, ...NodeProcess[]]
  const killNode = (): Promise<void> => {
    const node = pick(others)
    return away('SIGKILL for a node', [node.index], () => node.kill(), () => node.start())
  }
  const pauseNode = (node: NodeProcess) => (): Promise<void> => away('SIGSTOP for a node', [node.index], () => node.pause(), () => node.resume())
  const killServer = (name: string, part: Part, server: PrivateServer) => () => away(`SIGKILL for ${name}`, [part], () => server.kill(), () => server.restart())
  const pauseServer = (name: string, part: Part, server: PrivateServer) => () => away(`SIGSTOP for ${name}`, [part], () => server.pause(), () => server.resume())
  return [
    killNode, killServer('Redis', 'bus', redis), pauseNode(first), pauseServer('MongoDB', 'store', mongodb),
    killServer('MongoDB', 'store', mongodb), killNode, pauseServer('Redis', 'bus', redis), pauseNode(others[0] as NodeProcess)
  ]
}
