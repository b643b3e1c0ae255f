import { type BusLink, TestBus } from './bus.js'
import { afterTest } from './cleanup.js'
import { WSA_TESTING_ERR_NODE } from './errors.js'
import { Group } from './group.js'
import type { TestApp } from './reach.js'
import { turn } from './real-time.js'
import { type TestServer, type TestServerOptions, serverIn, readServerOptions } from './server.js'
import { Shared } from './shared.js'
import { until } from './until.js'

/** What a node is made from. */
export interface NodeSeat {
  /** Its end of the bus, for the option `bus` of its hub. */
  bus: BusLink
  /** Its number, from 0 on. */
  index: number
  /**
   * Gives the node something that all nodes share, such as a store of tickets: it works as ever, but a node that closes does not close
   * it, and nothing of a node that was killed reaches it any more. It is closed when all nodes are.
   *
   * @example
   * const store = new MemoryStore()
   * await testNodes(2, async ({ bus, share }) => await build({ ticket: { store: share(store) }, hub: { bus } }), { t })
   */
  share<T extends object> (target: T): T
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
   * Ends a node as a crash does. It is cut off the bus without a word, and off what it {@link NodeSeat.share shares}; all of its connections
   * break (close code 1006), and no request to it is answered any more. Its hooks for the end do not run before
   * {@link TestNodes.close}, so that it does not close what others still use.
   *
   * The other nodes find out by their beats, the hub's `busBeat`: by two of them that it does not come back, by four it is forgotten. With
   * {@link standingClock}, `await clock.advance(20_000)` lets them pass at once.
   */
  kill (index: number): Promise<void>
  /** Closes all of them, and then what they share. */
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
  // They are closed together: one alone would leave what is shared open.
  const { t, ...own } = readServerOptions(options)
  const group = new Group(own.timeout)
  const bus = new TestBus()
  const links = Array.from({ length: count }, () => bus.connect())
  const shared = new Shared()
  const nodes: Array<TestServer<App>> = []
  const close = async (): Promise<void> => {
    bus.heal()
    await Promise.all(nodes.map(node => node.close()))
    await shared.close()
  }
  try {
    for (const [index, link] of links.entries()) {
      const seat: NodeSeat = { bus: link, index, share: target => shared.of(target, index) }
      nodes.push(await serverIn(group, await create(seat), { ...own, bus }))
    }
    await hear(nodes)
    afterTest(t, close)
  } catch (error) {
    await close()
    throw error
  }
  return {
    nodes,
    bus,
    links,
    async kill (index) {
      const { app, reach } = nodes[index] as TestServer<App>
      bus.disconnect(links[index] as BusLink)
      shared.kill(index)
      await reach.cut()
      // Without its beats: they would show a counter of connections that it lives.
      const { wsHub: hub } = app as { wsHub?: { close (): void } }
      hub?.close()
      await turn()
    },
    close,
    [Symbol.asyncDispose]: close
  }
}

/** The part of a hub that says whom it hears. */
interface HearingHub {
  health (): { bus: string }
  nodes (): Promise<unknown[]>
}

/** Waits until the hub of each node that has one hears the bus, and the others. */
async function hear (nodes: TestServer[]): Promise<void> {
  const hubs = nodes.map(({ app }) => (app as { wsHub?: HearingHub }).wsHub)
  const count = hubs.filter(hub => hub !== undefined).length
  await Promise.all(hubs.map(async (hub, index) => {
    if (hub === undefined) return
    if (hub.health().bus === 'none') throw new WSA_TESTING_ERR_NODE(index, 'its hub has no bus. Give it the one that `create` gets: wsHub, { bus }')
    const hears = async (): Promise<boolean> => hub.health().bus === 'up' && (await hub.nodes()).length >= count
    await until(hears, undefined, { timeout: nodes[index]!.group.timeout }).catch(cause => {
      throw new WSA_TESTING_ERR_NODE(index, 'its hub does not hear the bus, or not the other nodes', { cause })
    })
  }))
}
