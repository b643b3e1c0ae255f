/** How a hub is. */
export interface HubHealth {
  /**
   * `degraded` while the bus is down: clients of this node are served, other nodes are not reached. Also while orders to
   * disconnect are missing that other nodes may have missed, because there were more than `maxOrders`, or
   * where more sessions and tokens were ended than are remembered.
   */
  status: 'ok' | 'degraded'
  /** The state of the bus; `none` on a single node. */
  bus: 'none' | 'up' | 'down'
  /** Whether the hub closes its connections before a shutdown. */
  draining: boolean
  /** Connections in the hub. */
  connections: number
}

/** What a hub has done since the start; only `connections` goes down as well. */
export interface HubStats {
  /** Connections in the hub. */
  connections: number
  /** Messages that connections took: one for each connection. */
  deliveries: number
  /** Messages that a connection did not get, by reason. */
  drops: {
    /** The connection had `maxBufferedBytes` waiting. */
    slow: number
    /** The connection threw. */
    failed: number
  }
  /** Connections that `add` refused, by reason; `node` counts upgrades that were refused before their 101 as well. */
  refusals: { disconnected: number, draining: number, node: number, subject: number }
  /** Connections that the hub has closed or terminated, by reason. */
  closes: { disconnected: number, drained: number, failed: number, rate: number, replaced: number, slow: number }
  /** Messages of the bus. */
  bus: {
    /** Handed to the bus. */
    sent: number
    /** Received from other nodes, each once. */
    received: number
    /** Not sent because the bus was down, or could not send. */
    lost: number
    /** Malformed or too large, and dropped. */
    invalid: number
  }
}

/** All counters at zero. */
export function createStats (): HubStats {
  return {
    connections: 0,
    deliveries: 0,
    drops: { slow: 0, failed: 0 },
    refusals: { disconnected: 0, draining: 0, node: 0, subject: 0 },
    closes: { disconnected: 0, drained: 0, failed: 0, rate: 0, replaced: 0, slow: 0 },
    bus: { sent: 0, received: 0, lost: 0, invalid: 0 }
  }
}
