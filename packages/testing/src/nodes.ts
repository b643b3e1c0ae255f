import { type BusLink, TestBus } from './bus.js'
import { WSA_TESTING_ERR_NODE } from './errors.js'
import { Group } from './group.js'
import { inTime, moment } from './real-time.js'
import { type TestServer, type TestServerOptions, serverIn } from './server.js'
import type { TestApp } from './transport.js'

/** What a node is made from. */
export interface NodeSeat {
  /** Its end of the bus, for the option `bus` of its hub. */
  bus: BusLink
  /** Its number, from 0 on. */
  index: number
}

/** Options of {@link testNodes}: those of each server, but the bus. */
export type TestNodesOptions = Omit<TestServerOptions, 'bus'>

/** Several nodes on one bus. */
export interface TestNodes<App extends TestApp = TestApp> extends AsyncDisposable {
  /** The nodes. */
  readonly nodes: Array<TestServer<App>>
  /** The bus between them. */
  readonly bus: TestBus
  /** The end of the bus that each of them has. */
  readonly links: BusLink[]
  /**
   * Ends a node as a crash does: it is cut off the bus without a word, its connections break, and then it closes. The bus keeps
   * its place, so that nothing of its end reaches the others.
   */
  kill (index: number): Promise<void>
  /** Closes all of them. */
  close (): Promise<void>
}

/**
 * Makes several nodes in this process, and waits until each hears the others. They share what `create` has them share, and the bus.
 *
 * @param create makes the Fastify instance of one node
 * @throws {@link WSA_TESTING_ERR_OPTION} when an option is unknown or wrong
 * @throws {@link WSA_TESTING_ERR_NODE} when a node's hub does not come to hear the bus: it was not given to it
 *
 * @example
 * const { nodes } = await testNodes(2, async ({ bus }) => await build({ hub: { bus } }), { t })
 * const alice = await nodes[0].device('alice').open('/ws')
 * const bob = await nodes[1].device('bob').open('/ws')
 */
export async function testNodes<App extends TestApp> (
  count: number, create: (seat: NodeSeat) => App | Promise<App>, options: TestNodesOptions = {}
): Promise<TestNodes<App>> {
  const group = new Group(options.timeout)
  const bus = new TestBus()
  const links = Array.from({ length: count }, () => bus.connect())
  const nodes: Array<TestServer<App>> = []
  const close = async (): Promise<void> => {
    bus.heal()
    await Promise.all(nodes.map(node => node.close()))
  }
  try {
    for (const [index, link] of links.entries()) nodes.push(await serverIn(group, await create({ bus: link, index }), { ...options, bus }))
    await Promise.all(nodes.map(hears))
  } catch (error) {
    await close()
    throw error
  }
  return {
    nodes,
    bus,
    links,
    async kill (index) {
      const node = nodes[index] as TestServer<App>
      bus.cut(links[index], { silent: true })
      await node.close()
    },
    close,
    [Symbol.asyncDispose]: close
  }
}

/** Waits until the hub of a node, if it has one, hears the bus. */
async function hears ({ app, group }: TestServer, index: number): Promise<void> {
  const { wsHub: hub } = app as { wsHub?: { health (): { bus: string } } }
  if (hub === undefined) return
  if (hub.health().bus === 'none') throw new WSA_TESTING_ERR_NODE(index, 'its hub has no bus. Give it the one that `create` gets: wsHub, { bus }')
  const late = { is: false }
  const callOff = inTime(group.timeout, () => { late.is = true })
  while (hub.health().bus !== 'up' && !late.is) await moment()
  callOff()
  if (late.is) throw new WSA_TESTING_ERR_NODE(index, 'its hub does not hear the bus')
}
