import { Counter, Gauge, type Registry } from 'prom-client'

/** Numbers by name. */
type Counts<Name extends string> = Readonly<Record<Name, number>>

/**
 * Where the values come from that are read whenever somebody asks: the Fastify instance with its plugins, or an object with
 * those of them that are there.
 */
export interface MetricsSources {
  /** The HTTP server: what happens at others in the same process is not counted. Without it, everything is. */
  readonly server?: object | undefined
  /** The guard. */
  readonly wsGuard?: { readonly pending: number, readonly waiting?: number, readonly dropped?: number } | undefined
  /** The handshake. */
  readonly wsHandshake?: { readonly pending?: number } | undefined
  /** Introspection. */
  readonly wsIntrospect?: { readonly size: number, readonly stats: object } | undefined
  /** The hub. */
  readonly wsHub?: {
    readonly stats: {
      readonly connections: number
      readonly deliveries: number
      readonly drops: object
      readonly closes: object
      readonly bus: object
      readonly counter?: object
    }
    health (): { readonly bus: 'up' | 'down' | 'none', readonly counter?: 'up' | 'down' }
  } | undefined
  /** The tickets. */
  readonly wsTickets?: { readonly rateCounter?: ({ readonly state: 'up' | 'down' } & Counts<'taken' | 'refused' | 'failed'>) | null } | undefined
  /** Who is there. */
  readonly wsPresence?: {
    readonly stats: Counts<'watches' | 'subjects' | 'nodes' | 'changes'> & { readonly bus: object, readonly refused: object }
  } | undefined
  /** The heartbeat. */
  readonly wsHeartbeat?: Counts<'pings' | 'terminated'> | undefined
  /** The server of `@fastify/websocket`. */
  readonly websocketServer?: { readonly clients: { readonly size: number } } | undefined
}

/** Adds the metrics that are read from the plugins at each request. */
export function addStateMetrics (registry: Registry, sources: MetricsSources): void {
  const { wsGuard: guard, wsHandshake: handshake, wsIntrospect: introspect, wsHub: hub, wsPresence: presence, wsHeartbeat: heartbeat, websocketServer } = sources
  const registers = [registry]
  const gauge = (name: string, help: string, label: string | null, read: () => number | object) => new Gauge({
    name, help, labelNames: label === null ? [] : [label], registers, collect () { fill(this, label, read()) }
  })
  const counter = (name: string, help: string, label: string | null, read: () => number | object) => new Counter({
    name, help, labelNames: label === null ? [] : [label], registers, collect () { fill(this, label, read()) }
  })

  if (guard !== undefined || handshake?.pending !== undefined || hub !== undefined) {
    gauge('airlock_connections', 'WebSockets of this node', 'state', () => {
      const unauthenticated = handshake?.pending ?? 0
      return {
        ...guard && { pending: guard.pending },
        ...handshake?.pending !== undefined && { unauthenticated },
        ...hub && { authenticated: hub.stats.connections },
        // Read one after the other, while sockets come and go.
        ...hub && websocketServer && { other: Math.max(0, websocketServer.clients.size - hub.stats.connections - unauthenticated) }
      }
    })
  }
  if (guard?.waiting !== undefined) gauge('airlock_upgrades_waiting', 'Upgrades that wait for their turn', null, () => guard.waiting as number)
  if (guard?.dropped !== undefined) {
    counter('airlock_tcp_dropped_total', 'TCP connections that were closed because their address had too many', null, () => guard.dropped as number)
  }
  if (introspect !== undefined) {
    gauge('airlock_introspect_watched', 'Connections that are re-checked', null, () => introspect.size)
    counter('airlock_introspect_total', 'Tokens by what became of them, and questions by how they ended', 'event', () => introspect.stats)
  }
  if (presence !== undefined) {
    const { stats } = presence
    gauge('airlock_presence', 'Watches and users of this node, and other nodes that are known', 'of', () => ({ watches: stats.watches, subjects: stats.subjects, nodes: stats.nodes }))
    counter('airlock_presence_changes_total', 'Reports of changes to watchers', null, () => stats.changes)
    counter('airlock_presence_refused_total', 'What clients were refused', 'code', () => stats.refused)
    counter('airlock_presence_bus_total', 'Messages about who is there, to and from other nodes', 'event', () => stats.bus)
  }
  if (heartbeat !== undefined) {
    counter('airlock_heartbeat_pings_total', 'Pings sent', null, () => heartbeat.pings)
    counter('airlock_heartbeat_terminated_total', 'Connections found dead', null, () => heartbeat.terminated)
  }
  addCounterMetrics({ gauge, counter }, sources)
  if (hub === undefined) return
  const { stats } = hub
  counter('airlock_hub_deliveries_total', 'Messages handed over to connections', null, () => stats.deliveries)
  counter('airlock_hub_drops_total', 'Messages that a connection did not get', 'reason', () => stats.drops)
  counter('airlock_hub_closes_total', 'Connections that the hub closed', 'reason', () => stats.closes)
  if (hub.health().bus === 'none') return
  gauge('airlock_bus_up', 'Whether other nodes are reached', null, () => Number(hub.health().bus === 'up'))
  counter('airlock_bus_messages_total', 'Messages of the bus', 'result', () => stats.bus)
}

type Add = (name: string, help: string, label: string | null, read: () => number | object) => unknown

/** Limits over all nodes. */
function addCounterMetrics ({ gauge, counter }: { gauge: Add, counter: Add }, { wsHub: hub, wsTickets: tickets }: MetricsSources): void {
  const connections = hub?.stats.counter
  const requests = tickets?.rateCounter ?? undefined
  if (connections === undefined && requests === undefined) return
  gauge('airlock_counter_up', 'Whether a limit over all nodes is counted', 'of', () => ({
    ...connections && { connections: Number(hub?.health().counter === 'up') },
    ...requests && { tickets: Number(requests.state === 'up') }
  }))
  if (connections !== undefined) counter('airlock_hub_counter_total', 'Connections at the counter of all nodes', 'result', () => connections)
  if (requests !== undefined) {
    counter('airlock_ticket_counter_total', 'Requests for tickets at the counter of all nodes', 'result', () => {
      const { taken, refused, failed } = requests
      return { taken, refused, failed }
    })
  }
}

function fill (metric: Gauge | Counter, label: string | null, values: number | object): void {
  metric.reset()
  if (label === null) metric.inc(values as number)
  else for (const [name, value] of Object.entries(values)) metric.inc({ [label]: name }, value)
}
