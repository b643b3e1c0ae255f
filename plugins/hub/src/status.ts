/** How a hub is. */
export interface HubHealth {
  /**
   * `degraded` while the bus is down: clients of this node are served, other nodes are not reached. Also while orders to
   * disconnect are missing that other nodes may have missed, because there were more than `maxOrders`, or
   * where more sessions and tokens were ended than are remembered, and while the `connectionCounter` is down.
   */
  status: 'ok' | 'degraded'
  /** The state of the bus; `none` on a single node. */
  bus: 'none' | 'up' | 'down'
  /** Whether the hub closes its connections before a shutdown. */
  draining: boolean
  /** Connections in the hub. */
  connections: number
  /** Whether the `connectionCounter` answers: while it is `down`, the limit of this node alone applies. Only there with a counter. */
  counter?: 'up' | 'down'
}

/** What the limit of connections over all nodes has done. */
export interface CounterStats {
  /** Connections that have got a place. */
  taken: number
  /** Connections that were closed because their user has enough on all nodes together; `refusals.subject` counts them as well. */
  refused: number
  /** Connections of any node that have had to make room for one of this node. */
  replaced: number
  /** Questions without an answer. */
  failed: number
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
  /** The limit of connections over all nodes. Only there with a `connectionCounter`. */
  counter?: CounterStats
}

/** All counters at zero, with or without those of a limit over all nodes. */
export function createStats (counts = false): HubStats {
  return {
    connections: 0,
    deliveries: 0,
    drops: { slow: 0, failed: 0 },
    refusals: { disconnected: 0, draining: 0, node: 0, subject: 0 },
    closes: { disconnected: 0, drained: 0, failed: 0, rate: 0, replaced: 0, slow: 0 },
    bus: { sent: 0, received: 0, lost: 0, invalid: 0 },
    ...counts && { counter: { taken: 0, refused: 0, replaced: 0, failed: 0 } }
  }
}
