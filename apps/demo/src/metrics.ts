import type { HandshakeOpenEvent, HandshakeRefuseEvent } from '@fastify-airlock/handshake'
import type { HubEvents, HubStats } from '@fastify-airlock/hub'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

/** Where the values come from. */
export interface MetricsSources {
  /** Upgrades in progress. */
  pending: () => number
  /** Open sockets, authenticated or not. */
  sockets: () => number
  stats: Readonly<HubStats>
  heartbeat: { readonly pings: number, readonly terminated: number }
  /** Whether messages reach the other nodes; `null` on a node that stands alone. */
  isBusUp: (() => boolean) | null
}

/** All metrics of one app, and those of its process. */
export interface Metrics {
  readonly registry: Registry
  /** Counts an HTTP answer. */
  countResponse (status: number): void
  /** Counts a request that was answered with an error. */
  countError (code: string): void
  /** Stops counting. */
  close (): void
}

// Once per process: prom-client cannot remove the observers of its default metrics.
let processMetrics: Registry | undefined

/** Starts counting. Clients cannot add values to a label, so their number stays small. */
export function createMetrics (sources: MetricsSources): Metrics {
  const registry = new Registry()
  const { refusals, handshakes, responses } = createEventMetrics(registry)
  createStateMetrics(registry, sources)

  const listeners = {
    'airlock:guard:refuse': ({ code }: { code: string }) => refusals.inc({ by: 'guard', code }),
    'airlock:handshake:refuse': ({ code }: HandshakeRefuseEvent) => refusals.inc({ by: 'handshake', code }),
    'airlock:hub:refuse': ({ reason }: HubEvents['refuse']) => refusals.inc({ by: 'hub', code: reason }),
    'airlock:handshake:open': ({ duration }: HandshakeOpenEvent) => handshakes.observe(duration / 1_000)
  }
  const channels = Object.entries(listeners) as Array<[string, (event: unknown) => void]>
  for (const [name, listener] of channels) subscribe(name, listener)

  processMetrics ??= createProcessMetrics()
  return {
    registry: Registry.merge([registry, processMetrics]),
    countResponse: status => responses.inc({ status }),
    // The codes of Fastify and of this repository are few; other errors could have any code.
    countError: code => refusals.inc({ by: 'http', code: /^(?:FST|WSA)_/.test(code) ? code : 'other' }),
    close () {
      for (const [name, listener] of channels) unsubscribe(name, listener)
    }
  }
}

/** Metrics that are counted when something happens. */
function createEventMetrics (registry: Registry) {
  const registers = [registry]
  return {
    responses: new Counter({
      name: 'airlock_http_responses_total',
      help: 'HTTP answers',
      labelNames: ['status'],
      registers
    }),
    refusals: new Counter({
      name: 'airlock_refusals_total',
      help: 'What was refused, by http, guard, handshake or hub; an error code, a close code or a reason',
      labelNames: ['by', 'code'],
      registers
    }),
    handshakes: new Histogram({
      name: 'airlock_handshake_duration_seconds',
      help: 'Time from the upgrade to auth_ok',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers
    })
  }
}

/** Metrics that are read from the plugins at each request. */
function createStateMetrics (registry: Registry, { pending, sockets, stats, heartbeat, isBusUp }: MetricsSources): void {
  const registers = [registry]
  const gauge = (name: string, help: string, label: string | null, read: () => number | object) => new Gauge({
    name, help, labelNames: label === null ? [] : [label], registers, collect () { fill(this, label, read()) }
  })
  const counter = (name: string, help: string, label: string | null, read: () => number | object) => new Counter({
    name, help, labelNames: label === null ? [] : [label], registers, collect () { fill(this, label, read()) }
  })

  gauge('airlock_connections', 'WebSockets of this node', 'state', () => ({
    pending: pending(),
    unauthenticated: Math.max(0, sockets() - stats.connections),
    authenticated: stats.connections
  }))
  counter('airlock_hub_deliveries_total', 'Messages handed over to connections', null, () => stats.deliveries)
  counter('airlock_hub_drops_total', 'Messages that a connection did not get', 'reason', () => stats.drops)
  counter('airlock_hub_closes_total', 'Connections that the hub closed', 'reason', () => stats.closes)
  counter('airlock_heartbeat_pings_total', 'Pings sent', null, () => heartbeat.pings)
  counter('airlock_heartbeat_terminated_total', 'Connections found dead', null, () => heartbeat.terminated)
  if (isBusUp === null) return
  gauge('airlock_bus_up', 'Whether other nodes are reached', null, () => Number(isBusUp()))
  counter('airlock_bus_messages_total', 'Messages of the bus', 'result', () => stats.bus)
}

function fill (metric: Gauge | Counter, label: string | null, values: number | object): void {
  metric.reset()
  if (label === null) metric.inc(values as number)
  else for (const [name, value] of Object.entries(values)) metric.inc({ [label]: name }, value)
}

function createProcessMetrics (): Registry {
  const register = new Registry()
  collectDefaultMetrics({ register })
  return register
}
