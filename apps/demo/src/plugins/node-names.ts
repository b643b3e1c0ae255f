import fp from 'fastify-plugin'
import type { DemoOptions } from '../config.js'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * What people call a node: its `NODE_NAME`, else its id.
     *
     * @param id the hub's
     */
    nameOf (id: string): string
  }
}

/** The name of the cluster messages that carry names. */
const NAME = 'demo/name'

/** What `NODE_NAME` may be: anyone who can write to the bus can tell anything. */
const VALID = /^[\w.-]{1,32}$/

/** The names of all nodes: each tells its own to every node that appears, and asks for theirs. */
export const nodeNames = fp<DemoOptions>(async (fastify, { config: { nodeName } }) => {
  const { wsHub } = fastify
  const names = new Map<string, string>()
  const tell = (to: string, ask: boolean) => wsHub.tell(NAME, { name: nodeName, ask }, { to, guaranteed: true })
  wsHub.on(NAME, (data: unknown, { node }) => {
    const { name, ask } = Object(data) as { name?: unknown, ask?: unknown }
    if (typeof name === 'string' && VALID.test(name)) names.set(node, name)
    if (ask === true) tell(node, false)
  })
  wsHub.onNodes(({ id, state }) => {
    if (state === 'here') tell(id, true)
    else names.delete(id)
  })
  fastify.decorate('nameOf', id => id === wsHub.node ? nodeName ?? id : names.get(id) ?? id)
}, { name: 'demo-node-names', dependencies: ['demo-websocket'] })
