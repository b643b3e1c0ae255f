/** Options of {@link HubCluster.tell}. */
export interface TellOptions {
  /**
   * Who gets it: `'all'` nodes, this one included, all `'others'`, or the one node with this id.
   * @default 'all'
   */
  to?: string
  /**
   * Whether it reaches nodes as surely as {@link WsHub.disconnect} does: one that cannot be reached now gets it as soon as it
   * can. So it may come long after it was sent, or twice. Otherwise a node gets it at most once, and never late.
   * @default false
   */
  guaranteed?: boolean
}

/** Where a cluster message comes from. */
export interface TellOrigin {
  /** The id of the node that has sent it. Anyone who can write to the bus can write any. */
  node: string
  /** Whether that is this node. */
  own: boolean
}

/**
 * Takes the cluster messages of a name. What it throws, or rejects with, is logged.
 *
 * @param data what the sender gave, as JSON makes it: a copy of its own for each listener. Anyone who can write to the bus may
 * have written it
 */
export type TellListener<Data = any> = (data: Data, from: TellOrigin) => unknown

/** Options of {@link HubCluster.nodes} and {@link HubCluster.countAll}. */
export interface AskOptions {
  /**
   * How long to wait for other nodes, in milliseconds; at most 2147483647. Nobody waits any more when the server closes.
   * @default 5000
   */
  timeout?: number
}

/** A node, as {@link HubCluster.nodes} has found it. */
export interface HubNode {
  /** Its id: another one after each start. */
  id: string
  /** Whether it is the node that has asked. */
  own: boolean
  /** Connections in its hub. */
  connections: number
  /** Whether it closes its connections before a shutdown. */
  draining: boolean
}

/** What has become of another node. */
export interface NodeChange {
  /** Its id. */
  id: string
  /** `'gone'` when it was silent for two of its beats, or has said goodbye; `'here'` when it is heard, again or for the first time. */
  state: 'here' | 'gone'
}

/** Takes what becomes of other nodes. What it throws, or rejects with, is logged. */
export type NodeListener = (change: NodeChange) => unknown

/** What the hubs of one bus know and tell each other. Without a bus, all of it works with this node alone. */
export interface HubCluster {
  /** The id of this node: 12 characters of base64url, others after each start. */
  readonly node: string

  /**
   * Hands data to all listeners of a name, on every node. Those of this node have it when the call returns, unless a listener
   * makes the call. What one node tells under one name to all, or to one node, arrives in that order; a guaranteed message may
   * come after later ones.
   *
   * @param name a topic's form: 1 to 256 bytes, at most 64 levels. `airlock:` begins the names of Airlock's own plugins
   * @param data anything that has a JSON form: up to 256 KiB, guaranteed up to 16 KiB in an order, where each quote takes four
   * @throws {@link WSA_HUB_ERR_INVALID_TELL} when the name or an option is wrong, or the data is too large; nothing is sent then
   * @throws {@link WSA_HUB_ERR_INVALID_DATA} when the data has no JSON form; nothing is sent then
   *
   * @example
   * app.wsHub.on('cache/forget', key => cache.delete(key))
   * app.wsHub.tell('cache/forget', 'user:alice')
   */
  tell (name: string, data: unknown, options?: TellOptions): void

  /**
   * Has a listener take what is told under a name, until the server has closed its connections. What other nodes tell arrives
   * once the bus has confirmed the subscription: {@link WsHub.busReady}.
   *
   * @returns removes the listener
   * @throws {@link WSA_HUB_ERR_INVALID_TELL} when the name has no topic's form, or the listener is no function
   */
  on<Data = any> (name: string, listener: TellListener<Data>): () => void

  /**
   * Asks all nodes how they are.
   *
   * @returns this node, and the others that have answered in time. A node of an earlier version does not answer
   * @throws {@link WSA_HUB_ERR_INVALID_TIMEOUT} when `timeout` is no number of milliseconds
   */
  nodes (options?: AskOptions): Promise<HubNode[]>

  /**
   * Counts the connections of all nodes, or those that a publication to a topic reaches.
   *
   * @returns the sum of what this node and the others that have answered in time have
   * @throws {@link WSA_HUB_ERR_INVALID_TOPIC} when the topic is empty or too long
   * @throws {@link WSA_HUB_ERR_INVALID_TIMEOUT} when `timeout` is no number of milliseconds
   */
  countAll (topic?: string, options?: AskOptions): Promise<number>

  /**
   * Has a listener told of other nodes: at first of those that are here already, then of each that is first seen, is gone, or is
   * back. A node that the bus does not reach is gone for the others, and they are for it.
   *
   * @returns removes the listener
   * @throws {@link WSA_HUB_ERR_INVALID_TELL} when the listener is no function
   */
  onNodes (listener: NodeListener): () => void
}
